"""What one task adds to the scores: a mark per juror, a fault for its submitter."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from consensus.verdict import Evidence, State, SubmittedTask, Verdict, quorum_of
from protocol.ids import PublicKey
from protocol.statements import AnswerKind, Result

# An answer backed by fewer seats is "unreplicated": one worker cannot agree with anybody.
SCORED_SEATS_MIN = 3


class Mark(IntEnum):
    """How a juror did on one task; the numbers are positions in `Counters`."""

    AGREED = 0
    DISSENTED = 1
    EXCUSED = 2
    ABSENT = 3


class Counters(NamedTuple):
    """How a worker did for one submitter, over all tasks.

    Attributes:
        agreed: It opened the answer that became the verdict.
        dissented: It opened anything else.
        excused: It opened anything else, where the answers were nearly tied.
        absent: It committed and did not open.
    """

    agreed: int = 0
    dissented: int = 0
    excused: int = 0
    absent: int = 0


Pair = tuple[PublicKey, PublicKey]  # submitter, worker


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one task adds.

    Attributes:
        submitter: Whose task it is.
        marks: One per vote, in the order of the votes; None where nothing is counted.
        faults: 1 if the submitter voided the task, else 0.
    """

    submitter: PublicKey
    marks: tuple[Mark | None, ...]
    faults: int


def contribution_of(
    task: SubmittedTask, verdict: Verdict, evidence: Evidence, near_tie_ppm: int
) -> Contribution:
    """Count what a judged task adds to its submitter and to each of its jurors.

    Args:
        task: The task.
        verdict: Its verdict by the same evidence.
        evidence: Asked only whether the task was tried again, and only where that matters.
        near_tie_ppm: The network's margin below which hardware may honestly disagree.
    """
    if verdict.state is State.VOID:
        return Contribution(task.author, (), 1)
    votes = verdict.votes
    if not votes or task.task.seats < SCORED_SEATS_MIN:
        return Contribution(task.author, (None,) * len(votes), 0)
    is_final = verdict.state is State.FINAL
    agreed = [is_final and _opened(vote.result, verdict.answer) for vote in votes]
    lost = Mark.DISSENTED
    if is_final and not all(agreed):
        near_ties = 0
        for vote, agrees in zip(votes, agreed, strict=True):
            if agrees and vote.result is not None and vote.result.margin_ppm < near_tie_ppm:
                near_ties += 1
        if near_ties >= (quorum_of(task.task.seats) + 1) // 2:
            lost = Mark.EXCUSED
    marks: list[Mark | None] = []
    closed: bool | None = True if is_final else None  # None: not asked yet
    for vote, agrees in zip(votes, agreed, strict=True):
        if agrees:
            marks.append(Mark.AGREED)
        elif vote.result is not None:
            marks.append(lost if is_final else None)
        elif vote.committed:
            if closed is None:
                closed = evidence.has_retry(task)
            marks.append(Mark.ABSENT if closed else None)
        else:
            marks.append(None)
    return Contribution(task.author, tuple(marks), 0)


def _opened(result: Result | None, value: bytes) -> bool:
    if result is None:
        return False
    answer = result.answer
    return answer.kind is AnswerKind.VALUE and answer.value == value
