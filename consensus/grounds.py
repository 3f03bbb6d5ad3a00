"""Why a verdict is what it is: the rule that applied, with every number that went into it.

Counted here from the evidence once more, so that what people are told is not the verdict's own
word for itself; it must equal `judge` and `contribution_of` on every log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from consensus.contributions import SCORED_SEATS_MIN, Mark
from consensus.verdict import Evidence, State, SubmittedTask, quorum_of
from protocol.ids import Commitment, PublicKey
from protocol.statements import Answer, AnswerKind, Result, Seat


class Rule(Enum):
    """Which of the rules of a verdict applied."""

    NO_JURY = "no_jury"  # open
    WITHIN_REACH = "within_reach"  # seated: some answer may still win
    AGREEMENT = "agreement"  # final
    OUT_OF_REACH = "out_of_reach"  # split: no answer can win any more
    TWO_JURIES = "two_juries"  # void
    JURY_SIZE = "jury_size"  # void


class Reason(Enum):
    """Why a juror has the mark it has, or none."""

    AGREED = "agreed"
    DISSENTED = "dissented"
    NEAR_TIE = "near_tie"  # it would be a dissent, but those who agree were hardly sure
    ABSENT = "absent"
    NOT_YET_ABSENT = "not_yet_absent"  # counted once the task is final, or tried again
    NOT_SEALED = "not_sealed"  # silent, and no commit of its own proves that it sealed this
    UNDECIDED = "undecided"  # it opened, and the task is neither final nor split
    NO_WINNER = "no_winner"  # it opened, and the jury was split
    TOO_FEW_SEATS = "too_few_seats"


@dataclass(frozen=True, slots=True)
class JurorGrounds:
    """One seat of the jury, and what its juror earned.

    Attributes:
        juror: Who sits on it.
        commitment: The sealed answer it is held to.
        result: What it opened, or None.
        mark: What is counted, or None.
        reason: Why.
        points: 1 if it agreed, else 0.
    """

    juror: PublicKey
    commitment: Commitment
    result: Result | None
    mark: Mark | None
    reason: Reason
    points: int


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a verdict rests on.

    Attributes:
        rule: The rule that applied.
        state: What follows from it.
        answer: The agreed value; empty unless final.
        seats: How many were asked for.
        quorum: How many equal values settle it.
        jury_sizes: The seats of each jury that is kept; none, one or two numbers.
        counts: How many jurors opened each answer, errors included; most first, then by answer.
        most: How many opened the value that most did; errors reach no quorum.
        unopened: How many seats nothing opens yet.
        near_ties: How many of those who agree were nearly undecided themselves.
        near_ties_needed: How many of them excuse whoever dissents.
        jurors: Ascending by juror; none while open, none when void.
        faults: What its submitter is charged.
    """

    rule: Rule
    state: State
    answer: bytes
    seats: int
    quorum: int
    jury_sizes: tuple[int, ...]
    counts: tuple[tuple[Answer, int], ...] = ()
    most: int = 0
    unopened: int = 0
    near_ties: int = 0
    near_ties_needed: int = 0
    jurors: tuple[JurorGrounds, ...] = ()
    faults: int = 0


def grounds_of(task: SubmittedTask, evidence: Evidence, near_tie_ppm: int) -> Grounds:
    """Say which rule decides a task, by which numbers, and what each juror earns by it."""
    seats, quorum = task.task.seats, quorum_of(task.task.seats)
    juries = evidence.juries_of(task.task_id, task.author)
    sizes = tuple([len(jury.seats) for jury in juries])
    if not juries:
        return Grounds(Rule.NO_JURY, State.OPEN, b"", seats, quorum, sizes)
    if len(juries) > 1:
        return Grounds(Rule.TWO_JURIES, State.VOID, b"", seats, quorum, sizes, faults=1)
    if not quorum <= sizes[0] <= seats:
        return Grounds(Rule.JURY_SIZE, State.VOID, b"", seats, quorum, sizes, faults=1)
    jury = juries[0].seats
    results = [evidence.find_opening(task.task_id, one.juror, one.commitment) for one in jury]
    counts = _counts(results)
    values = [(count, said.value) for said, count in counts if said.kind is AnswerKind.VALUE]
    most, first = max(values, key=lambda one: one[0], default=(0, b""))
    unopened = results.count(None)
    rule, state, answer = Rule.WITHIN_REACH, State.SEATED, b""
    if most >= quorum:
        rule, state, answer = Rule.AGREEMENT, State.FINAL, first
    elif most + unopened < quorum:
        rule, state = Rule.OUT_OF_REACH, State.SPLIT
    agreed = [_is_value(one, answer) if state is State.FINAL else False for one in results]
    near_ties = sum(
        one.margin_ppm < near_tie_ppm
        for one, agrees in zip(results, agreed, strict=True)
        if agrees and one is not None
    )
    needed = (quorum + 1) // 2
    reasons = [
        _reason(task, seat, result, evidence, state=state, agrees=agrees, tie=near_ties >= needed)
        for seat, result, agrees in zip(jury, results, agreed, strict=True)
    ]
    return Grounds(
        rule=rule,
        state=state,
        answer=answer,
        seats=seats,
        quorum=quorum,
        jury_sizes=sizes,
        counts=counts,
        most=most,
        unopened=unopened,
        near_ties=near_ties,
        near_ties_needed=needed,
        jurors=tuple(
            JurorGrounds(
                juror=seat.juror,
                commitment=seat.commitment,
                result=result,
                mark=_MARKS.get(reason),
                reason=reason,
                points=int(reason is Reason.AGREED),
            )
            for seat, result, reason in zip(jury, results, reasons, strict=True)
        ),
    )


_MARKS = {
    Reason.AGREED: Mark.AGREED,
    Reason.DISSENTED: Mark.DISSENTED,
    Reason.NEAR_TIE: Mark.EXCUSED,
    Reason.ABSENT: Mark.ABSENT,
}


def _counts(results: Sequence[Result | None]) -> tuple[tuple[Answer, int], ...]:
    answers = sorted(one.answer for one in results if one is not None)
    counted = {answer: answers.count(answer) for answer in answers}
    return tuple(sorted(counted.items(), key=lambda one: -one[1]))


def _is_value(result: Result | None, value: bytes) -> bool:
    return result is not None and result.answer == Answer(AnswerKind.VALUE, value)


def _reason(
    task: SubmittedTask,
    seat: Seat,
    result: Result | None,
    evidence: Evidence,
    *,
    state: State,
    agrees: bool,
    tie: bool,
) -> Reason:
    """Say why one juror has the mark it has; `tie` is whether dissent is excused."""
    if task.task.seats < SCORED_SEATS_MIN:
        return Reason.TOO_FEW_SEATS
    if agrees:
        return Reason.AGREED
    if result is not None:
        if state is State.FINAL:
            return Reason.NEAR_TIE if tie else Reason.DISSENTED
        return Reason.NO_WINNER if state is State.SPLIT else Reason.UNDECIDED
    if not evidence.has_commit(task.task_id, seat.juror, seat.commitment):
        return Reason.NOT_SEALED
    is_closed = state is State.FINAL or evidence.has_retry(task)
    return Reason.ABSENT if is_closed else Reason.NOT_YET_ABSENT
