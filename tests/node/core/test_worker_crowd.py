"""How much of a worker's considering one turn takes on where the crowd is large."""

import pytest

from node.core.events import Woke
from node.core.jobs import Job
from node.core.presences import Presences
from node.core.settings import Settings
from node.core.worker import RANKED_PER_TURN_MAX
from protocol.ids import PublicKey, TaskId, sha256
from protocol.statements import Task
from tests.builders import NOON_MS, a_record, a_task, id_of
from tests.core_world import World
from tests.node.core.worker_bench import a_bench

CROWD = dict.fromkeys(PublicKey(sha256(bytes([at >> 8, at & 255]))) for at in range(4_000))
TASKS = [a_task(nonce=nonce) for nonce in range(20)]
AT_ONCE = RANKED_PER_TURN_MAX // len(CROWD)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = a_bench(settings=Settings(runs_in_flight_max=10_000))
    monkeypatch.setattr(Presences, "crowd", lambda self, capability, now_ms: CROWD)
    return world


def considered(world: World, monkeypatch: pytest.MonkeyPatch) -> list[TaskId]:
    """Write down from now on which tasks are ranked."""
    found: list[TaskId] = []
    machine = world.nodes["me"].machine
    assert machine is not None
    truly = machine.worker.turn_of

    def turn_of(job: Job, now_ms: int) -> tuple[list[PublicKey], int, int]:
        found.append(job.task_id)
        return truly(job, now_ms)

    monkeypatch.setattr(machine.worker, "turn_of", turn_of)
    return found


def ids(tasks: list[Task]) -> set[TaskId]:
    return {id_of("an", task) for task in tasks}


def test_see_task__ranks_a_large_crowd_for_few_tasks_in_one_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = considered(world, monkeypatch)

    world.hear("me", a_record("an", *TASKS, created_ms=NOON_MS + world.now_ms))
    at_once = len(found)
    world.run(10)

    assert at_once == AT_ONCE
    assert set(found) == ids(TASKS)


def test_ring__lets_alarms_that_are_due_together_pass_by_and_by_the_earliest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hear("me", a_record("an", *TASKS, created_ms=NOON_MS + world.now_ms))
    world.run(10)
    machine = world.nodes["me"].machine
    assert machine is not None
    jobs = [machine.worker.find(task_id) for task_id in ids(TASKS)]
    due_ms = {
        job.task_id: machine.worker.turn_of(job, world.now_ms)[2] for job in jobs if job is not None
    }
    found = considered(world, monkeypatch)

    world.now_ms += 60_000  # as on a machine that slept
    world.tell("me", Woke())
    at_once = len(found)
    world.run(10)

    assert at_once == AT_ONCE
    assert set(found) == set(due_ms) == ids(TASKS)
    moments = [due_ms[task_id] for task_id in found]
    assert moments == sorted(moments)
