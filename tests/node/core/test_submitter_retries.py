"""The submitter's part after the jury: settle it, or try again, or leave it be."""

import pytest

from consensus.log import chain_answer, chain_of
from consensus.verdict import State
from protocol.ids import TaskId
from tests.builders import id_of
from tests.core_world import World
from tests.node.core.counted_log import CountedLog
from tests.node.core.submitter_bench import (
    CROWD,
    REVEAL_WINDOW_MS,
    a_bench,
    by_rank,
    commit,
    jurors,
    leave,
    retries,
    reveal,
)


def seated(world: World, *workers: str, seats: int = 3) -> tuple[TaskId, list[str]]:
    """Ask, and let the first workers by rank be seated."""
    task_id = world.ask("me", seats=seats)
    first = by_rank(task_id, *workers)[:seats]
    commit(world, task_id, *first)
    world.run(100)
    return task_id, first


def split(world: World, task_id: TaskId, seats: int, *workers: str) -> None:
    """Seat workers that all answer something else, and let them open it."""
    order = by_rank(task_id, *workers)[:seats]
    for number, worker in enumerate(order):
        commit(world, task_id, worker, answer=f"answer {number}")
    world.run(6_000)
    for number, worker in enumerate(order):
        reveal(world, task_id, worker, answer=f"answer {number}")
    world.run(100)


def test_consider__lets_a_settled_task_go() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated(world, *CROWD)

    reveal(world, task_id, *jury[:2])
    world.run(60_000)

    assert world.state("me", task_id) is State.FINAL
    assert retries(world, task_id) == []


def test_retry_missing__asks_others_when_openings_are_missing() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated(world, *CROWD)
    reveal(world, task_id, jury[0])

    world.run(REVEAL_WINDOW_MS - 200)
    before = retries(world, task_id)
    world.run(200)

    assert before == []
    [again] = retries(world, task_id)
    assert (again.seats, again.attempt) == (3, 1)


def test_retry_missing__waits_where_the_others_are_no_quorum() -> None:
    world = a_bench(*CROWD[:4])
    task_id, jury = seated(world, *CROWD[:4])
    reveal(world, task_id, jury[0])  # one other and this one are here: that is a quorum
    leave(world, jury[0])

    world.run(60_000)
    before = retries(world, task_id)
    reveal(world, task_id, jury[1])

    assert before == []
    assert world.state("me", task_id) is State.FINAL


def test_retry_missing__comes_when_enough_others_do() -> None:
    world = a_bench(*CROWD[:3])
    task_id, _ = seated(world, *CROWD[:3])
    world.run(60_000)
    before = retries(world, task_id)

    world.meet("me", "flo", "gus")
    world.run(REVEAL_WINDOW_MS)

    assert before == []
    assert len(retries(world, task_id)) == 1


def test_retry_missing__excludes_the_absentees() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated(world, *CROWD)
    reveal(world, task_id, jury[0])
    world.run(REVEAL_WINDOW_MS)
    again_id = id_of("me", retries(world, task_id)[0])

    commit(world, again_id, *jury)
    world.run(60_000)
    before = jurors(world, again_id)
    commit(world, again_id, *CROWD)
    world.run(100)

    assert before == []
    assert not set(jury[1:]) & set(jurors(world, again_id)[0])


def test_retry_missing__is_signed_once() -> None:
    world = a_bench(*CROWD)
    task_id, _ = seated(world, *CROWD)
    world.run(REVEAL_WINDOW_MS)

    world.kill("me", lose_rows=True)
    world.start()
    world.meet("me", *CROWD)
    world.run(60_000)

    assert len(set(retries(world, task_id))) == 1


def test_retry_split__grows_the_jury() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")

    split(world, task_id, 3, *CROWD)

    [again] = retries(world, task_id)
    assert (again.seats, again.attempt) == (7, 1)


def test_retry_split__shows_the_split_where_the_new_quorum_is_out_of_reach() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")

    split(world, task_id, 3, *CROWD[:3])
    world.run(60_000)

    assert world.state("me", task_id) is State.SPLIT
    assert retries(world, task_id) == []


def test_see_presence__brings_the_retry_that_waits_for_workers() -> None:
    world = a_bench(*CROWD[:3])
    task_id, _ = seated(world, *CROWD[:3])
    world.run(REVEAL_WINDOW_MS + 1_000)
    before = retries(world, task_id)

    world.meet("me", *CROWD[3:5])
    world.run(100)

    assert before == []
    assert len(retries(world, task_id)) == 1


def test_see_presence__reads_nothing_while_openings_may_still_come() -> None:
    log = CountedLog()
    world = World("me")
    world.nodes["me"].log = log
    world.start()
    world.meet("me", *CROWD)
    for _ in range(5):
        seated(world, *CROWD)
    log.read = 0

    world.meet("me", *CROWD)

    assert log.read == 0


def test_retry_split__waits_a_while_for_workers_that_are_not_here_yet() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me", seats=3)
    split(world, task_id, 3, *CROWD[:3])
    before = retries(world, task_id)

    world.meet("me", *CROWD[3:])
    world.run(100)

    assert before == []
    assert [again.seats for again in retries(world, task_id)] == [7]


def test_retry_split__counts_nobody_that_the_retry_would_exclude() -> None:
    world = a_bench(*CROWD[:6])  # a jury of eleven needs six, and one of these was absent
    task_id = world.ask("me", seats=5)
    order = by_rank(task_id, *CROWD[:6])[:5]
    for number, worker in enumerate(order):
        commit(world, task_id, worker, answer=f"answer {number}")
    world.run(100)

    for number, worker in enumerate(order[:4]):
        reveal(world, task_id, worker, answer=f"answer {number}")
    world.run(60_000)

    assert world.state("me", task_id) is State.SPLIT
    assert retries(world, task_id) == []


def test_retry_split__accepts_a_quorum_of_one_error_as_the_last_word() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated_with(world, "!too_long", "!too_long", "positive")

    for juror, answer in jury.items():
        reveal(world, task_id, juror, answer=answer)
    world.run(60_000)

    assert world.state("me", task_id) is State.SPLIT
    assert retries(world, task_id) == []


def test_retry_split__tries_again_when_errors_differ() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated_with(world, "!too_long", "!not_text", "positive")

    for juror, answer in jury.items():
        reveal(world, task_id, juror, answer=answer)
    world.run(100)

    assert len(retries(world, task_id)) == 1


def test_retry_split__stops_at_the_most_seats() -> None:
    workers = tuple(f"worker {number}" for number in range(31))
    world = a_bench(*workers)
    task_id = world.ask("me", seats=3)
    asked = []

    for _ in range(5):
        split(world, task_id, 31, *workers)
        for again in retries(world, task_id):
            asked.append((again.seats, again.attempt))
            task_id = id_of("me", again)

    assert asked == [(7, 1), (15, 2), (31, 3)]
    assert world.state("me", task_id) is State.SPLIT


def test_retry_missing__ends_after_the_last_attempt() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me", seats=1)
    attempts = []

    for _ in range(6):
        commit(world, task_id, *CROWD)
        world.run(20_000)
        for again in retries(world, task_id):
            attempts.append(again.attempt)
            task_id = id_of("me", again)

    assert attempts == [1, 2, 3, 4]
    assert world.state("me", task_id) is State.SEATED


def test_retry__leaves_before_anything_else_happens_when_the_openings_came_first() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    first = by_rank(task_id, *CROWD)[:3]
    for number, worker in enumerate(first):
        reveal(world, task_id, worker, answer=f"answer {number}")

    for number, worker in enumerate(first):
        commit(world, task_id, worker, answer=f"answer {number}")
    world.run(1_000)

    assert world.state("me", task_id) is State.SPLIT
    assert len(retries(world, task_id)) == 1


def test_retry__answers_under_the_first_id() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    split(world, task_id, 3, *CROWD)
    again_id = id_of("me", retries(world, task_id)[0])

    commit(world, again_id, *CROWD)
    world.run(6_000)
    reveal(world, again_id, *CROWD)

    found = chain_answer(world.nodes["me"].log, chain_of(world.nodes["me"].log, task_id))
    assert found is not None
    assert (found[0], found[1].answer) == (again_id, b"positive")


def test_retry__is_not_signed_once_the_user_gave_up() -> None:
    world = a_bench(*CROWD)
    task_id, _ = seated(world, *CROWD)

    world.cancel("me", task_id)
    world.run(60_000)

    assert retries(world, task_id) == []


@pytest.mark.parametrize("lose_rows", [False, True])
def test_resume__gives_a_seated_task_a_new_reveal_window(lose_rows: bool) -> None:
    world = a_bench(*CROWD)
    task_id, _ = seated(world, *CROWD)
    world.run(10_000)
    world.kill("me", lose_rows=lose_rows)
    world.start()
    world.meet("me", *CROWD)

    world.run(REVEAL_WINDOW_MS - 1)
    before = retries(world, task_id)
    world.run(100)

    assert before == []
    assert len(retries(world, task_id)) == 1


def test_resume__gives_an_open_task_a_new_commit_window() -> None:
    world = a_bench("bo", "cy", "di")
    task_id = world.ask("me")
    commit(world, task_id, "bo", "cy")
    world.run(4_000)
    world.kill("me")
    world.start()

    world.run(4_900)
    before = jurors(world, task_id)
    world.run(200)

    assert before == []
    assert jurors(world, task_id) == [["bo", "cy"]]


def seated_with(world: World, *answers: str) -> tuple[TaskId, dict[str, str]]:
    """Ask, and let the first workers by rank be seated with these answers."""
    task_id = world.ask("me", seats=len(answers))
    jury = dict(zip(by_rank(task_id, *CROWD), answers, strict=False))
    for juror, answer in jury.items():
        commit(world, task_id, juror, answer=answer)
    world.run(100)
    return task_id, jury
