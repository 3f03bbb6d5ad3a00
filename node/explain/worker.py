"""Why one worker stands where it stands: its counters, the arithmetic, and its newest tasks."""

from collections.abc import Collection, Iterator, Sequence

from consensus import layout
from consensus.contributions import Counters, Mark
from consensus.leaderboard import Standing
from consensus.log import find_commit, find_profile, find_task, newest_tasks
from consensus.reputation_steps import reputation_steps
from consensus.rows import Rows
from consensus.verdict import State
from node.core.presences import Presences
from node.explain.score import Seen, score_words
from node.explain.words import MARKS, arithmetic_words
from node.explain.worker_views import MarkedView, PairView, WorkerDetailView, WorkerWhyView
from node.listing import TEXT_SHOWN_MAX
from node.names import alias_of, peer_id_of, worker_view
from node.show import STATE_NAMES, answer_text, capability_text, input_text, standing_view
from protocol.ids import PublicKey, TaskId
from protocol.statements import Capability

TASKS_LOOKED_MAX = 500  # the newest; measured: 50 ms of the loop at worst
TASKS_TOLD_MAX = 50
PAIRS_TOLD_MAX = 100


def standing_of(board: Sequence[Standing], key: PublicKey) -> tuple[Standing, int | None]:
    """Return a worker's row of the leaderboard, all zero if it has none, and its place from 1."""
    for place, standing in enumerate(board, 1):
        if standing.key == key:
            return standing, place
    return Standing(key, 0, 0, 0, 0, 0, 0, 0, 0), None


def worker_detail(
    rows: Rows,
    key: PublicKey,
    *,
    board: Sequence[Standing],
    presences: Presences,
    connected: Collection[PublicKey],
    now_ms: int,
) -> WorkerDetailView:
    """Show what is known of one worker.

    Args:
        rows: The log.
        key: Whose.
        board: The leaderboard.
        presences: Who is here.
        connected: Who is connected.
        now_ms: This moment, by the monotonic clock.
    """
    profile, heard = find_profile(rows, key), presences.find(key)
    presence = None if heard is None else heard.presence
    standing, place = standing_of(board, key)
    alias = alias_of(rows, key)
    return WorkerDetailView(
        worker_id=alias,
        peer_id=peer_id_of(key),
        key=key.hex(),
        agent="" if profile is None else profile.agent,
        standing=standing_view(standing, alias),
        rank=place,
        ranked=len(board),
        live=presences.is_live(key, now_ms),
        connected=key in connected,
        heard_s_ago=None if heard is None else (now_ms - heard.heard_ms) / 1_000,
        capabilities=tuple(map(capability_text, presence.capabilities)) if presence else (),
        load=presence.load if presence else 0,
        addresses=presence.addresses if presence else (),
        state_digest=presence.state_digest.hex() if presence else "",
    )


def worker_why(
    rows: Rows, detail: WorkerDetailView, key: PublicKey, capabilities: Sequence[Capability]
) -> WorkerWhyView:
    """Explain the score of one worker.

    Args:
        rows: The log.
        detail: What is known of it otherwise.
        key: Whose.
        capabilities: What it says it can run.
    """
    pairs = _pairs_of(rows, key)
    faults = layout.read_faults(rows.get(layout.FAULT + key))
    steps = reputation_steps(pairs, faults)
    newest = newest_tasks(rows, limit=TASKS_LOOKED_MAX)
    seen = list(_seen(rows, key, newest, asks_sealed=not any(map(any, pairs.values()))))
    recent = [one for one in seen if one.is_seated][:TASKS_TOLD_MAX]
    told = sorted(steps.pairs, key=lambda step: (-step.runs, step.submitter))
    return WorkerWhyView(
        worker=detail,
        pairs=tuple(
            PairView(
                worker_view(rows, step.submitter),
                *step.counters,
                step.runs,
                step.weight_ppm,
                step.agreeing_ppm,
            )
            for step in told[:PAIRS_TOLD_MAX]
        ),
        pairs_left_out=max(0, len(told) - PAIRS_TOLD_MAX),
        agreeing_ppm=steps.agreeing_ppm,
        total_ppm=steps.total_ppm,
        spread_ppm=steps.spread_ppm,
        bound_ppm=steps.bound_ppm,
        faults=faults,
        reputation_ppm=steps.reputation_ppm,
        arithmetic=arithmetic_words(rows, told, steps),
        recent=tuple(_marked(rows, one) for one in recent),
        looked=len(newest),
        because=score_words(steps, key, seen, capabilities),
    )


def _pairs_of(rows: Rows, worker: PublicKey) -> dict[PublicKey, Counters]:
    """Return a worker's counters by submitter; a walk over all pairs, as the leaderboard is."""
    return {
        PublicKey(row[1:33]): layout.read_counters(value)
        for row, value in rows.scan(layout.PAIR)
        if row.endswith(worker)
    }


def _seen(
    rows: Rows, worker: PublicKey, newest: Sequence[TaskId], *, asks_sealed: bool
) -> Iterator[Seen]:
    """Walk tasks with what a worker did for each; whether it sealed is asked only if wanted."""
    for task_id in newest:
        task = find_task(rows, task_id)
        if task is None:
            continue
        value = rows.get(layout.JUDGED + task_id)
        judged = layout.UNJUDGED if value is None else layout.read_judged(value)
        jurors = layout.jurors_of(judged)
        is_seated = worker in jurors
        yield Seen(
            task=task,
            state=judged.state,
            is_seated=is_seated,
            is_sealed=asks_sealed and find_commit(rows, task_id, worker) is not None,
            mark=_mark(judged.marks[jurors.index(worker)]) if is_seated else None,
            verdict=judged.answer,
        )


def _mark(number: int) -> Mark | None:
    return Mark(number) if number in tuple(Mark) else None


def _marked(rows: Rows, seen: Seen) -> MarkedView:
    text = input_text(seen.task.task.input)
    return MarkedView(
        task_id=seen.task.task_id.hex(),
        submitter=worker_view(rows, seen.task.author),
        state=STATE_NAMES[seen.state],
        mark=None if seen.mark is None else MARKS[seen.mark],
        points=int(seen.mark is Mark.AGREED),
        created_ms=seen.task.created_ms,
        text=None if text is None else text[:TEXT_SHOWN_MAX],
        answer=answer_text(seen.verdict) if seen.state is State.FINAL else None,
    )
