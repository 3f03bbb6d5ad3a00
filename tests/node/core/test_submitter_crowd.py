"""What the presences of a crowd make a submitter read, whose own tasks wait."""

from node.core.events import PresencesHeard
from protocol.ids import PeerId, TaskId
from tests.builders import NOON_MS, a_presence, a_record, id_of
from tests.core_world import World
from tests.node.core.counted_log import CountedLog
from tests.node.core.submitter_bench import CROWD, REVEAL_WINDOW_MS, commit, retries

ATTEMPTS = 5  # with the first


def a_counted_world() -> tuple[World, CountedLog]:
    log, world = CountedLog(), World("me")
    world.nodes["me"].log = log
    world.start()
    world.meet("me", *CROWD)
    return world, log


def hear(world: World, log: CountedLog, *workers: str) -> int:
    """Let workers say in one message that they are here; return how many rows are read."""
    world.run(1)
    log.read = 0
    at_ms = NOON_MS + world.now_ms
    said = tuple(a_record(worker, a_presence(), created_ms=at_ms) for worker in workers)
    world.tell("me", PresencesHeard(said, PeerId("a peer")))
    return log.read


def ask_without_openings(world: World, *, attempts: int) -> TaskId:
    """Ask, and seat jurors that never open, as often as that."""
    task_id = world.ask("me", seats=1)
    for attempt in range(attempts):
        commit(world, task_id, *CROWD)
        world.run(REVEAL_WINDOW_MS + 5_000)
        if attempt < attempts - 1:
            [again] = retries(world, task_id)
            task_id = id_of("me", again)
    return task_id


def test_see_presences__reads_nothing_of_a_task_past_its_last_attempt() -> None:
    world, log = a_counted_world()
    task_id = ask_without_openings(world, attempts=ATTEMPTS)

    read = hear(world, log, *CROWD)

    machine = world.nodes["me"].machine
    assert machine is not None
    assert machine.submitter.find(task_id) is not None
    assert retries(world, task_id) == []
    assert read == 0


def test_see_presences__looks_at_a_retry_once_however_many_are_heard_together() -> None:
    world, log = a_counted_world()
    task_id = world.ask("me", seats=len(CROWD))  # all who are here, so that nobody else is left
    commit(world, task_id, *CROWD)
    world.run(REVEAL_WINDOW_MS + 5_000)

    of_one, of_all = hear(world, log, CROWD[0]), hear(world, log, *CROWD)

    assert retries(world, task_id) == []
    assert of_one == of_all > 0
