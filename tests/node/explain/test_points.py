"""How points grew: equal on equal logs, and never at odds with the leaderboard."""

import random
from itertools import pairwise

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.incremental import fold
from consensus.leaderboard import Standing, leaderboard
from consensus.log import faults_of, newest_tasks, pairs_of
from consensus.rows import Rows
from node.explain.points import Growth, newest_judged
from node.explain.service import NodeExplainer
from node.explain.worker_views import PointsHistoryView
from node.names import peer_id_of
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_market_day, a_record, a_task, key
from tests.node.explain.doors import board_of, doors_of
from tests.node.explain.test_find import rows_of
from tests.node.sync_bench import a_node
from tests.strategies import histories

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANSWERS = {"bo": "positive", "cy": "positive", "di": "negative"}
ALL = 1_000


def told(rows: Rows, *, tasks: int = ALL, limit: int = ALL) -> PointsHistoryView:
    best = leaderboard(pairs_of(rows), faults_of(rows))[:limit]
    newest, growth = newest_judged(rows, tasks=tasks), Growth(one.key for one in best)
    growth.take(newest.judged)
    return growth.told(rows, best, newest)


def days(count: int, *, every_ms: int = 1_000) -> list[Verified]:
    """Return final tasks of an, one after the other, for each of which bo and cy get a point."""
    lives = []
    for number in range(count):
        asked, *others = a_market_day("an", a_task(nonce=number), ANSWERS)
        lives += [a_record("an", *asked.statements, created_ms=NOON_MS + number * every_ms)]
        lives += others
    return lives


@quick
@given(histories())
def test_told__begins_at_nothing_and_ends_at_the_leaderboard(history: list[Verified]) -> None:
    rows = rows_of(history)
    board = leaderboard(pairs_of(rows), faults_of(rows))
    found = told(rows)

    assert [(one.worker.peer_id, one.points) for one in found.workers] == [
        (peer_id_of(standing.key), standing.points) for standing in board
    ]
    assert (found.looked, found.more) == (len(newest_tasks(rows, limit=ALL)), False)
    for one in found.workers:
        assert list(one.after) == list(range(1, one.points + 1))
        assert len(one.at_ms) == one.points
        assert all(earlier <= later for earlier, later in pairwise(one.at_ms))


@quick
@given(histories(), st.randoms(use_true_random=False))
def test_told__is_the_same_in_whatever_order_records_came(
    history: list[Verified], order: random.Random
) -> None:
    shuffled = list(history)
    order.shuffle(shuffled)
    one_by_one = rows_of(())
    for record in shuffled:
        one_by_one.apply(fold(one_by_one, [record], NETWORK).changes)

    assert told(one_by_one, tasks=3) == told(rows_of(history), tasks=3)


@quick
@given(histories(), st.integers(1, 6), st.integers(1, 6))
def test_told__of_fewer_tasks_or_workers_is_the_end_of_the_whole(
    history: list[Verified], tasks: int, limit: int
) -> None:
    rows = rows_of(history)
    whole, some = told(rows), told(rows, tasks=tasks, limit=limit)

    assert some.looked == min(tasks, whole.looked)
    assert some.more == (tasks < whole.looked)
    assert len(some.workers) == min(limit, len(whole.workers))
    for part, one in zip(some.workers, whole.workers, strict=False):
        count = len(part.at_ms)
        assert (part.worker, part.points) == (one.worker, one.points)
        assert part.at_ms == one.at_ms[len(one.at_ms) - count :]
        assert part.after == one.after[len(one.after) - count :]


def test_told__gives_no_point_for_what_lost_or_is_not_final() -> None:
    seated = a_market_day("an", a_task("late", nonce=9), ANSWERS)[:-2]
    found = told(rows_of([*days(2), *seated]), tasks=ALL)

    by_name = {one.worker.peer_id: one for one in found.workers}
    assert by_name[peer_id_of(key("bo"))].at_ms == (NOON_MS, NOON_MS + 1_000)
    assert by_name[peer_id_of(key("di"))].at_ms == ()
    assert found.looked == 3


async def test_points_history__tells_scores_and_tasks_of_one_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.explain.service.JUDGED_PER_SLICE", 1)
    node = a_node("me")
    node.store(days(3))
    taken, found = trio.Event(), []

    def board() -> tuple[Standing, ...]:
        taken.set()
        return board_of(node)

    explainer = NodeExplainer(doors_of(node), board)

    async def ask() -> None:
        found.append(await explainer.points_history(tasks=ALL, limit=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await taken.wait()
        node.store(days(4)[-8:])

    assert [one.workers[0].points for one in found] == [3, 4]
    assert [one.workers[0].after for one in found] == [(1, 2, 3), (1, 2, 3, 4)]
