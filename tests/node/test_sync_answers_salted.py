"""Salted sessions: strangers cannot end them, and where they fail all others go on."""

import itertools
import random

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from node.core.sync import SALTED_AGAIN_MS, Outcome, Session, SyncPlanner
from node.errors import PeerFailed
from node.exchange import Comparison, pack_blobs, pack_comparison, pack_wanted
from node.ports import Peer
from node.sync_answers import SALTED_EVERY_S, SALTED_GAP_S, SALTED_IDLE_S, SALTED_TIMES, SESSION_S
from protocol.ids import PeerId
from protocol.reconcile import initiate
from protocol.reconcile_items import SortedItems
from tests.builders import key as key_of
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Node, a_node, some_records

HONEST = PeerId("honest")
HOURS_MS = 6 * 3_600_000
SESSION_MS = 100


def lived_through(peers: int, seed: int, *, waits_for_ms: int | None) -> list[tuple[int, Session]]:
    """Return the sessions of some hours in which everything salted fails."""
    planner = SyncPlanner(random.Random(seed).randrange, 0)
    for number in range(peers):
        planner.came(PeerId(f"p{number}"), 0, outbound=True)
    begun: list[tuple[int, Session]] = []
    now_ms = 0
    while now_ms < HOURS_MS:
        session = planner.next(now_ms, waits_for_ms=waits_for_ms)
        if session is None:
            now_ms = planner.look_at_ms(now_ms)
            continue
        begun.append((now_ms, session))
        now_ms += SESSION_MS
        planner.ended(Outcome.FAILED if session.is_salted else Outcome.EQUAL, now_ms)
    return begun


@pytest.mark.parametrize("peers", [1, 6])
@pytest.mark.parametrize("waits_for_ms", [None, 1_700_000_000_000])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_planner__goes_on_without_salt_where_salted_sessions_always_fail(
    peers: int, waits_for_ms: int | None, seed: int
) -> None:
    begun = lived_through(peers, seed, waits_for_ms=waits_for_ms)

    plain_ms = [moment_ms for moment_ms, session in begun if not session.is_salted]
    salted_ms = [moment_ms for moment_ms, session in begun if session.is_salted]
    gaps_ms = [later - sooner for sooner, later in itertools.pairwise([*plain_ms, HOURS_MS])]
    assert max(gaps_ms) < 60_000
    assert len(salted_ms) > HOURS_MS // (4 * SALTED_AGAIN_MS), "it is tried again and again"
    for sooner, later in itertools.pairwise(salted_ms):
        assert later - sooner >= SALTED_AGAIN_MS


def a_salt(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def compare(node: Node, peer: PeerId, salt: bytes) -> bytes:
    query = initiate(SortedItems([]))
    request = pack_comparison(Comparison(0, salt, query))
    return await node.sync.answerers()[TOPICS.compare_stream](peer, request)


async def is_answered(node: Node, peer: PeerId, salt: bytes) -> bool:
    try:
        await compare(node, peer, salt)
    except PeerFailed:
        return False
    return True


def a_filled_node() -> Node:
    node = a_node("alice")
    node.store(some_records("eve", 5))
    return node


@pytest.mark.parametrize("asks", ["compare", "fetch", "push"])
async def test_compare__lets_no_stranger_end_a_salted_session_that_goes_on(
    mock_clock: trio.testing.MockClock, asks: str
) -> None:
    alice, salt = a_filled_node(), a_salt(1)
    serves = alice.sync.answerers()
    before = await compare(alice, HONEST, salt)
    for number in range(10):
        mock_clock.jump(SALTED_GAP_S)
        assert not await is_answered(alice, PeerId(f"stranger{number}"), a_salt(100 + number))
        match asks:
            case "compare":
                assert await compare(alice, HONEST, salt) == before
            case "fetch":
                await serves[TOPICS.records_stream](HONEST, pack_wanted(salt, [bytes(8)]))
            case _:
                await serves[TOPICS.push_stream](HONEST, pack_blobs([]))

    assert await compare(alice, HONEST, salt) == before


async def test_compare__lets_nobody_keep_the_turn(mock_clock: trio.testing.MockClock) -> None:
    """Neither by silence, nor by asking on and on, nor by sessions of another kind."""
    alice = a_filled_node()
    assert await is_answered(alice, PeerId("mute"), a_salt(1))
    mock_clock.jump(SALTED_IDLE_S)
    assert await is_answered(alice, PeerId("endless"), a_salt(2))
    for _ in range(int(SESSION_S / SALTED_GAP_S)):
        mock_clock.jump(SALTED_GAP_S)
        assert await is_answered(alice, PeerId("endless"), a_salt(2))
    assert await is_answered(alice, PeerId("done"), a_salt(3))
    mock_clock.jump(SALTED_GAP_S)
    assert await is_answered(alice, PeerId("done"), b"")
    assert await is_answered(alice, HONEST, a_salt(4))


def dial(node: Node, peer: PeerId) -> None:
    """Have a node be connected to a peer, by its own doing."""
    node.net.silent.append(Peer(peer, key_of("x"), "", True, (), True))
    node.sync.watch(peer, True)


async def test_compare__gives_whom_we_dialled_the_turn_whoever_has_it(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Strangers with ever new names take each turn that is free, and hold it."""
    alice = a_filled_node()
    dial(alice, HONEST)
    for number in range(40):
        stranger = PeerId(f"stranger{number}")
        assert await is_answered(alice, stranger, a_salt(100 + number))
        if number % 20 == 0:
            mock_clock.jump(SALTED_GAP_S)
            assert await is_answered(alice, stranger, a_salt(100 + number)), "it holds it"
            assert await is_answered(alice, HONEST, a_salt(1 + number))
            assert not await is_answered(alice, stranger, a_salt(100 + number)), "it does no more"
            assert await is_answered(alice, HONEST, a_salt(1 + number))
        mock_clock.jump(SALTED_IDLE_S)


async def test_compare__takes_the_turn_from_nobody_whom_we_dialled_and_hashes_at_a_pace(
    mock_clock: trio.testing.MockClock,
) -> None:
    alice, other = a_filled_node(), PeerId("other")
    dial(alice, HONEST)
    dial(alice, other)
    assert await is_answered(alice, HONEST, a_salt(1))
    mock_clock.jump(SALTED_GAP_S)
    assert not await is_answered(alice, other, a_salt(2))
    assert not await is_answered(alice, PeerId("stranger"), a_salt(3))
    assert await is_answered(alice, HONEST, a_salt(1))
    mock_clock.jump(SALTED_IDLE_S)
    assert await is_answered(alice, PeerId("stranger"), a_salt(3))
    assert await is_answered(alice, other, a_salt(2))
    assert await is_answered(alice, other, b"")
    assert not await is_answered(alice, HONEST, a_salt(4)), "two in a moment"


@pytest.mark.parametrize("again", [a_salt(1), a_salt(2)])
async def test_compare__lets_a_peer_try_again_that_was_cut_off(
    mock_clock: trio.testing.MockClock, again: bytes
) -> None:
    """Also if another had the turn meanwhile; but no peer has the log hashed all the time."""
    alice = a_filled_node()
    assert await is_answered(alice, HONEST, a_salt(1))
    mock_clock.jump(SALTED_IDLE_S)
    assert await is_answered(alice, PeerId("stranger"), a_salt(9))
    mock_clock.jump(SALTED_IDLE_S)

    assert await is_answered(alice, HONEST, again)

    mock_clock.jump(SALTED_IDLE_S)
    assert SALTED_TIMES == 2
    assert not await is_answered(alice, HONEST, a_salt(3))
    mock_clock.jump(SALTED_EVERY_S)
    assert await is_answered(alice, HONEST, a_salt(3))


async def test_compare__refuses_a_peer_without_counting_it(
    mock_clock: trio.testing.MockClock,
) -> None:
    alice = a_filled_node()
    assert await is_answered(alice, PeerId("stranger"), a_salt(9))
    for number in range(5):
        assert not await is_answered(alice, HONEST, a_salt(number + 1))
    mock_clock.jump(SALTED_IDLE_S)

    assert await is_answered(alice, HONEST, a_salt(1))
