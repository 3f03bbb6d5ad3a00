"""How much of a worker's considering one turn takes on where the crowd is large."""

import pytest

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
