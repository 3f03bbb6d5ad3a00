"""The story of a task names true records, and all of them."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import log
from consensus.incremental import fold
from consensus.story import CLOCKS_APART_MS, Part, Said, Story
from consensus.verdict import State
from protocol.ids import PublicKey, TaskId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Reveal, Task
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
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

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASK = a_task()
TASK_ID = id_of("an", TASK)
ANSWERS = {"bo": "positive", "cy": "positive", "di": "negative"}
KINDS = {Part.TASK: Task, Part.COMMIT: Commit, Part.JURY: Jury, Part.REVEAL: Reveal}


def rows_of(records: list[Verified]) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return rows


def story_of(rows: MemoryRows, task_id: TaskId, *, count: int = 1_000) -> Story:
    submitted = log.find_task(rows, task_id)
    assert submitted is not None
    story = Story(rows, submitted, NETWORK)
    while story.look(rows, count=count):
        pass
    return story


def told(rows: MemoryRows, task_id: TaskId = TASK_ID) -> list[tuple[Part, PublicKey]]:
    return [(said.part, said.author) for said in story_of(rows, task_id).told()]


def is_true(said: Said, record: Verified, task_id: TaskId) -> bool:
    """Answer whether a record of that author and date says what it is told to say."""
    if (record.author, record.created_ms) != (said.author, said.created_ms):
        return False
    if said.part is Part.RETRY:
        return any(isinstance(s, Task) and s.retry_of == task_id for s in record.statements)
    return any(isinstance(one, KINDS[said.part]) for one in record.statements)


@quick
@given(histories(), st.integers(1, 4))
def test_story__names_true_records_and_finds_all(history: list[Verified], count: int) -> None:
    rows = rows_of(history)
    by_id = {record.record_id: record for record in history}

    for task_id in log.newest_tasks(rows, limit=100):
        story = story_of(rows, task_id, count=count)
        assert story.is_complete
        for said in story.told():
            assert said.record_id is not None
            assert is_true(said, by_id[said.record_id], task_id)
        verdict = log.find_verdict(rows, task_id)
        assert verdict is not None
        revealed = {said.author for said in story.told() if said.part is Part.REVEAL}
        if verdict.state is not State.VOID:
            assert revealed == {v.juror for v in verdict.votes if v.result is not None}


def test_story__tells_the_life_of_a_task_in_order() -> None:
    again = a_record("an", retry_of("an", TASK), created_ms=NOON_MS + 4)
    rows = rows_of([*a_market_day("an", TASK, ANSWERS), again])

    found = told(rows)

    workers = [key(name) for name in sorted(ANSWERS, key=key)]
    assert found == [
        (Part.TASK, key("an")),
        *((Part.COMMIT, worker) for worker in workers),
        (Part.JURY, key("an")),
        *((Part.REVEAL, worker) for worker in workers),
        (Part.RETRY, key("an")),
    ]


def test_story__finds_what_a_slow_clock_dated_before_the_task() -> None:
    early = a_record("bo", a_commit("bo", TASK_ID, "positive"), created_ms=NOON_MS - 300_000)
    lost = NOON_MS - CLOCKS_APART_MS - 1
    too_early = a_record("cy", a_commit("cy", TASK_ID, "positive"), created_ms=lost)
    rows = rows_of([a_record("an", TASK), early, too_early])

    story = story_of(rows, TASK_ID)

    found = {said.author: said.record_id for said in story.told() if said.part is Part.COMMIT}
    assert found == {key("bo"): early.record_id, key("cy"): None}
    assert not story.is_complete


def test_look__stops_once_all_is_found() -> None:
    later = [
        a_record("flo", a_profile("flo", sequence=n), created_ms=NOON_MS + 10 + n)
        for n in range(30)
    ]
    rows = rows_of([*a_market_day("an", TASK, ANSWERS), *later])

    story = story_of(rows, TASK_ID)

    assert story.looked == len(a_market_day("an", TASK, ANSWERS))
