"""What the benchmark of the dashboard makes of a trace and of what was left."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dashboard import Stay, slope_a_minute
from bench.dashboard_trace import MainTask, main_tasks

MARK = {"name": "here", "ph": "I", "pid": 1, "tid": 1, "ts": 0}


def _event(name: str, ts: int, dur: int, *, tid: int = 1, tdur: int | None = None) -> Any:
    more = {} if tdur is None else {"tdur": tdur}
    return {"name": name, "ph": "X", "pid": 1, "tid": tid, "ts": ts, "dur": dur, **more}


def test_main_tasks__are_those_of_the_marked_thread_by_both_clocks() -> None:
    events = [
        _event("RunTask", 0, 5_000, tdur=2_000),
        _event("RunTask", 0, 900_000, tid=2),
        _event("Layout", 0, 900),
        MARK,
    ]

    assert main_tasks(events, "here") == [MainTask(5.0, 2.0)]


def test_main_tasks__names_what_took_longest_without_what_is_in_it() -> None:
    events = [
        MARK,
        _event("RunTask", 0, 120_000),
        _event("FunctionCall", 1_000, 100_000),
        _event("Layout", 2_000, 70_000),
    ]

    (task,) = main_tasks(events, "here")

    assert task.parts == "Layout 70, FunctionCall 30"


def test_main_tasks__without_the_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="mark there: none among 1 events"):
        main_tasks([MARK], "there")


@given(st.floats(-5, 5), st.floats(0, 50), st.floats(0, 50))
def test_slope_a_minute__is_the_growth_whatever_each_view_holds(
    a_minute: float, one: float, other: float
) -> None:
    held = {"one": one, "other": other}
    stays = [
        Stay(view, at_s, 1.0, [], [], {"heap": held[view] + a_minute * at_s / 60})
        for at_s, view in enumerate(["one", "other"] * 3)
    ]

    assert slope_a_minute(stays, "heap") == pytest.approx(a_minute, abs=1e-6)


def test_slope_a_minute__of_one_stay_at_each_view_is_none() -> None:
    stays = [Stay(view, at_s, 1.0, [], [], {"heap": at_s}) for at_s, view in enumerate("ab")]

    assert slope_a_minute(stays, "heap") == 0
