"""Each state of the table, on both sides of its edges."""

import pytest

from consensus import log
from consensus.incremental import fold
from consensus.verdict import State, Verdict, quorum_of
from protocol.ids import Commitment
from protocol.record import Verified
from protocol.statements import Jury, Reveal, Task
from tests.builders import (
    NETWORK,
    a_commit,
    a_jury,
    a_market_day,
    a_record,
    a_result,
    a_reveal,
    a_salt,
    a_task,
    id_of,
    key,
)
from tests.fakes import MemoryRows

TASK = a_task()
TASK_ID = id_of("an", TASK)


def judged(records: list[Verified], task: Task = TASK) -> Verdict:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    verdict = log.find_verdict(rows, id_of("an", task))
    assert verdict is not None
    return verdict


def seated_by(answers: dict[str, str], opened: str, task: Task = TASK) -> list[Verified]:
    """Tell of a task, its jury, and the openings of the named jurors."""
    task_id = id_of("an", task)
    reveals = [a_record(name, a_reveal(name, task_id, answers[name])) for name in opened.split()]
    return [a_record("an", task), a_record("an", a_jury(task_id, answers)), *reveals]


def day_of(*answers: str) -> dict[str, str]:
    return dict(zip(("bo", "cy", "di", "ed", "flo"), answers, strict=False))


@pytest.mark.parametrize(
    ("seats", "quorum"), [(1, 1), (3, 2), (5, 3), (7, 4), (15, 8), (29, 15), (31, 16)]
)
def test_quorum_of__is_more_than_half(seats: int, quorum: int) -> None:
    assert quorum_of(seats) == quorum


def test_judge__is_open_without_a_jury() -> None:
    assert judged([a_record("an", TASK)]) == Verdict(State.OPEN, b"", ())


def test_judge__is_open_when_a_stranger_signs_the_jury() -> None:
    jury = a_jury(TASK_ID, day_of("positive", "positive", "positive"))

    assert judged([a_record("an", TASK), a_record("sue", jury)]).state is State.OPEN


def test_find_verdict__is_none_until_the_task_is_known() -> None:
    rows = MemoryRows()
    jury = a_record("an", a_jury(TASK_ID, day_of("yes", "yes", "yes")))

    rows.apply(fold(rows, [jury], NETWORK).changes)

    assert log.find_verdict(rows, TASK_ID) is None


@pytest.mark.parametrize(
    ("answers", "opened", "state"),
    [
        ("yes yes yes", "", State.SEATED),
        ("yes yes yes", "bo", State.SEATED),
        ("yes yes yes", "bo cy", State.FINAL),
        ("yes no yes", "bo cy", State.SEATED),
        ("yes no yes", "bo cy di", State.FINAL),
        ("yes no maybe", "bo cy", State.SEATED),
        ("yes no maybe", "bo cy di", State.SPLIT),
        ("yes !bad !bad", "bo cy di", State.SPLIT),
        ("!bad !bad !bad", "bo", State.SEATED),
        ("!bad !bad !bad", "bo cy", State.SPLIT),
        ("!bad yes yes", "bo cy di", State.FINAL),
        ("yes yes", "bo", State.SEATED),  # a jury of the quorum is enough, if all agree
        ("yes yes", "bo cy", State.FINAL),
        ("yes no", "bo cy", State.SPLIT),
        ("yes !bad", "cy", State.SPLIT),
    ],
)
def test_judge__follows_the_table(answers: str, opened: str, state: State) -> None:
    verdict = judged(seated_by(day_of(*answers.split()), opened))

    assert verdict.state is state
    assert verdict.answer == (b"yes" if state is State.FINAL else b"")
    assert sum(vote.result is not None for vote in verdict.votes) == len(opened.split())


@pytest.mark.parametrize(
    ("seats", "members", "state"),
    [
        (3, 1, State.VOID),
        (3, 2, State.SEATED),
        (3, 3, State.SEATED),
        (3, 4, State.VOID),
        (5, 2, State.VOID),
        (5, 3, State.SEATED),
        (1, 1, State.SEATED),
        (1, 2, State.VOID),
    ],
)
def test_judge__voids_a_jury_of_the_wrong_size(seats: int, members: int, state: State) -> None:
    task = a_task(seats=seats)

    assert judged(seated_by(day_of(*["yes"] * members), "", task), task).state is state


def test_judge__voids_two_juries_even_after_an_answer() -> None:
    day = a_market_day("an", TASK, day_of("yes", "yes", "yes"))
    second = a_record("an", a_jury(TASK_ID, day_of("yes", "yes")))

    assert judged(day).state is State.FINAL
    assert judged([*day, second]) == Verdict(State.VOID, b"", ())


def test_judge__counts_one_jury_signed_in_two_records_once() -> None:
    day = a_market_day("an", TASK, day_of("yes", "yes", "yes"))
    jury = a_jury(TASK_ID, day_of("yes", "yes", "yes"))

    assert judged([*day, a_record("an", jury, created_ms=7)]).state is State.FINAL


def test_judge__ignores_whatever_does_not_open_the_pinned_commitment() -> None:
    story = seated_by(day_of("yes", "yes", "yes"), "bo")
    forged = [
        a_record("cy", a_reveal("cy", TASK_ID, "no")),  # another answer
        a_record("cy", Reveal(TASK_ID, a_result("yes"), bytes(32))),  # another salt
        a_record("ed", Reveal(TASK_ID, a_result("yes"), a_salt("cy", TASK_ID))),  # not the juror
        a_record("cy", a_reveal("cy", id_of("sue", TASK), "yes")),  # another task
        a_record("cy", a_reveal("cy", TASK_ID, "yes", margin_ppm=5)),  # another margin
    ]

    assert judged([*story, *forged]) == judged(story)


def test_judge__does_not_let_a_copied_commitment_be_opened() -> None:
    copied = a_commit("bo", TASK_ID, "yes").commitment
    seats = [*a_jury(TASK_ID, {"bo": "yes"}).seats]
    jury = Jury(TASK_ID, (*seats, type(seats[0])(key("cy"), Commitment(copied))))
    jury = Jury(TASK_ID, tuple(sorted(jury.seats)))
    copyist = a_record("cy", Reveal(TASK_ID, a_result("yes"), a_salt("bo", TASK_ID)))
    story = [a_record("an", TASK), a_record("an", jury), copyist]

    assert [vote.result for vote in judged(story).votes] == [None, None]


def test_judge__says_who_is_known_to_have_sealed_an_answer() -> None:
    answers = day_of("yes", "yes", "yes")
    story = seated_by(answers, "bo")
    committed = [a_record("cy", a_commit("cy", TASK_ID, "yes"))]

    votes = judged([*story, *committed]).votes

    sealed = {vote.juror for vote in votes if vote.committed}
    assert sealed == {key("cy"), *(vote.juror for vote in votes if vote.result is not None)}
    assert len(sealed) == 2
    assert [vote.juror for vote in votes] == sorted(vote.juror for vote in votes)
