"""Explanations of tasks: equal to the verdict, and readable."""

from dataclasses import asdict
from typing import Any

from hypothesis import HealthCheck, given, settings

from consensus.contributions import contribution_of
from consensus.log import RowEvidence, find_task, find_verdict, newest_tasks
from consensus.story import Story
from node.core.presences import Presences
from node.core.settings import Settings
from node.core.steps import Step
from node.explain.task import task_why
from node.explain.views import TaskWhyView
from node.show import STATE_NAMES, answer_text
from protocol.ids import TaskId
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_market_day,
    a_presence,
    a_profile,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.fakes import MemoryRows
from tests.node.explain.test_find import rows_of
from tests.strategies import histories

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASK = a_task()
TASK_ID = id_of("an", TASK)
NEAR_TIE_PPM = NETWORK.params.near_tie_ppm
ANSWERS = {"bo": "positive", "cy": "positive", "di": "negative"}


def why(rows: MemoryRows, task_id: TaskId = TASK_ID, *steps: Step) -> TaskWhyView:
    submitted = find_task(rows, task_id)
    assert submitted is not None
    story = Story(rows, submitted, NETWORK)
    while story.look(rows, count=100):
        pass
    presences = Presences(Settings())
    presences.hear(a_record("bo", a_presence(load=4)), 1_000)
    return task_why(
        rows,
        submitted,
        network=NETWORK,
        told=story.told(),
        looked=story.looked,
        steps=steps,
        presences=presences,
        me=key("an"),
        now_ms=3_500,
    )


def because(records: list[Verified], task_id: TaskId = TASK_ID) -> list[str]:
    return list(why(rows_of(records), task_id).because)


def texts_in(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in texts_in(value)]
    if isinstance(document, list | tuple):
        return [text for value in document for text in texts_in(value)]
    return [document] if isinstance(document, str) else []


@quick
@given(histories())
def test_task_why__equals_verdict_and_contribution(history: list[Verified]) -> None:
    rows = rows_of(history)

    for task_id in newest_tasks(rows, limit=100):
        submitted, verdict = find_task(rows, task_id), find_verdict(rows, task_id)
        assert submitted is not None
        assert verdict is not None
        added = contribution_of(submitted, verdict, RowEvidence(rows), NEAR_TIE_PPM)
        told = why(rows, task_id)
        assert told.state == STATE_NAMES[verdict.state]
        assert (told.answer or "") == answer_text(verdict.answer)
        marks = [None if mark is None else mark.name.lower() for mark in added.marks]
        assert [one.mark for one in told.jurors] == marks
        assert [one.points for one in told.jurors] == [int(mark == "agreed") for mark in marks]
        assert told.faults == added.faults
        assert all(text.isprintable() for text in texts_in(asdict(told)))


def test_task_why__gives_the_rule_with_its_arithmetic_for_a_final_task() -> None:
    told = because(a_market_day("an", TASK, ANSWERS))

    assert told[:3] == [
        "seats 3, so the quorum is 3 // 2 + 1 = 2",
        "2 of 3 opened `positive`, 1 of 3 opened `negative`, 0 of 3 are unopened",
        "2 >= 2: final, the answer is `positive`",
    ]
    assert told[3].endswith("below 2.00 %): 0 < (2 + 1) // 2 = 1: nobody is excused")


def test_task_why__names_the_margins_that_excuse() -> None:
    told = because(a_market_day("an", TASK, ANSWERS, margin_ppm=NEAR_TIE_PPM - 1))

    assert told[3].count("1.99 %") == 2
    assert told[3].endswith(": 2 >= (2 + 1) // 2 = 1: whoever dissents is excused")


def test_task_why__gives_the_rule_for_a_split_task() -> None:
    answers = {"bo": "positive", "cy": "!too_long", "di": "negative"}

    told = because(a_market_day("an", TASK, answers))

    assert "error `too_long`" in told[1]
    assert told[2:] == [
        "errors reach no quorum, however many agree",
        "at most 1 + 0 unopened = 1 < 2: no answer can reach the quorum any more: split",
    ]


def test_task_why__gives_the_rule_for_open_and_seated_tasks() -> None:
    day = a_market_day("an", TASK, ANSWERS)

    assert because(day[:1])[1] == "this log holds no jury of its submitter: open"
    assert because(day[:6])[1:] == [
        "1 of 3 opened `positive`, 2 of 3 are unopened",
        "1 < 2, but 1 + 2 unopened = 3 >= 2: still undecided: seated",
    ]


def test_task_why__names_both_juries_of_a_void_task() -> None:
    day = a_market_day("an", TASK, ANSWERS)
    other = a_record("an", a_jury(TASK_ID, {"bo": "positive", "cy": "positive"}))
    small = a_record("an", a_jury(TASK_ID, {"bo": "positive"}))

    two, size = because([*day, other]), because([day[0], small])

    assert other.record_id.hex()[:8] in two[1]
    assert day[4].record_id.hex()[:8] in two[1]
    assert two[2] == "the submitter is charged one fault, and what the task gave is taken back"
    wrong = f"its jury ({small.record_id.hex()[:8]}) has 1 seat, and 2 to 3 are allowed: void"
    assert size[1] == wrong


def test_task_why__says_of_each_juror_what_it_earned_and_why() -> None:
    day = a_market_day("an", TASK, ANSWERS)
    silent = [record for record in day if record.author != key("di") or record == day[3]]
    jurors = {one.worker.peer_id: one for one in why(rows_of(silent)).jurors}

    told = sorted((one.points, one.mark, one.because) for one in jurors.values())

    assert told == [
        (0, "absent", "sealed an answer and did not open it, and the task is final"),
        (1, "agreed", "opened `positive`, as the quorum did"),
        (1, "agreed", "opened `positive`, as the quorum did"),
    ]


def test_task_why__shows_the_chain_and_which_attempt_counts() -> None:
    split = a_market_day("an", TASK, {"bo": "a", "cy": "b", "di": "c"})
    again = retry_of("an", TASK, seats=3)
    told = why(rows_of([*split, *a_market_day("an", again, ANSWERS)]))

    assert [(one.attempt, one.state, one.counts) for one in told.attempts] == [
        (0, "split", False),
        (1, "final", True),
    ]
    assert [one.kind for one in told.records].count("retry") == 1


def test_task_why__puts_names_into_steps_and_tells_how_those_are() -> None:
    told = why(
        rows_of([a_record("an", TASK), a_record("bo", a_profile("{what}"))]),
        TASK_ID,
        Step("opening", "{who} did not open yet", (key("bo"), key("cy")), 0),
        Step("workers", "it needs {what}", in_ms=2_500),
    )

    first, second = told.next
    assert (first.kind, second.kind) == ("opening", "workers")
    assert first.text.startswith("{what}~")
    assert first.text.endswith(" did not open yet")
    assert (second.in_s, second.text[:18]) == (2.5, "it needs sentiment")
    assert [(one.live, one.heard_s_ago, one.load) for one in told.missing] == [
        (True, 2.5, 4),
        (False, None, 0),
    ]


def test_task_why__keeps_text_of_strangers_from_the_terminal() -> None:
    hostile = a_record("bo", a_profile("\x1b[2J\n"))
    task = a_task(task_type="\u202eevil")
    task_id = id_of("an", task)
    answer = "\x1b[31mred"
    day = [
        a_record("an", task),
        a_record("bo", a_commit("bo", task_id, answer), created_ms=NOON_MS + 1),
        a_record("an", a_jury(task_id, {"bo": answer, "cy": answer}), created_ms=NOON_MS + 2),
        a_record("bo", a_reveal("bo", task_id, answer), created_ms=NOON_MS + 3),
    ]

    told = why(rows_of([hostile, *day]), task_id, Step("wait", "{who} on {what}", (key("bo"),)))

    sentences = [*told.because, *(one.because for one in told.jurors), told.next[0].text]
    assert all(text.isprintable() for text in sentences)
