"""Pages of tasks, over a log in memory."""

import base64
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import log
from consensus.incremental import fold
from node.core.own import cancellation
from node.errors import RequestRefused
from node.listing import TASKS_SEARCHED_MAX, TEXT_SHOWN_MAX, list_tasks, read_cursor, summary_view
from node.names import peer_id_of, worker_view
from node.ports import TaskQuery
from node.show import STATE_NAMES, answer_text
from node.views import TaskPageView
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_market_day,
    a_profile,
    a_record,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.fakes import MemoryRows
from tests.strategies import histories

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY = TaskQuery(limit=200)


def a_log(*records: Verified) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return rows


def page(rows: MemoryRows, **asked: Any) -> TaskPageView:
    return list_tasks(rows, replace(ANY, **asked), me=key("an"))


def ids(found: TaskPageView) -> list[str]:
    return [task.task_id for task in found.tasks]


def walk(rows: MemoryRows, cursor: str | None = None, **asked: Any) -> list[str]:
    """Return the ids on all pages, one after the other."""
    found: list[str] = []
    while True:
        one = page(rows, cursor=cursor, **asked)
        found += ids(one)
        cursor = one.next
        if cursor is None:
            return found


@quick
@given(histories(), st.integers(1, 5), st.sampled_from([None, "open", "seated", "final", "split"]))
def test_list_tasks__shows_every_task_that_fits_once_whatever_the_page_size(
    records: list[Verified], limit: int, state: str | None
) -> None:
    rows = a_log(*records)

    found = walk(rows, limit=limit, state=state)

    expected = []
    for task_id in log.newest_tasks(rows, limit=1_000):
        verdict = log.find_verdict(rows, task_id)
        assert verdict is not None
        if state in (None, STATE_NAMES[verdict.state]):
            expected.append(task_id.hex())
    assert found == expected


@quick
@given(histories())
def test_summary_view__says_of_a_task_what_its_verdict_says(records: list[Verified]) -> None:
    rows = a_log(*records)

    for task_id in log.newest_tasks(rows, limit=1_000):
        submitted, verdict = log.find_task(rows, task_id), log.find_verdict(rows, task_id)
        assert submitted is not None
        assert verdict is not None
        named = partial(worker_view, rows)
        view = summary_view(rows, submitted, me=key("an"), named=named)
        assert view.state == STATE_NAMES[verdict.state]
        assert view.answer == (answer_text(verdict.answer) if view.state == "final" else None)
        assert view.retried == bool(log.retries_of(rows, task_id))
        assert view.mine == (submitted.author == key("an"))


@quick
@given(st.lists(st.integers(0, 9), max_size=6), st.lists(st.integers(0, 9), max_size=6))
def test_list_tasks__loses_and_repeats_nothing_while_tasks_arrive(
    before: list[int], meanwhile: list[int]
) -> None:
    def asked(number: int, hour: int) -> Verified:
        return a_record("an", a_task(nonce=number), created_ms=NOON_MS + hour)

    rows = a_log(*(asked(number, hour) for number, hour in enumerate(before)))
    listed = walk(rows)
    first = page(rows, limit=2)
    late = [asked(100 + number, hour) for number, hour in enumerate(meanwhile)]
    rows.apply(fold(rows, late, NETWORK).changes)

    rest = walk(rows, cursor=first.next, limit=2) if first.next else []

    found = [*ids(first), *rest]
    assert [one for one in found if one in listed] == listed
    assert len(set(found)) == len(found)


def test_list_tasks__filters_by_whoever_is_named() -> None:
    rows = a_log(
        a_record("an", a_profile("anna")),
        a_record("an", a_task()),
        a_record("sue", a_profile("sue")),
        a_record("sue", a_task(task_type="echo", model_digest=b"")),
    )
    ans = id_of("an", a_task()).hex()
    sues = id_of("sue", a_task(task_type="echo", model_digest=b"")).hex()
    peer_id, digits = peer_id_of(key("sue")), key("sue").hex()

    for name in ("sue", peer_id, digits, digits[:8].upper(), f"sue~{peer_id[-6:]}"):
        assert ids(page(rows, submitter=name)) == [sues], name
    for name in ("su", digits[:7], peer_id[:-1], "nobody", f"anna~{peer_id[-6:]}"):
        assert ids(page(rows, submitter=name)) == [], name
    assert ids(page(rows, mine=True)) == [ans]
    assert ids(page(rows, task_type="echo")) == [sues]
    assert ids(page(rows, task_type="echo", mine=True)) == []


def test_list_tasks__looks_through_so_many_and_goes_on_with_the_cursor() -> None:
    old = a_record("sue", a_task(), created_ms=NOON_MS - 1)
    crowd = [a_record("an", a_task(nonce=number)) for number in range(TASKS_SEARCHED_MAX)]
    rows = a_log(old, *crowd)

    empty = page(rows, submitter=key("sue").hex())
    then = page(rows, submitter=key("sue").hex(), cursor=empty.next)

    assert (empty.tasks, empty.next is None) == ((), False)
    assert (ids(then), then.next) == ([id_of("sue", a_task()).hex()], None)


def test_list_tasks__shows_retries_cancellations_and_the_beginning_of_a_text() -> None:
    first = a_task("long " * 100)
    again = retry_of("an", first)
    rows = a_log(a_record("an", first), a_record("an", again, created_ms=NOON_MS + 1))
    rows.apply(cancellation(id_of("an", again)))

    retry, original = page(rows).tasks

    assert original.text == ("long " * 100)[:TEXT_SHOWN_MAX]
    assert (original.retried, original.retry_of, original.cancelled) == (True, "", False)
    assert (retry.retried, retry.retry_of, retry.attempt) == (False, original.task_id, 1)
    assert retry.cancelled


def test_list_tasks__shows_the_answer_of_a_final_task() -> None:
    rows = a_log(*a_market_day("an", a_task(), {"bo": "positive", "cy": "positive"}))

    [task] = page(rows).tasks

    assert (task.state, task.answer) == ("final", "positive")


def packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.text(max_size=64) | st.binary(max_size=48).map(packed))
def test_read_cursor__refuses_whatever_was_not_given(cursor: str) -> None:
    try:
        row = read_cursor(cursor)
    except RequestRefused as refusal:
        assert (refusal.status, refusal.code) == (400, "bad_cursor")  # noqa: PT017 - or it is one
    else:
        assert packed(row[1:]) == cursor


@pytest.mark.parametrize("raw", [b"\x01" * 39, b"\x01" * 41, b""])
def test_read_cursor__refuses_another_length(raw: bytes) -> None:
    with pytest.raises(RequestRefused, match="cursor"):
        read_cursor(packed(raw))


@pytest.mark.parametrize("raw", [bytes(40), b"\xff" * 40])
def test_list_tasks__takes_any_place_in_the_list_for_one(raw: bytes) -> None:
    rows = a_log(a_record("an", a_task()))

    found = page(rows, cursor=packed(raw))

    assert len(found.tasks) == (1 if raw == bytes(40) else 0)
