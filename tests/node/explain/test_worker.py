"""Explanations of scores: equal to the leaderboard, and every zero has a reason."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings

from consensus.leaderboard import leaderboard
from consensus.log import faults_of, pairs_of
from node.core.presences import Presences
from node.core.settings import Settings
from node.explain.worker import PAIRS_TOLD_MAX, TASKS_TOLD_MAX, worker_detail, worker_why
from node.explain.worker_views import WorkerWhyView
from node.listing import TEXT_SHOWN_MAX
from node.names import peer_id_of
from protocol.record import Verified
from protocol.statements import Capability, Task
from tests.builders import (
    MODEL,
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_market_day,
    a_presence,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
)
from tests.node.explain.test_find import rows_of
from tests.strategies import SUBMITTERS, WORKERS, histories

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SENTIMENT = Capability("sentiment", MODEL)
ANSWERS = {"bo": "positive", "cy": "positive", "di": "negative"}


def why(
    records: Sequence[Verified], name: str = "bo", *, runs: Sequence[Capability] = (SENTIMENT,)
) -> WorkerWhyView:
    rows = rows_of(records)
    board = leaderboard(pairs_of(rows), faults_of(rows))
    presences = Presences(Settings())
    presences.hear(a_record("bo", a_presence(load=2)), 1_000)
    detail = worker_detail(
        rows, key(name), board=board, presences=presences, connected={key("bo")}, now_ms=2_000
    )
    return worker_why(rows, detail, key(name), runs)


def days(count: int, answers: dict[str, str] = ANSWERS, *, seats: int = 3) -> list[Verified]:
    tasks = [a_task(nonce=number, seats=seats) for number in range(count)]
    return [record for task in tasks for record in a_market_day("an", task, answers)]


def seated(task: Task, *, commits: str = "bo cy di", reveals: str = "") -> list[Verified]:
    """Tell of a task whose jury is bo, cy and di, of whom some sealed and some opened."""
    task_id = id_of("an", task)
    answers = dict.fromkeys(("bo", "cy", "di"), "positive")
    return [
        a_record("an", task),
        *(a_record(name, a_commit(name, task_id, "positive")) for name in commits.split()),
        a_record("an", a_jury(task_id, answers)),
        *(a_record(name, a_reveal(name, task_id, "positive")) for name in reveals.split()),
    ]


def says(told: WorkerWhyView, *parts: str) -> bool:
    return any(all(part in line for part in parts) for line in told.because)


@quick
@given(histories())
def test_worker_why__equals_the_leaderboard(history: list[Verified]) -> None:
    rows = rows_of(history)
    board = leaderboard(pairs_of(rows), faults_of(rows))
    places = {standing.key: place for place, standing in enumerate(board, 1)}
    standings = {standing.key: standing for standing in board}

    for name in (*SUBMITTERS, *WORKERS):
        told = why(history, name)
        assert told.worker.rank == places.get(key(name))
        standing = standings.get(key(name))
        assert told.reputation_ppm == (standing.reputation_ppm if standing else 0)
        assert sum(pair.agreed for pair in told.pairs) == (standing.points if standing else 0)
        assert told.worker.standing.points == (standing.points if standing else 0)
        assert told.faults == (standing.faults if standing else 0)
        assert sum(one.points for one in told.recent) == told.worker.standing.points
        assert len(told.because) >= 1
        assert told.arithmetic[-1].startswith("reputation = ")


def test_worker_why__writes_the_arithmetic_down() -> None:
    told = why(days(3))

    assert told.worker.standing.points == 3
    lines = list(told.arithmetic)
    assert "n = 3 agreed + 0 dissented + 0 absent = 3, H(3) = 1833333" in lines[0]
    assert "1833333 * 3 // 3 = 1833333 agrees" in lines[0]
    assert lines[1] == "A = 1833333, N = 1833333"
    assert lines[2].endswith(f"= {told.spread_ppm}")
    assert lines[3].endswith(f"= {told.bound_ppm}")
    assert lines[4].startswith(f"reputation = bound >> 0 = {told.reputation_ppm} ppm")
    assert says(told, "all that counts is for one submitter")


def test_worker_why__lists_the_newest_tasks_with_marks() -> None:
    told = why([*days(2), *seated(a_task("other", nonce=9))])

    assert told.looked == 3
    assert sorted((one.state, one.mark or "", one.points) for one in told.recent) == [
        ("final", "agreed", 1),
        ("final", "agreed", 1),
        ("seated", "", 0),
    ]
    assert sorted((one.text, one.answer or "", one.created_ms) for one in told.recent) == [
        ("other", "", NOON_MS),
        ("what a day", "positive", NOON_MS),
        ("what a day", "positive", NOON_MS),
    ]


def test_worker_why__shows_the_beginning_of_texts_of_so_many_tasks() -> None:
    tasks = [a_task("x" * 1_000, nonce=number) for number in range(TASKS_TOLD_MAX + 1)]

    told = why([record for task in tasks for record in seated(task)])

    assert [one.text for one in told.recent] == ["x" * TEXT_SHOWN_MAX] * TASKS_TOLD_MAX
    assert told.looked == TASKS_TOLD_MAX + 1


def test_worker_why__says_that_answers_lost_or_were_never_opened() -> None:
    lost = why(days(2), "di")
    absent = why(seated(a_task(), reveals="cy di"))
    near = NETWORK.params.near_tie_ppm - 1
    excused = why(a_market_day("an", a_task(), ANSWERS, margin_ppm=near), "di")

    assert says(lost, "points = 0")
    assert says(lost, "2 answers lost to another one (dissented)")
    assert says(absent, "1 answer sealed and never opened (absent)")
    assert says(excused, "1 answer lost to a near tie, and excused")
    assert says(excused, "reputation = 0, for nothing that counts was done yet")


def test_worker_why__says_that_it_was_never_seated() -> None:
    others = days(2)

    never = why(others, "ed")
    sealed = why([*others, a_record("ed", a_commit("ed", id_of("an", a_task()), "x"))], "ed")

    assert says(never, "never seated for the newest 2 tasks, and sealed no answer")
    assert says(sealed, "it sealed an answer for 1 of the newest 2 tasks, and others were seated")
    assert never.worker.rank is None


def test_worker_why__says_that_nobody_asks_for_what_it_can_run() -> None:
    told = why(days(1), "ed", runs=[Capability("echo", b"")])

    assert says(told, "none of them asks for what it says it can run (echo)")
    assert says(why(days(1), "ed", runs=[]), "it does not say what it can run")


def test_worker_why__says_that_small_juries_mark_nobody() -> None:
    told = why(days(2, {"bo": "positive"}, seats=1))

    assert says(told, "seated for 2 of the newest 2 tasks, and none of that counts yet")
    assert says(told, "2 of these have fewer than 3 seats")


def test_worker_why__says_that_its_tasks_are_undecided_or_split() -> None:
    undecided = why(seated(a_task(), reveals="bo"))
    split = why(a_market_day("an", a_task(), {"bo": "a", "cy": "b", "di": "c"}))
    silent = why(seated(a_task(), commits="cy di", reveals="cy di"))

    assert says(undecided, "1 of these are not decided yet")
    assert says(split, "1 of these were split")
    assert says(silent, "1 of these are final, but no commit of its own is in this log")


def test_worker_why__says_that_nobody_judges_its_own_tasks() -> None:
    assert says(why(days(2), "an"), "it asked for the newest 2 tasks itself")
    assert says(why([], "an"), "this log holds no task yet")


def test_worker_why__tells_of_faults() -> None:
    task = a_task()
    other = a_record("an", a_jury(id_of("an", task), {"bo": "positive", "cy": "positive"}))

    told = why([*a_market_day("an", task, ANSWERS), other], "an")

    assert (told.faults, told.worker.rank) == (1, 1)
    assert says(told, "it voided 1 of its own tasks")


def test_worker_why__tells_no_more_pairs_than_a_page_holds() -> None:
    crowd = [f"an {number}" for number in range(PAIRS_TOLD_MAX + 1)]
    records = [one for name in crowd for one in a_market_day(name, a_task(), ANSWERS)]

    told = why(records)

    assert (len(told.pairs), told.pairs_left_out) == (PAIRS_TOLD_MAX, 1)
    assert told.worker.standing.points == len(crowd)
    assert "and alike for 96 more submitters" in told.arithmetic


def test_worker_detail__shows_who_it_is_and_how_it_is() -> None:
    told = why(days(1)).worker

    assert (told.live, told.connected, told.load, told.heard_s_ago) == (True, True, 2, 1.0)
    assert told.capabilities == (f"sentiment {MODEL.hex()[:8]}",)
    assert (told.key, told.peer_id) == (key("bo").hex(), peer_id_of(key("bo")))
    assert told.rank in (1, 2)  # beside cy, who agreed as well
    assert told.ranked == 3
