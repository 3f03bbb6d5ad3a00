"""One worker called `me` among strangers who have no machine, and words to drive it with."""

from dataclasses import replace
from itertools import count

from node.core.assignment import ranked
from node.core.effects import Infer
from node.core.events import PresencesHeard
from node.core.settings import Settings
from protocol.ids import PeerId, TaskId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Reveal, Seat, Task
from tests.builders import (
    NOON_MS,
    a_commit,
    a_jury,
    a_presence,
    a_record,
    a_task,
    id_of,
    key,
)
from tests.core_world import World


def a_bench(*workers: str, settings: Settings | None = None) -> World:
    """Start `me`, who knows a live submitter `an` that runs nothing, and some workers."""
    world = World("me", settings=settings)
    world.start()
    show_submitter(world)
    world.meet("me", *workers)
    world.run(1_000)
    return world


def show_submitter(world: World, *, ttl_ms: int = 600_000) -> None:
    """Let `an` say that it is here."""
    presence = replace(a_presence(ttl_ms=ttl_ms), capabilities=())
    record = a_record("an", presence, created_ms=NOON_MS + world.now_ms)
    world.tell("me", PresencesHeard((record,), PeerId("an")))


def tasks_ranking(*order: str, seats: int) -> list[Task]:
    """Make six tasks whose workers rank in just this order."""
    found: list[Task] = []
    for nonce in count():
        task = a_task(seats=seats, nonce=nonce)
        keys = [key(name) for name in order]
        if ranked(id_of("an", task), keys) == keys:
            found.append(task)
        if len(found) == 6:
            break
    return found


def ask(world: World, task: Task) -> TaskId:
    """Let `an` submit a task."""
    world.hear("me", a_record("an", task, created_ms=NOON_MS + world.now_ms))
    return id_of("an", task)


def commit(world: World, task_id: TaskId, *workers: str) -> None:
    """Let workers seal an answer."""
    for worker in workers:
        record = a_record(worker, a_commit(worker, task_id, "positive"))
        world.hear("me", record)


def seat(world: World, task_id: TaskId, *jurors: str) -> None:
    """Let `an` close the round."""
    world.hear("me", a_record("an", a_jury(task_id, dict.fromkeys(jurors, "positive"))))


def seat_late(world: World, task_id: TaskId, *jurors: str) -> None:
    """Let `an` close the round after those whose turn it was had time to take it."""
    world.run(2_100)
    seat(world, task_id, *jurors)


def a_jury_with_me(world: World, task_id: TaskId) -> Verified:
    """Seat `me`, held to what it published, beside bo and cy."""
    seats = [*a_jury(task_id, {"bo": "positive", "cy": "positive"}).seats]
    seats.append(Seat(key("me"), my_commits(world, task_id)[0].commitment))
    return a_record("an", Jury(task_id, tuple(sorted(seats))))


def runs(world: World) -> list[TaskId]:
    """Return the tasks whose model runs `me` ordered, in order."""
    return [effect.task_id for effect in world.nodes["me"].effects if isinstance(effect, Infer)]


def my_commits(world: World, task_id: TaskId) -> list[Commit]:
    """Return what `me` sealed for a task."""
    return [sealed for sealed in world.said("me", Commit) if sealed.task_id == task_id]


def my_reveals(world: World) -> list[TaskId]:
    """Return the tasks whose answer `me` opened."""
    return [reveal.task_id for reveal in world.said("me", Reveal)]
