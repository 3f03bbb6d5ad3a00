"""What one task adds to the scores: a mark per juror, a fault for its submitter."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from consensus.verdict import Evidence, State, SubmittedTask, Verdict, Vote, quorum_of
from protocol.ids import PublicKey
from protocol.statements import AnswerKind

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
    if task.task.seats < SCORED_SEATS_MIN:
        return Contribution(task.author, (None,) * len(verdict.votes), 0)
    is_final = verdict.state is State.FINAL
    missing = any(vote.result is None and vote.committed for vote in verdict.votes)
    closed = is_final or (missing and evidence.has_retry(task))
    agreeing = [is_final and _opened(vote, verdict.answer) for vote in verdict.votes]
    near_ties = sum(
        1
        for vote, agrees in zip(verdict.votes, agreeing, strict=True)
        if agrees and vote.result is not None and vote.result.margin_ppm < near_tie_ppm
    )
    is_near_tie = near_ties >= (quorum_of(task.task.seats) + 1) // 2
    marks: list[Mark | None] = []
    for vote, agrees in zip(verdict.votes, agreeing, strict=True):
        if agrees:
            marks.append(Mark.AGREED)
        elif vote.result is None:
            marks.append(Mark.ABSENT if closed and vote.committed else None)
        elif is_final:
            marks.append(Mark.EXCUSED if is_near_tie else Mark.DISSENTED)
        else:
            marks.append(None)
    return Contribution(task.author, tuple(marks), 0)


def _opened(vote: Vote, value: bytes) -> bool:
    if vote.result is None:
        return False
    answer = vote.result.answer
    return answer.kind is AnswerKind.VALUE and answer.value == value
