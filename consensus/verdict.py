"""What the network says about one task: a pure function of the statements that name it.

No clock, no order of arrival and no opinion goes in, so equal logs give equal verdicts. The ladder
open < seated < final or split < void is only climbed as statements are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from protocol.ids import Commitment, PublicKey, RecordId, TaskId
from protocol.statements import AnswerKind, Jury, Result, Seat, Task


class State(IntEnum):
    """How far a task has come; the numbers go into the state digest."""

    OPEN = 0
    SEATED = 1
    FINAL = 2
    SPLIT = 3
    VOID = 4


@dataclass(frozen=True, slots=True)
class SubmittedTask:
    """A task in the log.

    Attributes:
        task_id: Its name.
        author: The submitter.
        task: What is asked.
        created_ms: The submitter's clock; of several records the smallest (created_ms, id) counts.
        record_id: The record it was read from.
    """

    task_id: TaskId
    author: PublicKey
    task: Task
    created_ms: int
    record_id: RecordId


@dataclass(frozen=True, slots=True)
class Vote:
    """One seat of the jury.

    Attributes:
        juror: Who sits on it.
        commitment: The sealed answer it is held to.
        result: What opens that commitment, or None while nothing does.
        committed: Whether the juror is known to have sealed that answer: it opened it, or its
            own Commit is in the log.
    """

    juror: PublicKey
    commitment: Commitment
    result: Result | None
    committed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The network's word on one task.

    Attributes:
        state: How far the task has come.
        answer: The agreed value; empty unless the state is final.
        votes: The seats of the one jury, ascending by juror; none while open, none when void.
    """

    state: State
    answer: bytes
    votes: tuple[Vote, ...]


class Evidence(Protocol):
    """What a log holds about tasks; every answer is one lookup."""

    def juries_of(self, task_id: TaskId, author: PublicKey) -> Sequence[Jury]:
        """Return the juries this author signed for the task: at most the two the join keeps."""
        ...

    def find_opening(
        self, task_id: TaskId, juror: PublicKey, commitment: Commitment
    ) -> Result | None:
        """Return what the juror revealed to open this commitment."""
        ...

    def has_commit(self, task_id: TaskId, juror: PublicKey, commitment: Commitment) -> bool:
        """Answer whether the juror itself committed to this."""
        ...

    def has_retry(self, task: SubmittedTask) -> bool:
        """Answer whether the submitter validly tried the task again."""
        ...


def quorum_of(seats: int) -> int:
    """Return the least number of equal answers that settle a task with so many seats asked for."""
    return seats // 2 + 1


def is_retry(child: SubmittedTask, parent: SubmittedTask) -> bool:
    """Answer whether one task validly tries another one again."""
    return (
        child.task.retry_of == parent.task_id
        and child.author == parent.author
        and child.task.task_type == parent.task.task_type
        and child.task.model_digest == parent.task.model_digest
        and child.task.input == parent.task.input
        and child.task.attempt == parent.task.attempt + 1
    )


def judge(task: SubmittedTask, evidence: Evidence) -> Verdict:
    """Say how far a task has come and what its answer is."""
    juries = evidence.juries_of(task.task_id, task.author)
    if not juries:
        return Verdict(State.OPEN, b"", ())
    quorum = quorum_of(task.task.seats)
    seats = juries[0].seats
    if len(juries) > 1 or not quorum <= len(seats) <= task.task.seats:
        return Verdict(State.VOID, b"", ())
    task_id = task.task_id
    votes = tuple([_vote(task_id, seat, evidence) for seat in seats])
    counts: dict[bytes, int] = {}
    unopened = 0
    for vote in votes:
        if vote.result is None:
            unopened += 1
        elif vote.result.answer.kind is AnswerKind.VALUE:
            value = vote.result.answer.value
            counts[value] = counts.get(value, 0) + 1
    most = 0
    for value, count in counts.items():
        if count >= quorum:  # more than half of the seats: no second value can reach it
            return Verdict(State.FINAL, value, votes)
        most = max(most, count)
    if most + unopened < quorum:
        return Verdict(State.SPLIT, b"", votes)
    return Verdict(State.SEATED, b"", votes)


def _vote(task_id: TaskId, seat: Seat, evidence: Evidence) -> Vote:
    result = evidence.find_opening(task_id, seat.juror, seat.commitment)
    committed = result is not None or evidence.has_commit(task_id, seat.juror, seat.commitment)
    return Vote(seat.juror, seat.commitment, result, committed)
