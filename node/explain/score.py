"""Why a score is what it is, and above all why it is zero, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consensus.contributions import SCORED_SEATS_MIN, Counters, Mark
from consensus.reputation_steps import ReputationSteps
from consensus.verdict import State, SubmittedTask
from node.commands_text import shortened
from node.show import capability_text
from protocol.ids import PublicKey
from protocol.statements import Capability

CAPABILITIES_TOLD_MAX = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker had to do with one of the newest tasks.

    Attributes:
        task: The task.
        state: How far it has come.
        is_seated: Whether the worker sits on its jury.
        is_sealed: Whether the worker committed to an answer, as far as that was asked.
        mark: What is counted for it, or None.
        verdict: The answer that won; empty unless final.
    """

    task: SubmittedTask
    state: State
    is_seated: bool
    is_sealed: bool
    mark: Mark | None
    verdict: bytes


def score_words(
    steps: ReputationSteps,
    worker: PublicKey,
    seen: Sequence[Seen],
    capabilities: Sequence[Capability],
) -> tuple[str, ...]:
    """Say why a worker has the points and the reputation it has.

    Args:
        steps: How its reputation comes about.
        worker: Whose.
        seen: The newest tasks, and what it had to do with each.
        capabilities: What it says it can run.
    """
    counted = Counters(*[sum(column) for column in zip(*_rows(steps), strict=True)])
    words = [f"points = {counted.agreed}, one for each answer that agreed with a verdict"]
    words += _lost(counted)
    if not any(counted):
        words += _uncounted(worker, seen, capabilities)
    words += _reputation(steps, counted)
    return tuple(words)


def _rows(steps: ReputationSteps) -> list[Counters]:
    return [Counters(), *(step.counters for step in steps.pairs)]


def _lost(counted: Counters) -> Iterator[str]:
    if counted.dissented:
        yield f"{_answers(counted.dissented)} lost to another one (dissented)"
    if counted.absent:
        yield f"{_answers(counted.absent)} sealed and never opened (absent)"
    if counted.excused:
        yield f"{_answers(counted.excused)} lost to a near tie, and excused: they count for nothing"


def _uncounted(
    worker: PublicKey, seen: Sequence[Seen], capabilities: Sequence[Capability]
) -> Iterator[str]:
    """Say why nothing at all is counted for a worker."""
    if not seen:
        yield "this log holds no task yet"
        return
    newest = f"the newest {len(seen)} tasks" if len(seen) > 1 else "the only task"
    seated = [one for one in seen if one.is_seated]
    if seated:
        yield f"it was seated for {len(seated)} of {newest}, and none of that counts yet"
        yield from _unmarked(seated)
        return
    others = [one for one in seen if one.task.author != worker]
    if not others:
        yield f"it asked for {newest} itself, and nobody may judge its own task"
        return
    sealed = sum(one.is_sealed for one in others)
    if sealed:
        yield f"it sealed an answer for {sealed} of {newest}, and others were seated before it"
        return
    yield f"it was never seated for {newest}, and sealed no answer"
    if not capabilities:
        yield "it does not say what it can run"
    elif not any(one.task.task.capability in capabilities for one in others):
        told = [shortened(capability_text(one), 40) for one in capabilities]
        listed = ", ".join(told[:CAPABILITIES_TOLD_MAX])
        yield f"none of them asks for what it says it can run ({listed})"


def _unmarked(seated: Sequence[Seen]) -> Iterator[str]:
    """Say why tasks it is seated for mark it with nothing."""
    scored = [one for one in seated if one.task.task.seats >= SCORED_SEATS_MIN]
    if len(scored) < len(seated):
        few = f"fewer than {SCORED_SEATS_MIN} seats, where nobody is marked"
        yield f"{len(seated) - len(scored)} of these have {few}"
    for state, why in _OF_STATE.items():
        count = sum(one.state is state for one in scored)
        if count:
            yield f"{count} of these {why}"


_OF_STATE = {
    State.SEATED: "are not decided yet",
    State.SPLIT: "were split, which marks nobody who opened",
    State.FINAL: "are final, but no commit of its own is in this log, nor did it open",
}


def _reputation(steps: ReputationSteps, counted: Counters) -> Iterator[str]:
    if steps.faults:
        yield f"it voided {steps.faults} of its own tasks; each halves its reputation"
    if counted.agreed and sum(step.runs > 0 for step in steps.pairs) == 1:
        yield "all that counts is for one submitter, whose weight grows only like a logarithm"
    if not steps.total_ppm:
        yield "reputation = 0, for nothing that counts was done yet"


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count} answers"
