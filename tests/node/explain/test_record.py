"""Explanations of records: what they say, about which tasks, and where they are held."""

import pytest
from hypothesis import HealthCheck, given, settings

from consensus.log import find_task, has_record
from node.explain.record import record_why
from protocol.record import Verified, open_record
from protocol.statements import Commit, Jury, Reveal, Task
from tests.builders import (
    NETWORK,
    a_jury,
    a_profile,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
)
from tests.core_world import World
from tests.fakes import MemoryRows
from tests.node.explain.test_find import rows_of
from tests.strategies import histories

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASK = a_task()
TASK_ID = id_of("an", TASK)


@quick
@given(histories())
def test_record_why__names_the_tasks_its_statements_are_about(history: list[Verified]) -> None:
    rows = rows_of(history)

    for record in history:
        if not has_record(rows, record.record_id):
            continue
        told = record_why(rows, record, key("me"))
        assert [one.kind for one in told.statements] == [
            type(said).__name__.lower() for said in record.statements
        ]
        for view, said in zip(told.statements, record.statements, strict=True):
            if isinstance(said, Commit | Jury | Reveal):
                assert view.task_id == said.task_id.hex()
                assert view.known == (find_task(rows, said.task_id) is not None)
            elif isinstance(said, Task):
                assert view.known
            else:
                assert view.task_id == ""
        assert not told.in_journal


def test_record_why__says_what_each_statement_says() -> None:
    rows = rows_of([a_record("bo", a_profile("bob"))])
    record = a_record(
        "bo", a_profile("bob"), TASK, a_reveal("bo", TASK_ID, "positive", margin_ppm=15_000)
    )

    profile, task, reveal = record_why(rows, record, key("an")).statements
    jury = record_why(rows, a_record("an", a_jury(TASK_ID, {"bo": "x"})), key("bo"))

    assert profile.text == "wishes to be called bob, running aimarket/0.1 (number 1)"
    assert task.text.startswith("asks 3 seats for sentiment ")
    assert task.text.endswith("of: what a day")
    assert reveal.text == "opens `positive`, 90.00 % sure, 1.50 % ahead of the next"
    assert jury.statements[0].text.startswith("seats bob~")


@pytest.mark.parametrize("name", ["me", "bo"])
def test_record_why__knows_what_its_own_journal_holds(name: str) -> None:
    world = World("me", "bo", "cy", "di")
    world.start()
    world.run(3_000)
    world.ask("me")
    world.run(30_000)
    log = world.nodes["me"].log

    said = [one for one in world.spoken if one.presence is None and has_record(log, one.record_id)]
    ours = {record_why(log, one, key("me")).in_journal for one in said if one.author == key(name)}

    assert {type(one.statements[0]) for one in said} >= {Task, Commit, Jury, Reveal}
    assert ours == {name == "me"}


def test_record_why__keeps_text_of_strangers_from_the_terminal() -> None:
    hostile = "\x1b[2J\u202e\n"
    record = a_record(
        "bo",
        a_profile(hostile, agent=hostile),
        a_task(hostile, task_type=hostile),
        a_reveal("bo", TASK_ID, hostile),
    )

    told = record_why(MemoryRows(), record, key("an"))

    assert open_record(record.raw, NETWORK) == record
    assert all(one.text.isprintable() for one in told.statements)
