"""A worker opens what it is held to, whatever it forgot and in whatever order it hears of it."""

from node.core.events import Via
from protocol.statements import Reveal
from tests.builders import a_record, a_reveal, a_task
from tests.core_world import World
from tests.node.core.worker_bench import a_bench, a_jury_with_me, ask, my_commits, my_reveals


def test_see_task__opens_when_the_jury_came_before_the_task() -> None:
    world = a_bench()
    task = a_task()
    task_id = ask(world, task)
    world.run(200)
    jury = a_jury_with_me(world, task_id)
    world.kill("me", lose_rows=True)
    world.start(capabilities=())
    world.hear("me", jury)
    world.run(200)
    early = my_reveals(world)

    world.hear("me", a_record("an", task), via=Via.SYNC)
    world.run(200)

    assert early == []
    assert my_reveals(world) == [task_id]


def test_start__opens_our_seat_in_a_task_that_others_settled() -> None:
    world = a_bench()
    task_id = ask(world, a_task())
    world.run(200)
    jury = a_jury_with_me(world, task_id)
    world.kill("me")
    world.start(sign=False)
    for record in (
        jury,
        a_record("bo", a_reveal("bo", task_id, "positive")),
        a_record("cy", a_reveal("cy", task_id, "positive")),
    ):
        world.hear("me", record)
    world.kill("me")

    world.start()
    world.run(200)

    assert my_reveals(world) == [task_id]


def test_start__opens_nothing_twice() -> None:
    world = a_bench()
    task_id = ask(world, a_task())
    world.run(200)
    world.hear("me", a_jury_with_me(world, task_id))
    world.run(200)
    first = opened_records(world)
    world.kill("me")

    world.start()
    world.run(200)

    assert my_reveals(world) == [task_id, task_id]
    assert set(opened_records(world)) == set(first)


def test_start__runs_no_task_again_that_it_committed_to() -> None:
    world = a_bench()
    task = a_task()
    task_id = ask(world, task)
    world.run(200)
    sealed = my_commits(world, task_id)
    world.kill("me", lose_rows=True)

    world.start()
    world.hear("me", a_record("an", task), via=Via.SYNC)
    world.run(60_000)

    assert len(sealed) == 1
    assert set(my_commits(world, task_id)) == set(sealed)


def test_start__waits_for_the_jury_of_what_was_sealed_before() -> None:
    world = a_bench()
    ask(world, a_task())
    world.run(200)
    world.kill("me")

    world.start()
    world.run(6_000)

    machine = world.nodes["me"].machine
    assert machine is not None
    assert machine.waits_for_ms(world.now("me")) is not None


def opened_records(world: World) -> list[bytes]:
    """Return every record, as it travelled, in which `me` opened something."""
    return [
        record.raw
        for record in world.nodes["me"].published
        if isinstance(record.statements[0], Reveal)
    ]
