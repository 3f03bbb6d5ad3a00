"""When nothing more is to be expected of an undecided task."""

from consensus.log import find_task, find_verdict
from consensus.verdict import State
from protocol.ids import TaskId
from tests.builders import a_market_day, id_of
from tests.core_world import World
from tests.node.core import worker_bench as serving
from tests.node.core.submitter_bench import CROWD, REVEAL_WINDOW_MS, a_bench, split


def is_given_up(world: World, task_id: TaskId) -> bool:
    node = world.nodes["me"]
    submitted, verdict = find_task(node.log, task_id), find_verdict(node.log, task_id)
    assert node.machine is not None
    assert submitted is not None
    assert verdict is not None
    return node.machine.outlook.is_given_up(node.log, submitted, verdict)


def test_is_given_up__follows_a_split_task_until_nobody_tries_it_again() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")
    before = is_given_up(world, task_id)
    split(world, task_id, *CROWD[:3])
    hoping = is_given_up(world, task_id)
    world.run(REVEAL_WINDOW_MS)

    assert (before, hoping, is_given_up(world, task_id)) == (False, False, True)


def test_is_given_up__holds_at_once_where_no_retry_would_help() -> None:
    refused, cancelled = a_bench(*CROWD), a_bench("bo")
    by_jurors, by_user = refused.ask("me"), cancelled.ask("me")
    split(refused, by_jurors, *CROWD, error=True)
    cancelled.cancel("me", by_user)

    assert is_given_up(refused, by_jurors)
    assert is_given_up(cancelled, by_user)


def test_is_given_up__cannot_be_known_of_a_split_task_of_others() -> None:
    world = a_bench()
    task = serving.tasks_ranking("bo", "cy", "di", seats=3)[0]
    task_id = id_of("an", task)
    for record in a_market_day("an", task, {"bo": "a", "cy": "b", "di": "c"}):
        world.hear("me", record)

    assert world.state("me", task_id) is State.SPLIT
    assert not is_given_up(world, task_id)
