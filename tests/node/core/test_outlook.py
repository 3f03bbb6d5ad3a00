"""What a task is said to wait for, held against what then happens."""

from typing import get_args

from consensus.log import find_task, find_verdict
from consensus.verdict import State
from node.core.events import Room
from node.core.settings import Settings
from node.core.steps import Step, StepKind
from protocol.ids import TaskId
from protocol.statements import Jury
from tests.builders import a_jury, a_record, id_of, key
from tests.core_world import World
from tests.node.core import worker_bench as serving
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
    split,
)

NAMES = {key(name): name for name in (*CROWD, "an", "x", "y", "z")}


def steps(world: World, task_id: TaskId, name: str = "me") -> list[Step]:
    node = world.nodes[name]
    submitted = find_task(node.log, task_id)
    assert node.machine is not None
    assert submitted is not None
    return node.machine.outlook.steps(node.log, submitted, world.now_ms)


def told(world: World, task_id: TaskId) -> list[str]:
    """Return the steps as people read them, with the wait in front."""
    lines = []
    for step in steps(world, task_id):
        names = ", ".join(NAMES[worker] for worker in step.workers)
        when = "" if step.in_ms is None else f"{step.in_ms}: "
        lines.append(when + step.words.replace("{who}", names).replace("{what}", "it"))
    return lines


def kinds(world: World, task_id: TaskId) -> list[StepKind]:
    return [step.kind for step in steps(world, task_id)]


def has(lines: list[str], *parts: str) -> bool:
    return any(all(part in line for part in parts) for line in lines)


def seated(world: World, *workers: str) -> tuple[TaskId, list[str]]:
    task_id = world.ask("me")
    first = by_rank(task_id, *workers)[:3]
    commit(world, task_id, *first)
    world.run(100)
    return task_id, first


def test_steps__say_that_workers_lack_and_how_many() -> None:
    world = a_bench("bo")
    task_id = world.ask("me")

    lines = told(world, task_id)
    alone = a_bench()

    only = "only 1 node that can run it is live, its submitter aside: start another node"
    assert has(lines, "it needs 2 workers", only)
    assert has(told(alone, alone.ask("me")), "no node that can run it is live")


def test_steps__name_who_has_not_sealed_and_when_stand_bys_start() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    order = by_rank(task_id, *CROWD)
    commit(world, task_id, order[0])
    world.run(500)

    lines = told(world, task_id)
    [stand_bys] = [step for step in steps(world, task_id) if "stand-bys" in step.words]
    assert stand_bys.in_ms is not None
    world.run(stand_bys.in_ms)
    then = told(world, task_id)

    assert kinds(world, task_id)[:2] == ["sealing", "stand_by"]
    assert stand_bys.kind == "stand_by"
    assert has(lines, f"0: 1 of 2 sealed answers are here; {order[1]}, {order[2]} did not seal")
    assert has(lines, "the stand-bys ranked 4 to 6 may start", ", ".join(order[3:6]))
    assert has(then, ", ".join(order[1:6]), "did not seal")
    assert has(then, "2000: the stand-bys ranked 7 may start", order[6])


def test_steps__say_when_the_commit_window_ends_and_that_comes_true() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")
    commit(world, task_id, *by_rank(task_id, *CROWD[:3])[:2])

    [window] = [step for step in steps(world, task_id) if "window ends" in step.words]
    assert window.in_ms is not None
    world.run(window.in_ms - 1)
    before = jurors(world, task_id)
    world.run(101)

    assert window.kind == "window"
    assert window.words == "the commit window ends; then it is seated with what is there"
    assert before == []
    assert len(jurors(world, task_id)) == 1


def test_steps__say_how_many_answers_lack_once_the_window_is_over() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")
    commit(world, task_id, "bo")
    lines = told(world, task_id)
    world.run(6_000)

    assert has(lines, "the commit window ends; then it is seated once 1 more answer is sealed")
    assert has(told(world, task_id), "the commit window is over: it is seated once 1 more answer")


def test_steps__tell_when_an_answer_counts_that_came_before_its_turn() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    order = by_rank(task_id, *CROWD)
    commit(world, task_id, order[3], order[4])

    early = [step for step in steps(world, task_id) if "before its turn" in step.words]
    assert early[0].in_ms is not None
    world.run(early[0].in_ms - 1)
    before = jurors(world, task_id)
    commit(world, task_id, order[0])
    world.run(101)

    assert {step.kind for step in early} == {"early"}
    assert [NAMES[step.workers[0]] for step in early] == order[3:5]
    assert before == []
    assert jurors(world, task_id) == [sorted([order[0], order[3], order[4]])]


def test_steps__say_that_a_task_is_tried_again_without_the_silent_if_others_are_live() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated(world, *CROWD)
    reveal(world, task_id, jury[0])
    world.run(3_000)

    silent = ", ".join(NAMES[one] for one in sorted(key(name) for name in jury[1:]))
    lines = told(world, task_id)
    assert kinds(world, task_id) == ["opening", "retry"]
    [again] = [step for step in steps(world, task_id) if "tried again" in step.words]
    assert again.in_ms is not None
    world.run(again.in_ms - 1)
    before = retries(world, task_id)
    world.run(101)

    assert has(lines, f"0: {silent} did not open yet")
    assert has(lines, "if 2 others are live; they are; a late opening still decides")
    assert before == []
    assert len(retries(world, task_id)) == 1
    assert has(told(world, task_id), "it was tried again")


def test_steps__say_that_a_task_stays_seated_where_the_others_are_too_few() -> None:
    world = a_bench(*CROWD[:4])
    task_id, jury = seated(world, *CROWD[:4])
    reveal(world, task_id, jury[0])
    enough = told(world, task_id)
    leave(world, jury[0])
    before = told(world, task_id)
    world.run(REVEAL_WINDOW_MS)
    after = told(world, task_id)
    world.meet("me", "x")
    world.run(1_000)

    assert has(enough, "if 2 others are live; they are")
    assert has(before, "if 2 others are live; 1 is: else it stays seated")
    assert has(after, "it is tried again once 2 others that can run it are live; 1 is")
    assert len(retries(world, task_id)) == 1


def test_steps__say_that_no_room_means_no_retry() -> None:
    world = a_bench(*CROWD)
    task_id, _ = seated(world, *CROWD)
    world.tell("me", Room(True))

    assert has(told(world, task_id), "the disk limit of this node is reached")


def test_steps__say_what_a_split_task_needs_and_when_it_is_given_up() -> None:
    world = a_bench(*CROWD[:3])
    task_id = world.ask("me")
    split(world, task_id, *CROWD[:3])

    lines = told(world, task_id)
    assert kinds(world, task_id) == ["retry", "given_up"]
    [end] = [step for step in steps(world, task_id) if "given up" in step.words]
    assert end.in_ms is not None
    world.run(end.in_ms + 100)

    assert has(lines, "it is tried again with 7 seats once 4 others are live; 3 are")
    assert told(world, task_id) == ["too few others came to try it again: it was given up"]
    assert retries(world, task_id) == []


def test_steps__say_that_an_input_the_jurors_refuse_is_not_tried_again() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    split(world, task_id, *CROWD, error=True)

    assert told(world, task_id) == ["the jurors refuse the input alike: it is not tried again"]


def test_steps__say_that_a_task_was_cancelled() -> None:
    world = a_bench("bo")
    task_id = world.ask("me")
    world.cancel("me", task_id)

    assert kinds(world, task_id) == ["given_up"]
    assert told(world, task_id) == ["it was cancelled here: this node does nothing more for it"]


def test_steps__are_none_for_a_final_task() -> None:
    world = a_bench(*CROWD)
    task_id, jury = seated(world, *CROWD)
    reveal(world, task_id, *jury[:2])

    assert told(world, task_id) == []


def test_steps__say_that_a_void_task_stays_void() -> None:
    world = a_bench()
    task = serving.tasks_ranking("bo", "cy", "di", seats=3)[0]
    task_id = id_of("an", task)
    jury = a_jury(task_id, {"bo": "positive"})
    world.hear("me", a_record("an", task))
    world.hear("me", a_record("an", jury))

    assert kinds(world, task_id) == ["given_up"]
    assert has(told(world, task_id), "a void task stays void")


def test_steps__say_that_a_foreign_task_waits_for_its_submitter() -> None:
    world = serving.a_bench("bo", "cy", "di")
    task_id = serving.ask(world, serving.tasks_ranking("bo", "cy", "di", "me", seats=3)[0])
    here = told(world, task_id)
    serving.show_submitter(world, ttl_ms=0)
    gone = told(world, task_id)

    assert kinds(world, task_id) == ["wait", "wait"]
    assert has(here, "2000: this node is ranked 4 of 4 and may start then, if still needed")
    assert has(here, "its submitter an seats it once 2 or more have sealed")
    assert has(gone, "its submitter an is not live: nobody serves it until that is back")
    assert has(gone, "begins once its submitter is back")


def test_steps__tell_how_far_our_own_run_is() -> None:
    world = serving.a_bench("bo", "cy", settings=Settings(runs_in_flight_max=1))
    world.run_ms = lambda _name: 300
    first, second = serving.tasks_ranking("me", "bo", "cy", seats=3)[:2]
    running, queued = serving.ask(world, first), serving.ask(world, second)
    during = told(world, running), told(world, queued)
    assert [kinds(world, one)[0] for one in (running, queued)] == ["running", "running"]
    world.run(1_000)
    sealed = told(world, running)

    assert has(during[0], "0: this node runs it now")
    assert has(during[1], "0: this node runs it soon; 2 runs wait or go on")
    assert has(sealed, "this node sealed its answer and opens it once it is seated")


def test_steps__say_when_a_stand_by_that_is_not_needed_looks_again() -> None:
    world = serving.a_bench("bo", "cy", "di")
    task_id = serving.ask(world, serving.tasks_ranking("bo", "cy", "di", "me", seats=3)[0])
    serving.commit(world, task_id, "bo", "cy", "di")
    world.run(3_000)

    [look] = [step for step in steps(world, task_id) if "looks again" in step.words]

    assert look.in_ms == 2_000
    assert serving.runs(world) == []
    world.run(2_000)
    assert serving.runs(world) == [task_id]


def test_steps__of_a_foreign_task_name_who_did_not_open() -> None:
    world = serving.a_bench("bo", "cy", "di")
    task_id = serving.ask(world, serving.tasks_ranking("bo", "cy", "di", "me", seats=3)[0])
    serving.commit(world, task_id, "bo", "cy", "di")
    serving.seat(world, task_id, "bo", "cy", "di")

    assert has(told(world, task_id), "0: ", "bo", "cy", "di", "did not open yet")
    assert has(told(world, task_id), "its submitter an may try it again; a late opening")


OPEN_ALONE = {"workers", "sealing", "stand_by", "early", "window", "jury", "running"}


def test_steps__of_each_kind_come_only_while_a_task_can_be_so() -> None:
    seen: dict[StepKind, set[State]] = {}
    for silent in ("", "cy"):
        world = World("me", *CROWD)
        world.answer = lambda name, _text: "negative" if name in ("bo", "di") else "positive"
        world.start()
        world.run(3_000)
        task_ids = [world.ask("me", f"text {number}") for number in range(3)]
        if silent:
            world.kill(silent)
        for _ in range(200):
            world.run(100)
            for name in world.nodes:
                log = world.nodes[name].log
                for task_id in task_ids:
                    verdict = find_verdict(log, task_id)
                    if name != silent and verdict is not None:
                        for step in steps(world, task_id, name):
                            seen.setdefault(step.kind, set()).add(verdict.state)

    assert set(seen) <= set(get_args(StepKind))
    assert {"sealing", "stand_by", "window", "opening", "running", "retry"} <= set(seen)
    for kind, states in seen.items():
        if kind in OPEN_ALONE:
            assert states == {State.OPEN}, kind
        if kind == "opening":
            assert states <= {State.SEATED, State.SPLIT}


def test_steps__change_nothing() -> None:
    spoken = []
    for asks in (False, True):
        world = World("me", "bo", "cy", "di", "ed")
        world.answer = lambda name, _text: None if name == "bo" else "positive"
        world.start()
        world.run(3_000)
        task_id = world.ask("me")
        for _ in range(200):
            world.run(100)
            if asks:
                for name in world.nodes:
                    if find_task(world.nodes[name].log, task_id) is not None:
                        steps(world, task_id, name)
        spoken.append([record.record_id for record in world.spoken])
        assert world.said("me", Jury)

    assert spoken[0] == spoken[1]
