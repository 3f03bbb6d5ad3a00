"""Numbers that are counted where things happen, and the form in which they are handed over.

Nothing here knows who reads them: `node.rpc` puts them into the words of Prometheus. Whoever counts
pays a few hundred nanoseconds, and no stranger can make anything here grow.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple, Protocol

Kind = Literal["counter", "gauge", "histogram", "info"]

LABELS_MAX = 64  # of one tally; our own code has fewer, so more can only be a mistake or a plug-in
OTHER = "other"  # stands for all labels there is no room for
PEAK_SPAN_S = 60.0


class Sample(NamedTuple):
    """One number and what it is of."""

    labels: Mapping[str, str]
    value: float


class Spread(NamedTuple):
    """How often values fell where.

    Attributes:
        labels: What it is of.
        buckets: The upper end of each bucket, and how many values are no larger; the last end is
            infinite.
        total: The sum of all values.
    """

    labels: Mapping[str, str]
    buckets: Sequence[tuple[float, int]]
    total: float


@dataclass(frozen=True, slots=True)
class Family:
    """All numbers of one name.

    Attributes:
        name: Without `_total` or `_info`, which its kind implies.
        kind: What may be done with it; the samples of a histogram are spreads, all others numbers.
        help: What it tells, in one sentence.
        samples: One for each set of labels; an info has its labels and the value 1.
    """

    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample | Spread]


class Meter(Protocol):
    """Whoever knows all numbers of a node."""

    async def families(self) -> list[Family]:
        """Read every number now; what cannot be read while the disk fails has no samples.

        Raises:
            StoreDamaged: The disk holds something else than was written.
        """
        ...

    def note_refusal(self, code: str) -> None:
        """Count a request of the local user that was refused, by the word it was refused with."""
        ...


class Tally:
    """Counts by label; labels come from our own code, not from strangers."""

    __slots__ = ("_counts",)

    def __init__(self, labels: Sequence[str] = ()) -> None:
        """Begin at zero for labels that are known beforehand, so that none appears from nowhere."""
        self._counts = dict.fromkeys(labels, 0)

    def add(self, label: str, count: int = 1) -> None:
        """Count something."""
        counts = self._counts
        if label not in counts and len(counts) >= LABELS_MAX:
            label = OTHER
        counts[label] = counts.get(label, 0) + count

    def counts(self) -> dict[str, int]:
        """Return the counts, by label."""
        return dict(sorted(self._counts.items()))


class Histogram:
    """How often values fell into which of a few buckets; one thread at a time notes."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the upper ends of the buckets, ascending; one without an end is added."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def note(self, value: float) -> None:
        """Take one value in; one that equals an upper end lies below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Note how many seconds the block took, however it ends."""
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.note(time.perf_counter() - began_s)

    def spread(self, **labels: str) -> Spread:
        """Return what was noted so far."""
        ends = (*self._bounds, float("inf"))
        return Spread(labels, tuple(zip(ends, accumulate(self._counts), strict=True)), self._total)


class Peak:
    """The largest value of this minute and the one before."""

    __slots__ = ("_before", "_began_s", "_now")

    def __init__(self) -> None:
        self._began_s = float("-inf")
        self._now = self._before = 0.0

    def note(self, value: float, at_s: float) -> None:
        """Take in a value of a moment, in seconds of any clock that never goes back."""
        self._turn(at_s)
        self._now = max(self._now, value)

    def read(self, at_s: float) -> float:
        """Return the largest value of the last one or two minutes before a moment; 0 if none."""
        self._turn(at_s)
        return max(self._now, self._before)

    def _turn(self, at_s: float) -> None:
        passed_s = at_s - self._began_s
        if passed_s >= PEAK_SPAN_S:
            self._before = self._now if passed_s < 2 * PEAK_SPAN_S else 0.0
            self._now, self._began_s = 0.0, at_s


class HighMark:
    """The largest value since it was last taken; for one taker."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0.0

    def note(self, value: float) -> None:
        """Take in a value."""
        self._value = max(self._value, value)

    def take(self) -> float:
        """Return the largest value, 0 if there was none above it, and begin anew."""
        value, self._value = self._value, 0.0
        return value
