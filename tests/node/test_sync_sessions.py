"""Sessions between two honest nodes: what moves, what it costs, and what can come between."""

from itertools import combinations, permutations

import pytest
import trio
import trio.testing

from consensus.log import find_record, record_count, state_digest
from consensus.range_sums import fingerprint_below
from node.core.events import PresencesHeard, Room
from node.core.sync import GAP_MS, RANDOM_EVERY_MS, Outcome
from node.errors import PeerFailed
from node.exchange import Comparison, pack_comparison
from node.gate import open_all
from node.sync_items import FORGOTTEN_S, FRESH_ITEMS_MAX, SNAPSHOT_AGE_S, SyncItems
from node.sync_limits import LOOK_S
from node.sync_session import SyncSession
from protocol.ids import PeerId
from protocol.reconcile import initiate
from protocol.reconcile_items import SortedItems
from protocol.reconcile_wire import VERSION
from tests.builders import NETWORK, NOON_MS, a_market_day, a_task
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import (
    Node,
    a_node,
    a_session,
    introduce,
    run_session,
    running,
    some_records,
    until,
)

PERIODS = 3
LATER_MS = 2**52


def two_nodes() -> tuple[Node, Node]:
    alice, bob = a_node("alice"), a_node("bob")
    introduce(alice, bob)
    return alice, bob


async def test_session__moves_records_both_ways() -> None:
    alice, bob = two_nodes()
    hers = a_market_day("al", a_task("one"), {"bo": "yes", "cleo": "yes"})
    his = a_market_day("di", a_task("two"), {"bo": "no", "cleo": "no"})
    both = some_records("eve", 40)
    alice.store([*hers, *both])
    bob.store([*his, *both])

    outcome, session = await run_session(alice, bob.peer_id, bob)

    assert outcome is Outcome.MOVED
    assert (session.progress.fetched, session.progress.pushed) == (len(his), len(hers))
    assert session.progress.expected == session.progress.moved
    assert alice.holds(his)
    assert bob.holds(hers)
    assert state_digest(alice.bench.log) == state_digest(bob.bench.log)


async def test_session__between_equal_logs_is_one_question_of_few_bytes() -> None:
    alice, bob = two_nodes()
    for node in (alice, bob):
        node.store(some_records("eve", 300))

    outcome, _ = await run_session(alice, bob.peer_id, bob)

    assert outcome is Outcome.EQUAL
    assert [one.protocol for one in alice.net.asked] == [TOPICS.compare_stream]
    assert alice.net.moved_bytes() <= 64


async def test_session__since_a_moment_leaves_earlier_records_alone() -> None:
    alice, bob = two_nodes()
    records = some_records("eve", 100)
    bob.store(records)
    since_ms = NOON_MS + 60_000

    outcome, _ = await run_session(alice, bob.peer_id, bob, since_ms=since_ms)

    assert outcome is Outcome.MOVED
    assert record_count(alice.bench.log) == 40
    assert alice.holds(records[60:])


async def test_session__salted_finds_the_same_differences() -> None:
    alice, bob = two_nodes()
    hers, his = some_records("al", 70), some_records("bo", 90)
    both = some_records("eve", 50, every_ms=0)
    alice.store([*hers, *both])
    bob.store([*his, *both])

    outcome, session = await run_session(alice, bob.peer_id, bob, is_salted=True)

    assert outcome is Outcome.MOVED
    assert (session.progress.fetched, session.progress.pushed) == (90, 70)
    assert alice.holds(his)
    assert bob.holds(hers)


async def test_session__of_a_newcomer_asks_once_for_all_a_page_holds() -> None:
    alice, bob = two_nodes()
    records = some_records("eve", 2_400)
    bob.store(records)

    outcome, _ = await run_session(alice, bob.peer_id, bob)

    assert outcome is Outcome.MOVED
    assert alice.holds(records)
    assert alice.net.asks(TOPICS.records_stream) == 3


async def test_session__pushes_a_newcomer_all_it_lacks() -> None:
    alice, bob = two_nodes()
    records = some_records("eve", 1_200)
    alice.store(records)

    outcome, session = await run_session(alice, bob.peer_id, bob)

    assert (outcome, session.progress.pushed) == (Outcome.MOVED, 1_200)
    assert bob.holds(records)


async def test_sessions__of_both_at_once_end_with_equal_logs() -> None:
    alice, bob = two_nodes()
    hers, his = some_records("al", 700), some_records("bo", 700)
    alice.store(hers)
    bob.store(his)
    outcomes: list[Outcome] = []

    async def run(session: SyncSession) -> None:
        outcomes.append(await session.run())

    async with trio.open_nursery() as nursery:
        for node in (alice, bob):
            await nursery.start(node.bench.loop.run)
        nursery.start_soon(run, a_session(alice, bob.peer_id))
        nursery.start_soon(run, a_session(bob, alice.peer_id))
        await until(lambda: len(outcomes) == 2)
        nursery.cancel_scope.cancel()

    assert set(outcomes) <= {Outcome.MOVED, Outcome.UNFINISHED, Outcome.EQUAL}
    assert alice.holds(his)
    assert bob.holds(hers)


async def test_session__stops_pushing_what_the_peer_gets_from_others() -> None:
    """Bob compares as of a moment ago, and holds all of it by now."""
    alice, bob = two_nodes()
    records = some_records("eve", 1_500)
    alice.store(records)
    lagging = a_node("bob")

    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        return await lagging.sync.answerers()[TOPICS.compare_stream](peer_id, request)

    alice.net.others[bob.peer_id] = {**bob.sync.answerers(), TOPICS.compare_stream: compare}
    bob.store(records)

    outcome, session = await run_session(alice, bob.peer_id, bob, lagging)

    assert outcome is Outcome.UNFINISHED
    assert session.progress.pushed == 512
    assert alice.net.asks(TOPICS.push_stream) == 1


async def test_session__is_whole_though_the_last_records_were_known() -> None:
    """What two peers push at once must not keep a node from signing."""
    alice, bob = two_nodes()
    alice.store(some_records("eve", 3))
    lagging = a_node("bob")
    compare = lagging.sync.answerers()[TOPICS.compare_stream]
    alice.net.others[bob.peer_id] = {**bob.sync.answerers(), TOPICS.compare_stream: compare}
    bob.store(some_records("eve", 3))

    outcome, _ = await run_session(alice, bob.peer_id, bob, lagging)

    assert outcome is Outcome.MOVED


async def test_session__skips_what_the_join_has_dropped_since_it_was_compared() -> None:
    """No fault of a peer: its log has moved on."""
    alice, bob = two_nodes()
    records = some_records("eve", 30)
    bob.store(records)
    gone = records[7]
    truly = bob.sync.answerers()

    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        answer = await truly[TOPICS.compare_stream](peer_id, request)
        bob.bench.log.stage({b"r" + gone.record_id: None})
        return answer

    alice.net.others[bob.peer_id] = {**truly, TOPICS.compare_stream: compare}
    assert find_record(bob.bench.log, gone.record_id) is not None

    outcome, session = await run_session(alice, bob.peer_id, bob)

    assert find_record(bob.bench.log, gone.record_id) is None
    assert (outcome, session.progress.fetched, session.progress.expected) == (
        Outcome.MOVED,
        29,
        29,
    )


async def test_session__with_a_node_that_stores_nothing_takes_what_that_one_has() -> None:
    alice, bob = two_nodes()
    hers, his = some_records("al", 600), some_records("bo", 50)
    alice.store(hers)
    bob.store(his)
    bob.bench.loop.machine.handle(Room(is_full=True), bob.bench.loop.now())

    outcome, session = await run_session(alice, bob.peer_id, bob)

    assert outcome is Outcome.REFUSED
    assert alice.holds(his)
    assert (session.progress.pushed, record_count(bob.bench.log)) == (0, 50)


async def test_run__begins_no_session_while_nothing_can_be_stored(
    autojump_clock: trio.testing.MockClock,
) -> None:
    alice, bob = two_nodes()
    bob.store(some_records("eve", 20))
    alice.bench.loop.machine.handle(Room(is_full=True), alice.bench.loop.now())
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)

        alice.sync.watch(bob.peer_id, True)
        await trio.sleep(60)

        assert alice.net.asks(TOPICS.compare_stream) == 0
        assert not alice.net.hung_up
        nursery.cancel_scope.cancel()


async def test_run__compares_when_a_presence_shows_another_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    alice, bob = two_nodes()
    bob.store(some_records("eve", 5))
    compared_s: list[float] = []
    first, second = trio.Event(), trio.Event()
    compared = [second, first]

    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        compared_s.append(trio.current_time())
        compared.pop().set()
        return bytes([VERSION])

    alice.net.others[bob.peer_id] = {TOPICS.compare_stream: compare}
    alice.bench.loop._differs = alice.sync.differs
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)
        alice.sync.watch(bob.peer_id, True)
        await first.wait()
        told = bob.bench.loop.machine.live_presences(bob.bench.loop.now(), most=1)

        presences = tuple(open_all(told, NETWORK))
        await alice.bench.loop.tell(PresencesHeard(presences, bob.peer_id))

        await second.wait()
        nursery.cancel_scope.cancel()
    assert compared_s[1] - compared_s[0] <= GAP_MS / 1_000 + LOOK_S


async def test_compare__answers_about_what_is_staged_no_longer_than_it_is_so() -> None:
    """A snapshot is of one moment, and a few records are read anew each time."""
    alice = a_node("alice")
    answerer = alice.sync.answerers()[TOPICS.compare_stream]
    query = initiate(SortedItems([]))

    before = await answerer(PeerId("x"), pack_comparison(Comparison(0, b"", query)))
    alice.store(some_records("eve", 20))
    after = await answerer(PeerId("x"), pack_comparison(Comparison(0, b"", query)))

    assert len(after) - len(before) >= 20 * 32


async def test_compare__hashes_a_log_for_a_peer_only_now_and_then() -> None:
    alice, bob = two_nodes()
    for node in (alice, bob):
        node.store(some_records("eve", 5))

    first, _ = await run_session(alice, bob.peer_id, bob, is_salted=True)
    second = pack_comparison(Comparison(0, bytes(16), initiate(SortedItems([]))))

    assert first is Outcome.EQUAL
    with pytest.raises(PeerFailed, match="salted"):
        await bob.sync.answerers()[TOPICS.compare_stream](PeerId("eve"), second)


async def test_run__makes_all_logs_equal_without_any_gossip(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Five nodes, each with records of its own, and more that come while they meet."""
    names = ["alice", "bob", "cleo", "di", "eve"]
    nodes = [a_node(name) for name in names]
    for one, other in combinations(nodes, 2):
        introduce(one, other)
    for node, name in zip(nodes, names, strict=True):
        node.store(some_records(name, 30))
        node.store(a_market_day(name, a_task(name), {"bo": "yes", "flo": "yes", "gil": "no"}))
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        await running(nursery, *nodes)
        for one, other in permutations(nodes, 2):
            one.sync.watch(other.peer_id, True)
        for node, name in zip(nodes, names, strict=True):
            node.store(some_records(name, 5, first=100))

        while len({fingerprint_below(node.bench.log, LATER_MS) for node in nodes}) > 1:
            mock_clock.jump(0.25)
            await trio.testing.wait_all_tasks_blocked(0.05)

        assert trio.current_time() - began_s <= PERIODS * RANDOM_EVERY_MS / 1_000
        nursery.cancel_scope.cancel()
    assert len({state_digest(node.bench.log) for node in nodes}) == 1
    assert all(node.net.hung_up == [] for node in nodes)


async def test_in_memory__is_read_anew_when_it_is_old_and_given_up_when_unused(
    mock_clock: trio.testing.MockClock,
) -> None:
    alice = a_node("alice")
    alice.store(some_records("eve", FRESH_ITEMS_MAX + 1))
    items = SyncItems(alice.bench.loop, alice.bench.log)
    sizes = [(await items.in_memory(0)).size]
    alice.store(some_records("al", 1))
    sizes.append((await items.in_memory(0)).size)
    mock_clock.jump(SNAPSHOT_AGE_S)
    sizes.append((await items.in_memory(0)).size)

    items.forget()
    kept = items._snapshot.size
    mock_clock.jump(FORGOTTEN_S)
    items.forget()

    assert [size - FRESH_ITEMS_MAX for size in sizes] == [1, 1, 2]
    assert (kept, items._snapshot.size) == (sizes[2], 0)
    assert (await items.in_memory(0)).size == sizes[2]
