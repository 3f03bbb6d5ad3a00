"""A node at its disk limit: nobody waits for what it could never say."""

from node.core.events import Room
from protocol.statements import Commit, Jury, Task
from tests.builders import key
from tests.core_world import SENTIMENT, World


def test_a_worker_without_room__seals_nothing_that_it_could_not_open() -> None:
    world = World("an", "bo", "cy", "di")
    world.start()
    world.run_ms = lambda _: 500
    world.ask("an")
    world.run(100)

    world.tell("bo", Room(is_full=True))
    world.run(10_000)

    assert world.said("bo", Commit) == []
    assert len(world.said("an", Jury)) == 1


def test_a_worker_without_room__is_not_counted_until_it_has_some() -> None:
    world = World("an", "bo")
    world.start()
    presences = world.nodes["an"].machine.presences  # type: ignore[union-attr]

    world.tell("bo", Room(is_full=True))
    world.run(2_000)
    without = presences.capable(SENTIMENT, world.now_ms)
    world.tell("bo", Room(is_full=False))
    world.run(2_000)

    assert without == []
    assert presences.capable(SENTIMENT, world.now_ms) == [key("bo")]


def test_a_submitter_without_room__does_not_ask_again_what_others_answered() -> None:
    world = World(*"abcdefgh")
    world.start()
    task_id = world.ask("a")
    while not world.said("a", Jury):
        world.run(1)

    world.tell("a", Room(is_full=True))
    world.run(60_000)

    assert world.state("b", task_id) is not world.state("a", task_id)
    assert len(world.said("a", Task)) == 1
