"""From rows of the log to what people look at."""

from collections.abc import Callable, Iterable, Sequence

from consensus.leaderboard import Standing
from consensus.log import chain_answer, chain_of, commits_of, find_task, find_verdict
from consensus.rows import Rows
from consensus.verdict import State, SubmittedTask, Verdict, quorum_of
from node.names import alias_of, peer_id_of, worker_view
from node.views import (
    AnswerView,
    AttemptView,
    NetworkView,
    StandingView,
    TaskState,
    TaskView,
    WorkerView,
)
from protocol.ids import PublicKey, TaskId
from protocol.params import PPM, PUBLIC_GENESIS, Network, NetworkParams
from protocol.statements import Answer, AnswerKind, Capability

COMMITS_SHOWN_MAX = 100
STATE_NAMES: dict[State, TaskState] = {
    State.OPEN: "open",
    State.SEATED: "seated",
    State.FINAL: "final",
    State.SPLIT: "split",
    State.VOID: "void",
}


def network_view(network: Network) -> NetworkView:
    """Show what the nodes of a network share."""
    params = network.params
    apart = ("genesis", "name", "members")
    return NetworkView(
        network_id=network.network_id.hex(),
        name=params.name,
        genesis=params.genesis.hex(),
        public=params.genesis == PUBLIC_GENESIS,
        limits={
            name: getattr(params, name) for name in NetworkParams.__slots__ if name not in apart
        },
        members=tuple(map(peer_id_of, params.members)),
    )


def answer_text(value: bytes) -> str:
    """Show an answer: as text if it is printable UTF-8, else in hex."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def capability_text(capability: Capability) -> str:
    """Show a capability: its type, and the first digits of its model."""
    digest = capability.model_digest.hex()[:8]
    return f"{capability.task_type} {digest}".strip()


def task_view(
    rows: Rows,
    submitted: SubmittedTask,
    *,
    me: PublicKey,
    listed: Sequence[PublicKey],
    waiting: str,
    cancelled: bool,
    is_given_up: Callable[[SubmittedTask, Verdict], bool],
) -> TaskView:
    """Show one task.

    Args:
        rows: The log.
        submitted: The task.
        me: Our own key.
        listed: Whom we asked, if it is ours and unseated; else empty.
        waiting: What our own node waits for; empty for tasks of others.
        cancelled: Whether our user gave it up.
        is_given_up: Answers of an undecided attempt whether nobody will try it again.
    """
    task_id, task = submitted.task_id, submitted.task
    verdict = find_verdict(rows, task_id)
    assert verdict is not None, "the task is in the log"
    chain = chain_of(rows, task_id)
    settled = chain_answer(rows, chain)
    chain_verdict = settled[1] if settled else find_verdict(rows, chain[-1])
    last = find_task(rows, chain[-1])
    assert chain_verdict is not None, "a chain is made of known tasks"
    assert last is not None, "a chain is made of known tasks"
    is_decided = chain_verdict.state in (State.FINAL, State.VOID)
    committed = [key for key, _ in commits_of(rows, task_id, limit=COMMITS_SHOWN_MAX)]
    jurors = [vote.juror for vote in verdict.votes]
    if verdict.state is State.OPEN:
        missing = [key for key in listed if key not in committed]
    else:
        missing = [vote.juror for vote in verdict.votes if vote.result is None]
    return TaskView(
        task_id=task_id.hex(),
        text=input_text(task.input),
        task_type=task.task_type,
        model=task.model_digest.hex(),
        submitter=worker_view(rows, submitted.author),
        mine=submitted.author == me,
        created_ms=submitted.created_ms,
        seats=task.seats,
        quorum=quorum_of(task.seats),
        attempt=task.attempt,
        state=STATE_NAMES[verdict.state],
        chain_state=STATE_NAMES[chain_verdict.state],
        answer=answer_text(chain_verdict.answer) if settled else None,
        settled=is_decided or cancelled or is_given_up(last, chain_verdict),
        unreplicated=settled is not None and len(chain_verdict.votes) == 1,
        cancelled=cancelled,
        waiting=waiting or _waiting(verdict),
        committed=_workers(rows, committed),
        jurors=_workers(rows, jurors),
        missing=_workers(rows, missing),
        answers=_answers(rows, verdict),
        attempts=tuple(_attempts(rows, chain)),
    )


def standing_view(standing: Standing, alias: str) -> StandingView:
    """Show one line of a leaderboard."""
    return StandingView(
        worker_id=alias,
        points=standing.points,
        peer_id=peer_id_of(standing.key),
        agreed=standing.agreed,
        dissented=standing.dissented,
        excused=standing.excused,
        absent=standing.absent,
        faults=standing.faults,
        submitters=standing.submitters,
        reputation=standing.reputation_ppm / PPM,
    )


def standing_views(rows: Rows, standings: Iterable[Standing]) -> tuple[StandingView, ...]:
    """Show a leaderboard of our own, with the nicknames of our log."""
    return tuple(standing_view(standing, alias_of(rows, standing.key)) for standing in standings)


def input_text(data: bytes) -> str | None:
    """Show an input as text; None if it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _workers(rows: Rows, keys: Iterable[PublicKey]) -> tuple[WorkerView, ...]:
    return tuple(worker_view(rows, key) for key in keys)


def _waiting(verdict: Verdict) -> str:
    if verdict.state is State.OPEN:
        return "sealed answers"
    if verdict.state is State.SEATED:
        return "answers to be opened"
    return ""


def _answers(rows: Rows, verdict: Verdict) -> tuple[AnswerView, ...]:
    views: list[AnswerView] = []
    final = Answer(AnswerKind.VALUE, verdict.answer) if verdict.state is State.FINAL else None
    for vote in verdict.votes:
        if vote.result is None:
            continue
        answer = vote.result.answer
        views.append(
            AnswerView(
                worker=worker_view(rows, vote.juror),
                answer=answer_text(answer.value),
                error=answer.kind is AnswerKind.ERROR,
                confidence=vote.result.confidence_ppm / PPM,
                margin=vote.result.margin_ppm / PPM,
                agrees=None if final is None else answer == final,
            )
        )
    return tuple(views)


def _attempts(rows: Rows, chain: Iterable[TaskId]) -> Iterable[AttemptView]:
    for task_id in chain:
        submitted, verdict = find_task(rows, task_id), find_verdict(rows, task_id)
        if submitted is not None and verdict is not None:
            task = submitted.task
            yield AttemptView(task_id.hex(), task.attempt, task.seats, STATE_NAMES[verdict.state])
