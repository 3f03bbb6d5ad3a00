"""Tasks by state and type, followed change by change, against counting them all."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from consensus.incremental import fold
from consensus.log import find_task, find_verdict, newest_tasks, task_counts
from consensus.verdict import State
from node.core.events import Now
from node.metering import Spread
from node.show import STATE_NAMES
from node.task_tally import BEGUN_MAX, FRESH_MS, UNCOUNTED, TaskTally
from protocol.record import Verified
from protocol.statements import Task
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.fakes import MemoryRows
from tests.strategies import histories

ALL_YES = {"bo": "yes", "cy": "yes", "di": "yes"}


def take(tally: TaskTally, rows: MemoryRows, *records: Verified, ms: int = 0) -> None:
    changes = fold(rows, records, NETWORK).changes
    tally.note(changes, rows, Now(ms=ms, wall_ms=NOON_MS + ms))
    rows.apply(changes)


def counted(tally: TaskTally, rows: MemoryRows) -> Counter[tuple[str, str]]:
    samples = tally.tasks(task_counts(rows))
    found = {(one.labels["state"], one.labels["type"]): int(one.value) for one in samples}
    return +Counter(found)


def recounted(rows: MemoryRows) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for task_id in newest_tasks(rows, limit=10_000):
        task, verdict = find_task(rows, task_id), find_verdict(rows, task_id)
        assert task is not None
        assert verdict is not None
        name = task.task.task_type
        found[STATE_NAMES[verdict.state], name if name == "sentiment" else "other"] += 1
    return found


@given(histories(), st.data())
def test_note__follows_whatever_happens_while_the_log_is_still_counted(
    records: list[Verified], data: st.DataObject
) -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), ["sentiment"])
    for record in records[:3]:  # what was in the log before
        rows.apply(fold(rows, [record], NETWORK).changes)

    before = Counter(task_counts(rows))
    for record in records[3:]:
        for _ in range(data.draw(st.integers(0, 2))):
            tally.count_some(rows, limit=1)
        take(tally, rows, record)
        assert counted(tally, rows).total() == sum(task_counts(rows).values())
    while not tally.is_complete:
        tally.count_some(rows, limit=1)

    assert counted(tally, rows) == recounted(rows)
    assert tally.came == Counter(task_counts(rows)).total() - before.total()
    assert tally.became_final >= task_counts(rows)[State.FINAL] - before[State.FINAL]
    waits = tally.take_waits()
    assert len(waits) == sum(one.buckets[-1][1] for one in tally.waited()) <= tally.became_final
    assert tally.take_waits() == []


def test_tasks__says_uncounted_of_what_it_has_not_come_to() -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), ["sentiment"])
    rows.apply(fold(rows, [a_record("an", a_task(), a_task(nonce=1))], NETWORK).changes)
    states = {one.labels["state"] for one in tally.tasks(task_counts(rows))}

    assert counted(tally, rows) == {("open", UNCOUNTED): 2}
    assert states == {"open", "seated", "final", "split", "void"}

    tally.count_some(rows)
    assert counted(tally, rows) == {("open", "sentiment"): 2}

    tally.forget()
    assert counted(tally, rows) == {("open", UNCOUNTED): 2}


def a_verdict(submitter: str, task: Task | None = None) -> list[Verified]:
    task_id = id_of(submitter, task or a_task())
    opened = [
        (who, a_commit(who, task_id, "yes"), a_reveal(who, task_id, "yes")) for who in ALL_YES
    ]
    return [
        a_record(submitter, a_jury(task_id, ALL_YES)),
        *(a_record(*said) for said in opened),
    ]


def own_and_foreign(tally: TaskTally) -> tuple[Spread, Spread]:
    own, foreign = tally.waited()
    assert own.labels == {"submitter": "self"}
    assert foreign.labels == {"submitter": "other"}
    return own, foreign


def test_waited__is_the_time_from_first_sight_to_final() -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), [])
    take(tally, rows, a_record("an", a_task()))
    take(tally, rows, a_record("sue", a_task()))

    take(tally, rows, *a_verdict("an"), ms=400)
    take(tally, rows, *a_verdict("sue"), ms=2_000)

    own, foreign = own_and_foreign(tally)
    assert (own.total, own.buckets[-1][1]) == (0.4, 1)
    assert (foreign.total, foreign.buckets[-1][1]) == (2.0, 1)


def test_waited__counts_from_the_first_attempt_and_once_for_all() -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), [])
    again = retry_of("an", a_task())
    take(tally, rows, a_record("an", a_task()))
    take(tally, rows, a_record("an", again), ms=5_000)

    take(tally, rows, *a_verdict("an", again), ms=7_000)
    take(tally, rows, *a_verdict("an"), ms=9_000)

    own, foreign = own_and_foreign(tally)
    assert (own.total, own.buckets[-1][1]) == (7.0, 1)
    assert foreign.buckets[-1][1] == 0


def test_waited__leaves_out_what_was_submitted_long_before_it_came() -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), [])

    take(tally, rows, a_record("sue", a_task(), created_ms=NOON_MS - FRESH_MS - 1))
    take(tally, rows, *a_verdict("sue"), ms=100)

    assert own_and_foreign(tally)[1].buckets[-1][1] == 0


def test_waited__forgets_the_oldest_and_keeps_strangers_from_crowding_ours_out() -> None:
    rows, tally = MemoryRows(), TaskTally(key("an"), [])
    take(tally, rows, a_record("an", a_task()))
    take(tally, rows, a_record("sue", a_task()))
    for nonce in range(1, BEGUN_MAX + 1, 64):
        take(tally, rows, a_record("sue", *(a_task(nonce=nonce + n) for n in range(64))))

    take(tally, rows, *a_verdict("an"), *a_verdict("sue"), ms=100)

    own, foreign = own_and_foreign(tally)
    assert own.buckets[-1][1] == 1
    assert foreign.buckets[-1][1] == 0
