"""Why one task is as it is: its records, the rule, what each juror earned, and what comes next."""

from collections.abc import Iterable, Sequence

from consensus import layout
from consensus.grounds import Grounds, JurorGrounds, grounds_of
from consensus.log import RowEvidence, chain_answer, chain_of, find_task, find_verdict
from consensus.rows import Rows
from consensus.story import Said
from consensus.verdict import State, SubmittedTask
from node.core.presences import Presences
from node.core.steps import Step
from node.explain.views import (
    AttemptWhyView,
    CountView,
    JurorView,
    SaidView,
    StepView,
    TaskWhyView,
    WaitedView,
)
from node.explain.words import MARKS, juror_words, step_words, tie_words, verdict_words
from node.names import worker_view
from node.show import STATE_NAMES, answer_text, capability_text
from protocol.ids import PublicKey, TaskId, short
from protocol.params import PPM, Network
from protocol.statements import AnswerKind


def task_why(
    rows: Rows,
    submitted: SubmittedTask,
    *,
    network: Network,
    told: Sequence[Said],
    looked: int,
    steps: Sequence[Step],
    presences: Presences,
    me: PublicKey,
    now_ms: int,
) -> TaskWhyView:
    """Explain one task.

    Args:
        rows: The log.
        submitted: The task.
        network: Whose rules apply.
        told: Its records, as far as they were found.
        looked: How many records were looked at for them.
        steps: What it waits for and what comes next.
        presences: Who is here.
        me: Our own key.
        now_ms: This moment, by the monotonic clock.
    """
    task_id, task = submitted.task_id, submitted.task
    near_tie_ppm = network.params.near_tie_ppm
    grounds = grounds_of(submitted, RowEvidence(rows), near_tie_ppm)
    kept = layout.read_juries(rows.get(layout.JURY + task_id + submitted.author))
    because = [*verdict_words(grounds, [short(one.record_id) for one in kept])]
    tie = tie_words(rows, grounds, near_tie_ppm)
    waited = [worker for step in steps for worker in step.workers if step.in_ms == 0]
    return TaskWhyView(
        task_id=task_id.hex(),
        text=_text(task.input),
        task_type=task.task_type,
        model=task.model_digest.hex(),
        submitter=worker_view(rows, submitted.author),
        mine=submitted.author == me,
        created_ms=submitted.created_ms,
        attempt=task.attempt,
        state=STATE_NAMES[grounds.state],
        answer=answer_text(grounds.answer) if grounds.state is State.FINAL else None,
        rule=grounds.rule.value,
        because=tuple([*because, tie] if tie else because),
        seats=grounds.seats,
        quorum=grounds.quorum,
        jury_sizes=grounds.jury_sizes,
        counts=tuple(
            CountView(answer_text(answer.value), answer.kind is AnswerKind.ERROR, jurors)
            for answer, jurors in grounds.counts
        ),
        most=grounds.most,
        unopened=grounds.unopened,
        near_ties=grounds.near_ties,
        near_ties_needed=grounds.near_ties_needed,
        faults=grounds.faults,
        jurors=tuple(_juror(rows, one, grounds) for one in grounds.jurors),
        attempts=tuple(_attempts(rows, task_id)),
        records=tuple(_said(rows, one) for one in told),
        records_looked=looked,
        next=tuple(_step(rows, step, capability_text(task.capability)) for step in steps),
        missing=tuple(_waited(rows, one, presences, now_ms) for one in dict.fromkeys(waited)),
    )


def _juror(rows: Rows, juror: JurorGrounds, grounds: Grounds) -> JurorView:
    result = juror.result
    return JurorView(
        worker=worker_view(rows, juror.juror),
        commitment=juror.commitment.hex(),
        answer=None if result is None else answer_text(result.answer.value),
        error=result is not None and result.answer.kind is AnswerKind.ERROR,
        margin=None if result is None else result.margin_ppm / PPM,
        points=juror.points,
        mark=None if juror.mark is None else MARKS[juror.mark],
        reason=juror.reason.value,
        because=juror_words(juror, grounds),
    )


def _attempts(rows: Rows, task_id: TaskId) -> Iterable[AttemptWhyView]:
    chain = chain_of(rows, task_id)
    settled = chain_answer(rows, chain)
    for attempt_id in chain:
        submitted, verdict = find_task(rows, attempt_id), find_verdict(rows, attempt_id)
        assert submitted is not None, "a chain is made of known tasks"
        assert verdict is not None, "a known task has a verdict"
        yield AttemptWhyView(
            task_id=attempt_id.hex(),
            attempt=submitted.task.attempt,
            seats=submitted.task.seats,
            state=STATE_NAMES[verdict.state],
            counts=settled is not None and settled[0] == attempt_id,
        )


def _said(rows: Rows, said: Said) -> SaidView:
    return SaidView(
        kind=said.part.value,
        record_id="" if said.record_id is None else said.record_id.hex(),
        author=worker_view(rows, said.author),
        created_ms=said.created_ms,
    )


def _step(rows: Rows, step: Step, capability: str) -> StepView:
    return StepView(
        kind=step.kind,
        text=step_words(rows, step, capability),
        in_s=None if step.in_ms is None else step.in_ms / 1_000,
        workers=tuple(worker_view(rows, worker) for worker in step.workers),
    )


def _waited(rows: Rows, worker: PublicKey, presences: Presences, now_ms: int) -> WaitedView:
    heard = presences.find(worker)
    presence = None if heard is None else heard.presence
    return WaitedView(
        worker=worker_view(rows, worker),
        live=presences.is_live(worker, now_ms),
        heard_s_ago=None if heard is None else (now_ms - heard.heard_ms) / 1_000,
        load=0 if presence is None else presence.load,
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
