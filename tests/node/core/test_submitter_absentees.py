"""The submitter's part when a juror that was absent opens after all: it is no absentee any more."""

from protocol.ids import TaskId
from tests.builders import id_of
from tests.core_world import World
from tests.node.core.submitter_bench import (
    CROWD,
    REVEAL_WINDOW_MS,
    a_bench,
    by_rank,
    commit,
    jurors,
    retries,
    reveal,
)


def tried_again(world: World) -> tuple[TaskId, TaskId, list[str]]:
    """Let two of three jurors be absent; return the task, its retry, and the three."""
    task_id = world.ask("me")
    jury = by_rank(task_id, *CROWD[:4])[:3]
    for juror, answer in zip(jury, ("positive", "negative", "neutral"), strict=True):
        commit(world, task_id, juror, answer=answer)
    world.run(100)
    reveal(world, task_id, jury[0])
    world.run(REVEAL_WINDOW_MS)
    return task_id, id_of("me", retries(world, task_id)[0]), jury


def test_retry_missing__counts_an_absentee_again_that_opened_after_all() -> None:
    world = a_bench(*CROWD[:4])
    task_id, again_id, jury = tried_again(world)
    other = next(name for name in CROWD[:4] if name not in jury)
    commit(world, again_id, jury[0], other)
    world.run(100)
    reveal(world, again_id, jury[0])
    world.run(2 * REVEAL_WINDOW_MS)
    before = retries(world, again_id)  # but one is left who opens what it sealed

    reveal(world, task_id, jury[1], answer="negative")
    world.run(REVEAL_WINDOW_MS)

    assert before == []
    assert len(retries(world, again_id)) == 1


def test_readmit__seats_an_absentee_that_opened_after_all() -> None:
    world = a_bench(*CROWD[:4])
    task_id, again_id, jury = tried_again(world)
    commit(world, again_id, jury[0], jury[1])
    world.run(60_000)
    before = jurors(world, again_id)

    reveal(world, task_id, jury[1], answer="negative")
    world.run(100)

    assert before == []
    assert jurors(world, again_id) == [sorted(jury[:2])]
