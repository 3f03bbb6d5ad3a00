"""Questions asked of the rows."""

import random
from dataclasses import replace

from consensus import log
from consensus.incremental import fold, would_keep
from consensus.verdict import State
from protocol.record import Verified
from protocol.statements import Commit
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_market_day,
    a_profile,
    a_record,
    a_result,
    a_task,
    id_of,
    key,
    retry_of,
    sealed,
)
from tests.fakes import MemoryRows

TASK = a_task()
TASK_ID = id_of("an", TASK)
ALL_YES = {"bo": "yes", "cy": "yes", "di": "yes"}


def holding(*records: Verified) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return rows


def test_find_task__reads_it_back_from_its_first_record() -> None:
    late = a_record("an", TASK, created_ms=9)
    early = a_record("an", TASK, created_ms=5)

    found = log.find_task(holding(late, early), TASK_ID)

    assert found is not None
    assert (found.task, found.author, found.created_ms) == (TASK, key("an"), 5)
    assert found.record_id == early.record_id


def test_newest_tasks__lists_each_once_and_pages() -> None:
    tasks = [a_task(nonce=nonce) for nonce in range(5)]
    records = [a_record("an", task, created_ms=nonce) for nonce, task in enumerate(tasks)]
    again = a_record("an", tasks[0], created_ms=99)
    rows = holding(again, *records)
    ids = [id_of("an", task) for task in reversed(tasks)]

    assert log.newest_tasks(rows, limit=10) == ids
    assert log.newest_tasks(rows, limit=2) == ids[:2]
    assert log.newest_tasks(rows, limit=9, after=(3, ids[1])) == ids[2:]
    assert log.newest_tasks(rows, limit=0) == []


def test_commits_of__steps_over_a_key_that_piles_them_up() -> None:
    flood = [
        a_record(
            "bo", *[Commit(TASK_ID, sealed("bo", TASK_ID, a_result(f"{i} {j}"))) for j in range(64)]
        )
        for i in range(4)
    ]
    rows = holding(
        *flood, *[a_record(name, a_commit(name, TASK_ID, "yes")) for name in ("cy", "di", "ed")]
    )

    found = log.commits_of(rows, TASK_ID, limit=10)

    assert [juror for juror, _ in found] == sorted(map(key, ("bo", "cy", "di", "ed")))
    assert dict(found)[key("cy")] == a_commit("cy", TASK_ID, "yes").commitment
    assert log.commits_of(rows, TASK_ID, limit=2) == found[:2]
    assert [log.find_commit(rows, TASK_ID, juror) for juror, _ in found] == [c for _, c in found]
    assert log.find_commit(rows, TASK_ID, key("flo")) is None


def test_undecided__holds_open_seated_and_split_tasks() -> None:
    asked = [a_task(nonce=nonce) for nonce in range(5)]
    ids = [id_of("an", task) for task in asked]
    seated = a_record("an", a_jury(ids[1], ALL_YES))
    two = [a_record("an", a_jury(ids[4], {"bo": "yes", name: "yes"})) for name in ("cy", "di")]
    rows = holding(
        *[a_record("an", asked[at]) for at in (0, 1, 4)],
        seated,
        *a_market_day("an", asked[2], {"bo": "1", "cy": "2", "di": "3"}),
        *a_market_day("an", asked[3], ALL_YES),
        *two,
    )

    assert list(log.undecided(rows)) == sorted(ids[:3])
    assert log.task_counts(rows) == dict.fromkeys(State, 1)


def test_find_profile__prefers_the_highest_sequence_then_digest() -> None:
    names = [
        a_record("an", a_profile(alias, sequence=n))
        for alias, n in (("old", 1), ("new", 3), ("newer", 3), ("mid", 2))
    ]
    profiles = {
        log.find_profile(holding(*random.Random(i).sample(names, 4)), key("an")) for i in range(9)
    }

    assert len(profiles) == 1
    assert next(iter(profiles)) in (a_profile("new", sequence=3), a_profile("newer", sequence=3))
    assert log.find_profile(holding(), key("an")) is None


def test_record_ids__ascend_by_moment_then_id() -> None:
    records = [a_record("an", a_task(nonce=n), created_ms=n % 3) for n in range(9)]
    rows = holding(*records)
    expected = sorted((record.created_ms, record.record_id) for record in records)

    assert list(log.record_ids(rows)) == expected
    assert list(log.record_ids(rows, after=expected[3])) == expected[4:]
    assert log.record_count(rows) == 9


def test_chain_of__holds_all_valid_attempts_first_one_first() -> None:
    first = retry_of("an", TASK, nonce=1)
    second = retry_of("an", TASK, nonce=2)
    third = retry_of("an", first, nonce=3)
    forged = replace(retry_of("an", TASK), input=b"other words")
    rows = holding(*[a_record("an", task) for task in (TASK, first, second, third, forged)])
    siblings = sorted((id_of("an", first), id_of("an", second)))
    chain = (TASK_ID, *siblings, id_of("an", third))

    assert log.chain_of(rows, TASK_ID) == chain
    assert log.chain_of(rows, id_of("an", third)) == chain
    assert log.retries_of(rows, TASK_ID) == tuple(siblings)
    assert log.chain_of(rows, id_of("an", forged)) == (id_of("an", forged),)
    assert log.chain_of(rows, id_of("sue", TASK)) == ()


def test_chain_of__begins_at_a_retry_whose_parent_is_unknown() -> None:
    retry = retry_of("an", TASK)

    assert log.chain_of(holding(a_record("an", retry)), id_of("an", retry)) == (id_of("an", retry),)
    assert log.retries_of(holding(a_record("an", retry)), TASK_ID) == ()


def test_chain_answer__is_that_of_the_last_final_attempt() -> None:
    first, second = retry_of("an", TASK, nonce=1), retry_of("an", TASK, nonce=2)
    last = max(first, second, key=lambda task: id_of("an", task))
    days = [
        *a_market_day("an", TASK, ALL_YES),
        *a_market_day("an", first, dict.fromkeys(ALL_YES, "one")),
        *a_market_day("an", second, dict.fromkeys(ALL_YES, "two")),
        a_record("an", retry_of("an", first)),  # open
    ]
    rows = holding(*days)

    found = log.chain_answer(rows, log.chain_of(rows, TASK_ID))

    assert found is not None
    assert found[0] == id_of("an", last)
    assert found[1].answer == (b"one" if last is first else b"two")
    rows = holding(a_record("an", TASK))
    assert log.chain_answer(rows, log.chain_of(rows, TASK_ID)) is None


def test_jury_flood__leaves_two_and_always_the_same() -> None:
    flood = [
        a_record("an", a_jury(TASK_ID, {"bo": f"{n % 50}"}), created_ms=NOON_MS + n)
        for n in range(150)
    ]
    kept = set()
    for seed in range(20):
        random.Random(seed).shuffle(flood)
        rows = MemoryRows()
        for record in flood:
            rows.apply(fold(rows, [record], NETWORK).changes)
        kept.add(tuple(log.record_ids(rows)))

    assert len(kept) == 1
    assert len(kept.pop()) == 2
    assert log.juries_of(rows, TASK_ID, key("an")) != ()
    assert not any(would_keep(rows, record, NETWORK) for record in flood)
