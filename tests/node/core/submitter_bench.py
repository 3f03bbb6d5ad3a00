"""One submitter called `me` among strangers who have no machine, and words to drive it with."""

from dataclasses import replace

from consensus.verdict import State
from node.core.assignment import order_of
from node.core.events import PresencesHeard
from node.core.settings import Settings
from protocol.ids import PeerId, TaskId
from protocol.statements import Jury, Task
from tests.builders import NOON_MS, a_commit, a_presence, a_record, a_reveal, key
from tests.core_world import World

CROWD = ("bo", "cy", "di", "ed", "flo", "gus", "hal")
REVEAL_WINDOW_MS = 15_000


def a_bench(*workers: str, settings: Settings | None = None) -> World:
    """Start `me`, who knows some workers."""
    world = World("me", settings=settings)
    world.start()
    world.meet("me", *workers)
    world.run(1_000)
    return world


def leave(world: World, *workers: str) -> None:
    """Let workers say goodbye."""
    for worker in workers:
        presence = replace(a_presence(), ttl_ms=0)
        record = a_record(worker, presence, created_ms=NOON_MS + world.now_ms)
        world.tell("me", PresencesHeard((record,), PeerId(worker)))


def by_rank(task_id: TaskId, *workers: str) -> list[str]:
    """Order workers as every node ranks them for a task."""
    return sorted(workers, key=lambda worker: order_of(task_id, key(worker)))


def commit(world: World, task_id: TaskId, *workers: str, answer: str = "positive") -> None:
    """Let workers seal an answer."""
    for worker in workers:
        sealed = a_commit(worker, task_id, answer)
        world.hear("me", a_record(worker, sealed, created_ms=NOON_MS + world.now_ms))


def reveal(world: World, task_id: TaskId, *jurors: str, answer: str = "positive") -> None:
    """Let jurors open that answer."""
    for juror in jurors:
        said = a_reveal(juror, task_id, answer)
        world.hear("me", a_record(juror, said, created_ms=NOON_MS + world.now_ms))


def jurors(world: World, task_id: TaskId) -> list[list[str]]:
    """Return who sits on each jury that `me` signed for a task, in the order of its seats."""
    names = {key(name): name for name in (*CROWD, "x", "y", "z")}
    return [
        sorted(names[seat.juror] for seat in jury.seats)
        for jury in world.said("me", Jury)
        if jury.task_id == task_id
    ]


def retries(world: World, task_id: TaskId) -> list[Task]:
    """Return the retries of a task that `me` published."""
    return [task for task in world.said("me", Task) if task.retry_of == task_id]


def split(world: World, task_id: TaskId, *workers: str, error: bool = False) -> None:
    """Let three workers open as many answers, or refuse the input alike."""
    order = by_rank(task_id, *workers)[:3]
    answers = {w: "!too_long" if error else f"answer {n}" for n, w in enumerate(order)}
    for worker, answer in answers.items():
        commit(world, task_id, worker, answer=answer)
    world.run(6_000)
    for worker, answer in answers.items():
        reveal(world, task_id, worker, answer=answer)
    world.run(100)
    assert world.state("me", task_id) is State.SPLIT
