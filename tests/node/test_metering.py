"""What counts: tallies, histograms, peaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.metering import LABELS_MAX, OTHER, PEAK_SPAN_S, Histogram, Peak, Tally


def test_tally__has_a_bounded_number_of_labels() -> None:
    tally = Tally(["known"])
    for number in range(LABELS_MAX + 10):
        tally.add(f"label {number}")

    tally.add("known", 3)

    counts = tally.counts()
    assert len(counts) == LABELS_MAX + 1
    assert counts["known"] == 3
    assert counts[OTHER] == 11
    assert sum(counts.values()) == LABELS_MAX + 13


def test_tally__shows_what_never_happened_as_zero() -> None:
    assert Tally(["a", "b"]).counts() == {"a": 0, "b": 0}


@given(st.lists(st.floats(0, 20)), st.lists(st.integers(1, 19), unique=True).map(sorted))
def test_histogram__says_how_many_values_are_no_larger_than_each_end(
    values: list[float], ends: list[int]
) -> None:
    histogram = Histogram(ends)
    for value in values:
        histogram.note(value)

    spread = histogram.spread(type="echo")

    wanted = [(end, sum(value <= end for value in values)) for end in ends]
    assert list(spread.buckets) == [*wanted, (float("inf"), len(values))]
    assert spread.total == pytest.approx(sum(values))
    assert spread.labels == {"type": "echo"}


def test_timed__counts_also_what_fails() -> None:
    histogram = Histogram([60.0])
    with pytest.raises(ValueError, match="on purpose"), histogram.timed():
        raise ValueError("on purpose")

    assert histogram.spread().buckets == ((60.0, 1), (float("inf"), 1))


def test_peak__is_the_largest_of_the_last_one_or_two_minutes() -> None:
    peak = Peak()
    assert peak.read(0.0) == 0.0

    peak.note(5.0, 0.0)
    peak.note(3.0, PEAK_SPAN_S - 1)
    assert peak.read(PEAK_SPAN_S - 1) == 5.0
    peak.note(1.0, PEAK_SPAN_S)
    assert peak.read(2 * PEAK_SPAN_S - 1) == 5.0
    assert peak.read(2 * PEAK_SPAN_S) == 1.0
    assert peak.read(9 * PEAK_SPAN_S) == 0.0
