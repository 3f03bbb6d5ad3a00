"""The submitter's part towards its user: what it takes, refuses, and gives up."""

import pytest

from consensus.verdict import State
from node.core.settings import Settings
from protocol.ids import TaskId
from protocol.statements import Task
from tests.builders import a_record, id_of
from tests.core_world import World
from tests.node.core.submitter_bench import CROWD, a_bench, by_rank, commit, jurors, retries, reveal


@pytest.mark.parametrize("seats", [-1, 0, 2, 30, 32, 33, 10**30])
def test_submit__refuses_seats_that_are_even_or_out_of_range(seats: int) -> None:
    world = a_bench()

    token = world.submit("me", seats=seats)

    assert world.refusals[token].status == 400
    assert str(seats) in world.refusals[token].message


@pytest.mark.parametrize("seats", [1, 31])
def test_submit__takes_the_fewest_and_the_most_seats(seats: int) -> None:
    world = a_bench()

    world.ask("me", seats=seats)

    assert [task.seats for task in world.said("me", Task)] == [seats]


def test_submit__asks_for_the_default_where_the_user_names_no_seats() -> None:
    world = a_bench(settings=Settings(default_seats=5))

    world.ask("me", seats=None)

    assert [task.seats for task in world.said("me", Task)] == [5]


@pytest.mark.parametrize(("size", "refused"), [(16_384, False), (16_385, True)])
def test_submit__refuses_an_input_over_the_limit(size: int, refused: bool) -> None:
    world = a_bench()

    token = world.submit("me", "x" * size)
    world.run(100)

    assert (token in world.refusals) is refused
    assert (token in world.replies) is not refused


def test_submit__answers_a_repeated_request_with_the_same_task() -> None:
    world = a_bench()
    first = world.submit("me", request_id="a")
    world.run(100)

    again = world.submit("me", request_id="a")

    assert world.replies[again] == world.replies[first]
    assert len(world.said("me", Task)) == 1


def test_submit__answers_all_who_ask_the_same_before_it_is_signed() -> None:
    world = World("me")
    world.start(sign=False)
    tokens = [world.submit("me", request_id="a") for _ in range(3)]
    before = dict(world.replies)

    world.kill("me")
    world.start()
    fresh = [world.submit("me", request_id="a") for _ in range(3)]
    world.run(100)

    assert before == {}
    assert not any(token in world.replies for token in tokens)
    assert len({world.replies[token] for token in fresh}) == 1
    assert len(world.said("me", Task)) == 1


@pytest.mark.parametrize("wait_ms", [0, 100])
def test_submit__refuses_a_request_id_used_for_something_else(wait_ms: int) -> None:
    world = a_bench()
    world.submit("me", "a text", request_id="a")
    world.run(wait_ms)

    other_text = world.submit("me", "another text", request_id="a")
    other_seats = world.submit("me", "a text", request_id="a", seats=5)

    assert world.refusals[other_text].status == 409
    assert world.refusals[other_seats].status == 409


def test_submit__refuses_when_too_much_waits_to_be_signed() -> None:
    world = World("me", settings=Settings(outbox_max=3))  # a profile waits as well
    world.start(sign=False)

    tokens = [world.submit("me", request_id=str(number)) for number in range(3)]
    known = world.submit("me", request_id="0")

    assert [token in world.refusals for token in tokens] == [False, False, True]
    assert world.refusals[tokens[2]].status == 429
    assert known not in world.refusals


def test_cancel__never_seats_again_even_after_a_restart() -> None:
    world = a_bench("bo", "cy", "di")
    task_id = world.ask("me")

    token = world.cancel("me", task_id)
    world.kill("me")
    world.start()
    commit(world, task_id, "bo", "cy", "di")
    world.run(60_000)

    assert world.replies[token] == task_id
    assert jurors(world, task_id) == []


def test_cancel__gives_up_the_attempt_that_is_under_way() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me", seats=1)
    commit(world, task_id, *CROWD)
    world.run(20_000)  # nobody opens, so it is tried again
    [again] = retries(world, task_id)

    token = world.cancel("me", task_id)
    world.kill("me")
    world.start()
    commit(world, id_of("me", again), *CROWD)
    world.run(60_000)

    assert world.replies[token] == task_id
    assert jurors(world, id_of("me", again)) == []


def test_cancel__gives_up_a_retry_that_waits_to_be_signed() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    first = by_rank(task_id, *CROWD)[:3]
    for worker in first:
        commit(world, task_id, worker, answer=worker)
    world.run(100)
    world.submit("me", "another", request_id="another")  # after which the node must pause
    for worker in first:
        reveal(world, task_id, worker, answer=worker)

    early = retries(world, task_id)
    token = world.cancel("me", task_id)
    world.run(100)
    for again in retries(world, task_id):
        commit(world, id_of("me", again), *CROWD)
    world.run(60_000)

    assert early == []
    assert world.replies[token] == task_id
    assert [jurors(world, id_of("me", again)) for again in retries(world, task_id)] == [[]]


def test_cancel__refuses_what_is_not_ours_unknown_or_decided() -> None:
    world = a_bench("bo")
    theirs = Task(bytes(16), "sentiment", b"", b"text", 1, 0, b"")
    world.hear("me", a_record("bo", theirs))
    task_id = world.ask("me", seats=1)
    commit(world, task_id, "bo")
    world.run(100)
    reveal(world, task_id, "bo")

    tokens = [world.cancel("me", one) for one in (task_id, id_of("bo", theirs), TaskId(bytes(32)))]

    assert world.state("me", task_id) is State.FINAL
    assert [world.refusals[token].status for token in tokens] == [409, 409, 404]
