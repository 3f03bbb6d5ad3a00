"""The submitter's part up to the jury: who is listed, when the round closes."""

from consensus.verdict import State
from node.core.settings import Settings
from protocol.statements import Jury, Seat
from tests.builders import a_commit, key
from tests.node.core.submitter_bench import (
    CROWD,
    a_bench,
    by_rank,
    commit,
    jurors,
    leave,
)


def test_seat__closes_at_once_when_the_first_seats_have_committed() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    first = by_rank(task_id, *CROWD)[:3]

    commit(world, task_id, *first[:2])
    world.run(1_000)
    before = jurors(world, task_id)
    commit(world, task_id, first[2])
    world.run(100)

    assert before == []
    assert jurors(world, task_id) == [sorted(first)]


def test_seat__pins_what_each_juror_sealed_first() -> None:
    world = a_bench("bo")
    task_id = world.ask("me", seats=1)
    commit(world, task_id, "bo", answer="positive")
    commit(world, task_id, "bo", answer="negative")
    world.run(100)

    sealed = a_commit("bo", task_id, "positive").commitment
    assert world.said("me", Jury) == [Jury(task_id, (Seat(key("bo"), sealed),))]


def test_seat__prefers_rank_to_arrival() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    order = by_rank(task_id, *CROWD)

    commit(world, task_id, *reversed(order[1:]))
    world.run(1_000)
    before = jurors(world, task_id)
    world.run(1_000)

    assert before == []  # the stand-bys were fast, but it is not their turn yet
    assert jurors(world, task_id) == [sorted(order[1:4])]


def test_seat__takes_keys_outside_the_list_only_after_the_commit_window() -> None:
    world = a_bench("bo", "cy", "di")
    task_id = world.ask("me")

    commit(world, task_id, "x", "y", "z")
    world.run(4_900)
    within = jurors(world, task_id)
    world.run(200)

    assert within == []
    assert jurors(world, task_id) == [["x", "y", "z"]]


def test_seat__ranks_listed_keys_before_outside_ones() -> None:
    world = a_bench("bo", "cy", "di")
    task_id = world.ask("me")

    commit(world, task_id, "x", "y", "z", "bo")
    world.run(6_000)

    outside = by_rank(task_id, "x", "y", "z")[:2]
    assert jurors(world, task_id) == [sorted(["bo", *outside])]


def test_seat__is_content_with_a_quorum_when_the_whole_list_is_in() -> None:
    world = a_bench("bo", "cy")
    task_id = world.ask("me")

    commit(world, task_id, "bo")
    world.run(1_000)
    before = jurors(world, task_id)
    commit(world, task_id, "cy")
    world.run(100)

    assert before == []
    assert jurors(world, task_id) == [["bo", "cy"]]


def test_seat__is_content_with_a_quorum_when_the_window_is_over() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")
    order = by_rank(task_id, *CROWD[:3])

    commit(world, task_id, *order[:2])
    world.run(4_900)
    before = jurors(world, task_id)
    world.run(200)

    assert before == []
    assert jurors(world, task_id) == [sorted(order[:2])]


def test_seat__waits_below_a_quorum_however_long() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")

    commit(world, task_id, "bo")
    world.run(60_000)
    before = jurors(world, task_id)
    commit(world, task_id, "cy")
    world.run(100)

    assert before == []
    assert jurors(world, task_id) == [["bo", "cy"]]


def test_seat__signs_one_jury_ever() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    order = by_rank(task_id, *CROWD)
    commit(world, task_id, *order[:3])
    world.run(100)

    commit(world, task_id, *order[3:])
    world.run(10_000)
    world.kill("me", lose_rows=True)
    world.start()
    world.meet("me", *order[3:])
    commit(world, task_id, *order[3:])
    world.run(60_000)

    assert {tuple(names) for names in jurors(world, task_id)} == {tuple(sorted(order[:3]))}
    assert world.state("me", task_id) is State.SEATED


def test_see_presence__lists_workers_until_there_are_as_many_as_seats() -> None:
    world = a_bench("bo")
    task_id = world.ask("me")
    world.meet("me", "cy", "di", "ed")

    commit(world, task_id, "ed", "bo", "cy")
    world.run(1_000)
    before = jurors(world, task_id)
    commit(world, task_id, "di")
    world.run(100)

    assert before == []  # ed came after the list was full
    assert jurors(world, task_id) == [["bo", "cy", "di"]]


def test_see_presence__adds_nobody_to_a_full_list() -> None:
    world = a_bench("bo", "cy", "di")
    task_id = world.ask("me")
    world.meet("me", "ed")
    leave(world, "bo")

    commit(world, task_id, "bo", "cy", "ed")
    world.run(1_000)
    before = jurors(world, task_id)
    commit(world, task_id, "di")
    world.run(100)

    assert before == []
    assert jurors(world, task_id) == [["bo", "cy", "di"]]


def test_note_commit__keeps_room_for_listed_workers() -> None:
    world = a_bench("bo", settings=Settings(commits_per_task_max=2))
    task_id = world.ask("me", seats=1)
    commit(world, task_id, "x", "y", "z")

    commit(world, task_id, "bo")
    world.run(100)

    assert jurors(world, task_id) == [["bo"]]
