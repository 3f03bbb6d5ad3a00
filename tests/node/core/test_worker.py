"""The worker's part, told event by event among strangers."""

from dataclasses import replace

import pytest

from node.core.events import CapabilitiesChanged, Via
from node.core.settings import Settings
from protocol.ids import Commitment
from protocol.statements import Jury, Seat
from tests.builders import NOON_MS, a_jury, a_profile, a_record, a_task, id_of, key
from tests.core_world import SENTIMENT, World
from tests.node.core.worker_bench import (
    a_bench,
    a_jury_with_me,
    ask,
    commit,
    my_commits,
    my_reveals,
    runs,
    seat,
    seat_late,
    show_submitter,
    tasks_ranking,
)

CROWD = ("bo", "cy", "di", "ed", "flo")


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_see_task__runs_at_once_what_is_ours_by_rank(ahead: int) -> None:
    order = (*CROWD[:ahead], "me", *CROWD[ahead:])
    world = a_bench(*CROWD)

    task_id = ask(world, tasks_ranking(*order, seats=3)[0])

    assert runs(world) == [task_id]


@pytest.mark.parametrize(
    ("seats", "ahead", "delay_ms"), [(3, 3, 2_000), (1, 2, 4_000), (1, 4, 6_000)]
)
def test_consider__lets_a_stand_by_start_after_its_delay(
    seats: int, ahead: int, delay_ms: int
) -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking(*CROWD[:ahead], "me", *CROWD[ahead:], seats=seats)[0])

    world.run(delay_ms - 1)
    before = runs(world)
    world.run(1)

    assert before == []
    assert runs(world) == [task_id]


def test_consider__leaves_a_served_task_alone_until_the_commit_window_is_over() -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking("bo", "cy", "di", "me", "ed", "flo", seats=3)[0])
    commit(world, task_id, "bo", "cy", "di")

    world.run(4_999)
    within = runs(world)
    world.run(1)

    assert within == []
    assert runs(world) == [task_id]


def test_consider__counts_only_commits_of_keys_ranked_before_it() -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking("bo", "cy", "di", "me", "ed", "flo", seats=3)[0])
    commit(world, task_id, "bo", "cy", "ed", "flo", "a stranger")

    world.run(2_000)

    assert runs(world) == [task_id]


def test_consider__starts_in_its_turn_however_many_answered_before_theirs() -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking("bo", "me", "cy", "di", "ed", "flo", seats=1)[0])
    commit(world, task_id, "cy", "di", "ed", "flo")

    world.run(60_000)

    assert runs(world) == [task_id]


def test_consider__waits_for_a_submitter_that_is_gone() -> None:
    world = a_bench()
    show_submitter(world, ttl_ms=0)
    world.kill("me")
    world.start()
    task = a_task()
    world.hear("me", a_record("an", task), via=Via.SYNC)

    world.run(60_000)
    while_gone = runs(world)
    show_submitter(world)

    assert while_gone == []
    assert runs(world) == [id_of("an", task)]


def test_see_jury__drops_a_task_that_waited_for_its_turn() -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking("bo", "cy", "di", "me", "ed", "flo", seats=3)[0])

    seat(world, task_id, "bo", "cy")
    world.run(60_000)

    assert runs(world) == []


def test_see_jury__lets_a_run_end_in_vain() -> None:
    world = a_bench()
    world.run_ms = lambda _name: 500
    task_id = ask(world, a_task())

    seat(world, task_id, "bo", "cy", "di")
    world.run(2_000)

    assert runs(world) == [task_id]
    assert my_commits(world, task_id) == []


def test_see_jury__ignores_a_jury_of_somebody_else() -> None:
    world = a_bench()
    task_id = ask(world, a_task())
    world.run(200)

    jury = replace(a_jury_with_me(world, task_id).statements[0])
    world.hear("me", a_record("eve", jury))
    world.run(200)

    assert my_reveals(world) == []


def test_see_jury__opens_nothing_but_what_is_pinned() -> None:
    world = a_bench()
    task_id = ask(world, a_task())
    world.run(200)
    other = Seat(key("me"), Commitment(bytes(32)))
    jury = Jury(task_id, tuple(sorted([*a_jury(task_id, {"bo": "positive"}).seats, other])))

    world.hear("me", a_record("an", jury))
    world.run(200)

    assert my_reveals(world) == []


def test_see_jury__opens_only_after_the_jury_is_known() -> None:
    world = a_bench()
    task_id = ask(world, a_task())
    world.run(60_000)
    early = my_reveals(world)

    world.hear("me", a_jury_with_me(world, task_id))
    world.run(200)

    assert early == []
    assert my_reveals(world) == [task_id]


def test_feed__keeps_to_the_runs_in_flight() -> None:
    world = a_bench(settings=Settings(runs_in_flight_max=2))
    world.run_ms = lambda _name: 100
    task_ids = [ask(world, a_task(nonce=nonce)) for nonce in range(3)]

    before = runs(world)
    world.run(100)

    assert before == task_ids[:2]
    assert runs(world) == task_ids


def test_inferred__commits_to_nothing_after_a_failed_run_and_tries_later() -> None:
    world = a_bench()
    world.answer = lambda _name, _text: ""
    task_id = ask(world, a_task())

    world.run(5_000)
    within = runs(world)
    world.run(100_000)

    assert within == [task_id]
    assert runs(world) == [task_id] * 3
    assert my_commits(world, task_id) == []


def test_inferred__commits_when_a_later_run_succeeds() -> None:
    world = a_bench()
    answers = iter(("", "positive"))
    world.answer = lambda _name, _text: next(answers)
    task_id = ask(world, a_task())

    world.run(6_000)

    assert len(my_commits(world, task_id)) == 1


def test_see_task__ignores_what_it_cannot_run() -> None:
    world = a_bench()

    ask(world, a_task(task_type="echo", model_digest=b""))

    assert runs(world) == []


def test_serve__looks_at_what_came_before_the_model_was_loaded() -> None:
    world = World("me")
    world.start(capabilities=())
    show_submitter(world)
    task_id = ask(world, a_task())
    before = runs(world)

    world.tell("me", CapabilitiesChanged((SENTIMENT,)))

    assert before == []
    assert runs(world) == [task_id]


def test_see_task__comes_back_to_what_it_had_no_room_for() -> None:
    world = a_bench(settings=Settings(jobs_max=2, runs_in_flight_max=1))
    task_ids = [ask(world, a_task(nonce=nonce)) for nonce in range(5)]

    world.run(2_000)

    assert sorted(runs(world)) == sorted(task_ids)


def test_count_misses__ranks_a_key_last_after_three_missed_turns() -> None:
    world = a_bench("bo", "cy")
    late = tasks_ranking("bo", "cy", "me", seats=1)
    ours_if_bo_is_last = tasks_ranking("bo", "me", "cy", seats=1)
    for task in late[:2]:
        seat_late(world, ask(world, task), "cy")
    after_two = ask(world, ours_if_bo_is_last[0])
    seat(world, after_two, "bo")
    for task in late[2:3]:
        seat_late(world, ask(world, task), "cy")

    after_three = ask(world, ours_if_bo_is_last[1])

    assert runs(world) == [after_three]


def test_count_misses__blames_nobody_for_a_jury_that_came_before_their_turn_was_over() -> None:
    world = a_bench("bo", "cy")
    for task in tasks_ranking("bo", "cy", "me", seats=1)[:4]:
        seat(world, ask(world, task), "cy")

    ask(world, tasks_ranking("bo", "me", "cy", seats=1)[0])

    assert runs(world) == []


def test_count_misses__counts_the_turns_a_stand_by_had_to_take() -> None:
    world = a_bench("bo")
    for task in tasks_ranking("bo", "me", seats=1)[:3]:
        ask(world, task)
    world.run(2_500)
    taken = len(runs(world))

    ask(world, tasks_ranking("bo", "me", seats=1)[3])

    assert taken == 3
    assert len(runs(world)) == 4


def test_see_task__lets_no_absent_submitter_fill_the_table() -> None:
    world = a_bench("bo", settings=Settings(jobs_max=2))
    for nonce in range(2):  # a submitter whose presence nobody has
        world.hear("me", a_record("zed", a_task(nonce=nonce)), via=Via.SYNC)

    task_id = ask(world, a_task())
    world.run(30_000)

    assert task_id in runs(world)


def test_see_task__gives_each_submitter_a_share_and_comes_back_for_the_rest() -> None:
    settings = Settings(jobs_max=100, jobs_per_submitter_max=2, runs_in_flight_max=1)
    world = a_bench(settings=settings)
    task_ids = [ask(world, a_task(nonce=nonce)) for nonce in range(6)]

    world.run(5_000)

    assert sorted(runs(world)) == sorted(task_ids)


def test_count_misses__counts_a_key_once_a_task() -> None:
    world = a_bench(*CROWD)
    task_id = ask(world, tasks_ranking(*CROWD, "me", seats=1)[0])
    commit(world, task_id, "cy", "di", "ed", "flo")
    world.run(60_000)

    ask(world, tasks_ranking("bo", "me", *CROWD[1:], seats=1)[0])

    assert runs(world) == []


def test_see_commit__forgives_whoever_is_back() -> None:
    world = a_bench("bo", "cy")
    for task in tasks_ranking("bo", "cy", "me", seats=1)[:3]:
        seat(world, ask(world, task), "cy")
    done = ask(world, a_task(seats=3))
    world.run(200)
    commit(world, done, "bo")

    ask(world, tasks_ranking("bo", "me", "cy", seats=1)[0])

    assert len(my_commits(world, done)) == 1
    assert runs(world) == [done]


def test_see_task__comes_back_to_a_task_that_had_to_make_way() -> None:
    world = a_bench("bo", settings=Settings(jobs_max=2, runs_in_flight_max=1))
    absent = a_record("zed", a_task(nonce=7, text="from zed"))
    world.hear("me", absent, via=Via.SYNC)
    task_ids = [ask(world, a_task(nonce=nonce)) for nonce in range(4)]
    world.run(20_000)
    done = sorted(runs(world))

    world.hear("me", a_record("zed", a_profile(), created_ms=NOON_MS + world.now_ms))
    world.run(20_000)

    assert done == sorted(task_ids)
    assert id_of("zed", a_task(nonce=7, text="from zed")) in runs(world)


def test_look__considers_only_so_many_jobs_in_one_turn() -> None:
    world = a_bench("bo", settings=Settings(runs_in_flight_max=10_000))
    tasks = [a_task(nonce=nonce) for nonce in range(300)]
    for first in range(0, 300, 100):
        world.hear("me", a_record("an", *tasks[first : first + 100]))

    world.run(1_000)

    assert len(set(runs(world))) == 300
