"""The last hour of a node: bounded, in order, and the sums of what was counted."""

from itertools import accumulate, pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from node.history import EVERY_MS, NAMES, Numbers, Ring, percentile, since

MOMENTS = st.lists(st.integers(0, 100), max_size=30)
PAGE = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text()


def numbers(value: float | None) -> Numbers:
    return dict.fromkeys(NAMES, value)


@given(MOMENTS, st.integers(1, 5), st.integers(0, 100))
def test_told__ascends_is_bounded_and_goes_on_after_any_moment(
    moments: list[int], kept_max: int, after_ms: int
) -> None:
    ring = Ring(kept_max=kept_max)
    for number, at_ms in enumerate(moments):
        ring.add(at_ms, numbers(number))

    whole, rest = ring.told(after_ms=-1, now_ms=7), ring.told(after_ms=after_ms, now_ms=7)

    assert list(whole.at_ms) == sorted(set(whole.at_ms))
    assert len(whole.at_ms) <= kept_max
    assert whole.at_ms[-1:] == tuple(moments[-1:])
    assert rest.at_ms == tuple(one for one in whole.at_ms if one > after_ms)
    for view in (whole, rest):
        assert (view.every_ms, view.now_ms, tuple(view.series)) == (EVERY_MS, 7, NAMES)
        assert {len(column) for column in view.series.values()} == {len(view.at_ms)}
    for taken_ms, place in zip(whole.at_ms, whole.series["runs"], strict=True):
        assert place is not None
        assert moments[int(place)] == taken_ms


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 30))
def test_told__keeps_the_newest_of_a_clock_that_goes_on(steps: list[int], kept_max: int) -> None:
    ring, at_ms = Ring(kept_max=kept_max), 0
    moments = []
    for step in steps:
        at_ms += step + 1
        moments.append(at_ms)
        ring.add(at_ms, numbers(None))

    assert ring.told(after_ms=0, now_ms=0).at_ms == tuple(moments[-kept_max:])


@given(st.lists(st.integers(0, 100), min_size=1))
def test_since__sums_up_to_all_that_was_counted(grown: list[int]) -> None:
    counts = list(accumulate(grown))
    told = [since({"runs": a}, {"runs": b})["runs"] for a, b in pairwise([0, *counts])]

    assert told == grown


@given(st.integers(0, 100), st.integers(1, 100))
def test_since__takes_a_counter_that_fell_for_one_that_began_anew(now: int, more: int) -> None:
    assert since({"runs": now + more}, {"runs": now}) == {"runs": now}


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_percentile__is_the_smallest_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)

    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_percentile__of_nothing_is_nothing() -> None:
    assert percentile([], 95) is None


def test_rpc_page__has_every_series() -> None:
    table = PAGE.partition("| name | of each interval")[2].partition("\n\n")[0]
    told = [
        name
        for line in table.splitlines()
        if (cell := line.partition("| ")[2].partition(" |")[0]).startswith("`")
        for name in cell.replace("`", "").split(", ")
    ]

    assert sorted(told) == sorted(NAMES)
