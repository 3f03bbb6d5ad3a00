"""The leaderboard as peers are told it: how rarely it is ranked, and of which moment it is."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio
import trio.testing

from consensus.leaderboard import Standing, leaderboard
from consensus.log import pairs_of, record_count, state_digest
from consensus.rows import Rows
from node import told_board
from node.exchange import read_board
from node.market import NodeMarket
from node.names import alias_of
from node.told_board import KEPT_MAX_S, KEPT_REST, KEPT_S, ToldBoard
from protocol.ids import Digest, PeerId, PublicKey
from tests.builders import NETWORK, a_market_day, a_profile, a_record, a_task
from tests.node.explain.doors import board_of, doors_of
from tests.node.sync_bench import Node, a_node

DAYS = [
    a_market_day("an", a_task(nonce=number), {"bo": "positive", "cy": "positive", "di": "negative"})
    for number in range(4)
]
Told = tuple[Digest, int, list[tuple[Standing, str]]]


class Rankings:
    """Counts how often everyone was ranked, and may do something in the midst of it."""

    def __init__(self) -> None:
        self.count = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def rank(self, pairs: Mapping[Any, Any], faults: Mapping[Any, int]) -> tuple[Standing, ...]:
        self.count += 1
        trio.from_thread.run_sync(self.meanwhile)
        return leaderboard(pairs, faults)


@pytest.fixture
def rankings(monkeypatch: pytest.MonkeyPatch) -> Rankings:
    found = Rankings()
    monkeypatch.setattr(told_board, "leaderboard", found.rank)
    return found


def now_of(node: Node) -> Told:
    """Return what a node would truly tell at this moment."""
    log = node.bench.log
    rows = [(standing, alias_of(log, standing.key)) for standing in board_of(node)]
    return state_digest(log), record_count(log), rows


async def told(board: ToldBoard) -> Told:
    return read_board(await board.answer(), NETWORK.params)


async def test_answer__is_kept_for_a_while_whatever_changes(
    rankings: Rankings, mock_clock: trio.testing.MockClock
) -> None:
    node = a_node("me")
    board = ToldBoard(node.bench.log)
    node.store(DAYS[0])
    first = now_of(node)
    assert await told(board) == first

    for day in DAYS[1:]:
        node.store(day)
        assert await told(board) == first
    mock_clock.jump(KEPT_S)

    assert await told(board) == now_of(node) != first
    assert rankings.count == 2


async def test_answer__is_of_the_moment_at_which_its_ranking_began(rankings: Rankings) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    first = now_of(node)
    rankings.meanwhile = lambda: node.store(DAYS[1])

    assert await told(ToldBoard(node.bench.log)) == first


async def test_answer__is_ranked_once_for_many_who_ask_at_once(rankings: Rankings) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    board = ToldBoard(node.bench.log)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(board.answer)

    assert rankings.count == 1


async def test_answer__is_ranked_once_though_whoever_asks_leaves(
    rankings: Rankings, mock_clock: trio.testing.MockClock
) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    board, first = ToldBoard(node.bench.log), now_of(node)

    with trio.CancelScope() as scope:
        rankings.meanwhile = scope.cancel
        await board.answer()
    node.store(DAYS[1])

    assert await told(board) == first
    assert rankings.count == 1


@pytest.mark.parametrize(
    ("took_s", "kept_s"), [(0.0, KEPT_S), (0.2, 0.2 * KEPT_REST), (5.0, KEPT_MAX_S)]
)
async def test_answer__is_kept_longer_the_longer_it_took(
    rankings: Rankings, mock_clock: trio.testing.MockClock, took_s: float, kept_s: float
) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    board = ToldBoard(node.bench.log)
    rankings.meanwhile = lambda: mock_clock.jump(took_s)
    await board.answer()
    node.store(DAYS[1])

    mock_clock.jump(kept_s - 0.01)
    await board.answer()
    before = rankings.count
    mock_clock.jump(0.02)
    await board.answer()

    assert (before, rankings.count) == (1, 2)


async def test_answer__is_not_ranked_anew_while_nothing_changes(
    rankings: Rankings, mock_clock: trio.testing.MockClock
) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    board = ToldBoard(node.bench.log)
    await board.answer()

    mock_clock.jump(100 * KEPT_MAX_S)
    await board.answer()
    assert rankings.count == 1

    node.store([a_record("bo", a_profile("bobby"))])  # no score changes, a nickname does
    assert await told(board) == now_of(node)
    assert "bobby" in [alias for _, alias in now_of(node)[2]]


async def test_answer__reads_the_nicknames_of_those_it_tells_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    named: list[object] = []
    monkeypatch.setattr(told_board, "STANDINGS_MAX", 2)

    def name(_: Rows, key: PublicKey) -> str:
        named.append(key)
        return ""

    monkeypatch.setattr(told_board, "alias_of", name)

    _, _, rows = await told(ToldBoard(node.bench.log))

    assert len(board_of(node)) == 3
    assert [standing.key for standing, _ in rows] == named
    assert [standing for standing, _ in rows] == list(board_of(node)[:2])


async def test_answer__lets_others_run_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    node = a_node("me")
    node.store(DAYS[0])
    monkeypatch.setattr(told_board, "PAIRS_PER_SLICE", 1)
    monkeypatch.setattr(told_board, "ALIASES_PER_SLICE", 1)
    turns = 0

    async def run_beside() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_beside)
        await ToldBoard(node.bench.log).answer()
        nursery.cancel_scope.cancel()

    assert turns >= len(pairs_of(node.bench.log)) + len(board_of(node))


async def test_leaderboard__is_of_this_moment_for_the_owner_while_peers_are_told_an_old_one(
    mock_clock: trio.testing.MockClock,
) -> None:
    node = a_node("me")
    market = NodeMarket(doors_of(node))
    node.store(DAYS[0])
    old = await market.answer_leaderboard(PeerId("bo"), b"")
    node.store(DAYS[1])

    assert await market.answer_leaderboard(PeerId("bo"), b"") == old
    assert market.standings() == board_of(node)
    assert market.leaderboard(limit=9).state_digest == state_digest(node.bench.log).hex()
