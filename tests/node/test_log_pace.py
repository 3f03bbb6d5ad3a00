"""How many lines of one kind a log takes."""

import logging

from hypothesis import given
from hypothesis import strategies as st

from node.log_pace import KINDS_MAX, LINES_PER_KIND_MAX, SPAN_S, LinePace


def a_line(words: str, *args: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("node.net", level, "file.py", 1, words, args, None)


def said(lines: list[logging.LogRecord]) -> list[str]:
    return [line.getMessage() for line in lines]


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["a %d", "b %d"])), max_size=400))
def test_admit__shows_so_many_of_a_kind_and_accounts_for_all_others(
    steps: list[tuple[float, str]],
) -> None:
    pace, now_s = LinePace(), 0.0
    shown, suppressed = 0, 0
    for number, (pause_s, words) in enumerate(steps):
        now_s += pause_s / 10
        lines = pace.admit(a_line(words, number), now_s)
        assert len(lines) <= 3  # of each kind what was held back, and the line itself
        told = [getattr(line, "suppressed", 0) for line in lines]
        suppressed += sum(told)
        shown += told.count(0)

    last = pace.admit(a_line("c"), now_s + SPAN_S)
    suppressed += sum(getattr(line, "suppressed", 0) for line in last)

    assert shown + suppressed == len(steps)
    assert shown <= 2 * LINES_PER_KIND_MAX * (1 + int(now_s // SPAN_S))


def test_admit__tells_once_the_minute_is_over_how_many_were_held_back() -> None:
    pace = LinePace()
    for number in range(LINES_PER_KIND_MAX + 7):
        pace.admit(a_line("peer %d is at fault", number), 0.0)

    early = said(pace.admit(a_line("something else"), SPAN_S - 1))
    late = pace.admit(a_line("peer %d is at fault", 99), SPAN_S)

    assert early == ["something else"]
    assert said(late) == ["suppressed 7 more like: peer %d is at fault", "peer 99 is at fault"]
    assert (late[0].name, late[0].levelname) == ("node.net", "WARNING")


def test_admit__holds_kinds_and_levels_apart() -> None:
    pace = LinePace()
    for number in range(LINES_PER_KIND_MAX):
        pace.admit(a_line("a %d", number), 0.0)

    assert said(pace.admit(a_line("a %d", 1), 0.0)) == []
    assert said(pace.admit(a_line("a %d", 1, level=logging.ERROR), 0.0)) == ["a 1"]
    assert said(pace.admit(a_line("b"), 0.0)) == ["b"]


def test_admit__never_holds_back_what_is_for_debugging() -> None:
    pace = LinePace()

    shown = [pace.admit(a_line("a", level=logging.DEBUG), 0.0) for _ in range(100)]

    assert all(len(lines) == 1 for lines in shown)


def test_admit__forgets_the_oldest_of_too_many_kinds_and_says_what_it_held_back() -> None:
    pace = LinePace()
    for _ in range(LINES_PER_KIND_MAX + 1):
        pace.admit(a_line("first"), 0.0)

    told = [line for n in range(KINDS_MAX) for line in said(pace.admit(a_line(f"kind {n}"), 0.0))]

    assert "suppressed 1 more like: first" in told
    assert len(told) == KINDS_MAX + 1
