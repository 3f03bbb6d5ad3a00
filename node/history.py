"""What happened at a node lately, interval by interval: a bounded past of numbers, and no clock."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, get_args

EVERY_MS = 5_000
SAMPLES_KEPT_MAX = 720  # an hour; some 400 bytes each

Series = Literal[
    "tasks_new",
    "tasks_final",
    "verdict_p50_s",
    "verdict_p95_s",
    "runs",
    "inference_queue",
    "records",
    "peers_connected",
    "peers_live",
    "refusals_rpc",
    "refusals_gate",
    "refusals_pace",
    "refusals_net",
    "sync_fetched",
    "gossip_in",
    "gossip_out",
    "loop_lag_peak_s",
    "memory_bytes",
]
NAMES: tuple[Series, ...] = get_args(Series)
Numbers = Mapping[Series, float | None]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The last hour of a node, sample by sample; each is of the interval that ends with it.

    Attributes:
        every_ms: How long an interval is meant to be; one the machine slept through is longer.
        now_ms: This moment, Unix milliseconds.
        at_ms: When each sample was taken, Unix milliseconds, ascending.
        series: By name a number for each of these moments; null where there was nothing to
            measure, or it could not be read. `tasks_new` and `tasks_final` came into the log and
            became final; `verdict_p50_s` and `verdict_p95_s` are how long those took from their
            first sight, or that of the attempt before; `runs` are model answers given;
            `refusals_…` what each door refused; `sync_fetched` records; `gossip_in` and
            `gossip_out` messages; `loop_lag_peak_s` how late the event loop came back at worst.
            `inference_queue`, `records`, `peers_…` and `memory_bytes` are as they were then.
    """

    every_ms: int
    now_ms: int
    at_ms: tuple[int, ...]
    series: dict[str, tuple[float | None, ...]]


class History(Protocol):
    """Whoever knows what happened lately."""

    def told(self, *, after_ms: int) -> HistoryView:
        """Return the samples taken after a moment, Unix milliseconds."""
        ...


class _Sample(NamedTuple):
    at_ms: int
    numbers: tuple[float | None, ...]


class Ring:
    """The last samples; moments ascend, whatever the clock does."""

    def __init__(self, *, kept_max: int = SAMPLES_KEPT_MAX) -> None:
        """Begin with nothing.

        Args:
            kept_max: How many samples are kept.
        """
        self._kept: deque[_Sample] = deque(maxlen=kept_max)

    def add(self, at_ms: int, numbers: Numbers) -> None:
        """Take a sample in; where the clock was set back, those that now lie ahead are dropped."""
        while self._kept and self._kept[-1].at_ms >= at_ms:
            self._kept.pop()
        self._kept.append(_Sample(at_ms, tuple([numbers[name] for name in NAMES])))

    def told(self, *, after_ms: int, now_ms: int) -> HistoryView:
        """Return the samples after a moment."""
        found = [sample for sample in self._kept if sample.at_ms > after_ms]
        series: dict[str, tuple[float | None, ...]] = {
            name: tuple([sample.numbers[at] for sample in found]) for at, name in enumerate(NAMES)
        }
        return HistoryView(EVERY_MS, now_ms, tuple([one.at_ms for one in found]), series)


def since(before: Mapping[Series, int], now: Mapping[Series, int]) -> dict[Series, int]:
    """Return by how much counters grew; one that fell has begun anew."""
    return {
        name: count - before[name] if count >= before[name] else count
        for name, count in now.items()
    }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that so many percent do not exceed; None of none.

    Args:
        values: In any order.
        percent: 1 to 100.
    """
    if not values:
        return None
    return sorted(values)[-(-len(values) * percent // 100) - 1]
