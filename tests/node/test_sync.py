import threading

import pytest
import trio
import trio.testing

from consensus.log import record_ids, state_digest
from node.core.events import Received, Via
from node.errors import PeerFailed
from node.exchange import Comparison, pack_blobs, pack_comparison, pack_wanted, read_comparison
from node.names import peer_id_of
from node.ports import Peer
from node.sync import MUTE_S
from node.sync_limits import LOOK_S
from protocol.ids import PeerId
from protocol.reconcile import initiate, proceed, respond
from protocol.reconcile_items import Item, SortedItems
from protocol.record import Verified
from tests.builders import NOON_MS, a_market_day, a_presence, a_profile, a_record, a_task
from tests.builders import key as key_of
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import a_node, introduce, patience, running, settle


async def test_run__fetches_what_a_peer_has_until_both_logs_are_equal() -> None:
    alice, bob = a_node("alice"), a_node("bob")
    introduce(alice, bob)
    hers = a_market_day("al", a_task("one"), {"bo": "yes", "cleo": "yes"})
    his = a_market_day("di", a_task("two"), {"bo": "no", "cleo": "no"})
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)
        await alice.bench.loop.tell(Received(tuple(hers), Via.SYNC, PeerId("x")))
        await bob.bench.loop.tell(Received(tuple(his), Via.SYNC, PeerId("x")))
        await settle(alice, hers)
        await settle(bob, his)

        alice.sync.watch(bob.net.peer_id, True)
        bob.sync.watch(alice.net.peer_id, True)

        await settle(alice, his)
        await settle(bob, hers)
        nursery.cancel_scope.cancel()
    assert state_digest(alice.bench.log) == state_digest(bob.bench.log)
    assert any(state_digest(alice.bench.log))


async def test_run__tells_a_new_peer_who_is_here() -> None:
    alice, bob = a_node("alice"), a_node("bob")
    introduce(alice, bob)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)

        alice.sync.watch(bob.net.peer_id, True)

        with patience():
            while not (
                alice.bench.loop.machine.presences.find(key_of("bob"))
                and bob.bench.loop.machine.presences.find(key_of("alice"))
            ):
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ([a_record("bo", a_profile())], [a_record("cleo", a_profile()).raw]),
        ([a_record("bo", a_profile())], [b"junk"]),
        ([a_record("bo", a_presence())], [a_record("bo", a_presence()).raw]),
        (
            [a_record("bo", a_profile())],
            [a_record("bo", a_profile()).raw[:-1] + b"\0"],
        ),
    ],
    ids=["not asked for", "junk", "a presence", "a bad signature"],
)
async def test_run__hangs_up_on_a_peer_that_sends_what_is_wrong(
    listed: list[Verified], sent: list[bytes]
) -> None:
    alice = a_node("alice", may_sign=False)
    liar = peer_id_of(key_of("liar"))

    items = SortedItems(Item(record.created_ms, record.record_id) for record in listed)

    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        return respond(items, read_comparison(request).query)

    async def records(peer_id: PeerId, request: bytes) -> bytes:
        return pack_blobs(sent)

    alice.net.others[liar] = {TOPICS.compare_stream: compare, TOPICS.records_stream: records}
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)

        alice.sync.watch(liar, True)

        with patience():
            while not alice.net.hung_up:
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert alice.net.hung_up == [liar]
    assert not alice.sync.may_sign
    assert not alice.holds(listed)


async def test_run__lets_a_used_key_sign_after_its_first_exchange() -> None:
    alice, bob = a_node("alice", may_sign=False), a_node("bob")
    introduce(alice, bob)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)
        assert not alice.bench.loop.machine.outbox.signing

        alice.sync.watch(bob.net.peer_id, True)

        with patience():
            while not alice.bench.loop.machine.outbox.signing:
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()


async def test_run__lets_a_used_key_sign_when_nobody_came_for_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    alice = a_node("alice", may_sign=False)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)
        await trio.sleep(9)
        before = alice.bench.loop.machine.outbox.signing

        await trio.sleep(2)

        assert (before, alice.bench.loop.machine.outbox.signing) == (False, True)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("outbound", [False, True])
async def test_run__lets_a_used_key_sign_though_a_peer_is_here_that_tells_nothing(
    autojump_clock: trio.testing.MockClock, outbound: bool
) -> None:
    alice = a_node("alice", may_sign=False)
    topics = (TOPICS.presence, TOPICS.records)
    alice.net.silent = [Peer(PeerId("mute"), key_of("x"), "", outbound, topics, True)]
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)
        alice.sync.watch(PeerId("mute"), True)
        await trio.sleep(30)
        before = alice.bench.loop.machine.outbox.signing

        await trio.sleep(30)

        assert (before, alice.bench.loop.machine.outbox.signing) == (False, True)
        nursery.cancel_scope.cancel()


async def test_run__compares_with_whom_it_dialled_even_if_there_is_no_gossip(
    mock_clock: trio.testing.MockClock,
) -> None:
    alice, bob = a_node("alice", may_sign=False), a_node("bob")
    introduce(alice, bob)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)
        mock_clock.jump(MUTE_S - 1)
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = alice.sync.completed

        mock_clock.jump(1)
        with patience():
            while not alice.bench.loop.machine.outbox.signing:
                mock_clock.jump(LOOK_S)
                await trio.testing.wait_all_tasks_blocked(0.05)

        assert (before, alice.sync.completed) == (0, 1)
        nursery.cancel_scope.cancel()


async def test_answer_records__skips_what_it_does_not_hold() -> None:
    alice = a_node("alice")
    known, unknown = a_record("bo", a_profile()), a_record("bo", a_task(), created_ms=NOON_MS + 9)
    alice.store([known])
    answerer = alice.sync.answerers()[TOPICS.records_stream]

    answer = await answerer(PeerId("x"), pack_wanted(b"", [unknown.record_id, known.record_id]))

    assert answer == pack_blobs([known.raw])


async def test_answerers__refuse_junk() -> None:
    alice = a_node("alice")

    for answerer in alice.sync.answerers().values():
        with pytest.raises(PeerFailed):
            await answerer(PeerId("x"), b"\xc1junk")


async def test_answer_records__tells_nobody_what_the_journal_does_not_hold_yet() -> None:
    alice = a_node("alice")
    entered, leave = threading.Event(), threading.Event()

    def slow_append(payloads: object) -> None:
        entered.set()
        assert leave.wait(30)

    alice.bench.loop._journal.append = slow_append  # type: ignore[method-assign]
    answered: list[bytes] = []

    async def ask() -> None:
        answerer = alice.sync.answerers()[TOPICS.compare_stream]
        query = initiate(SortedItems([]))
        answered.append(await answerer(PeerId("x"), pack_comparison(Comparison(0, b"", query))))

    async with trio.open_nursery() as nursery:
        await running(nursery, alice)  # which signs its profile at once
        with patience():
            await trio.to_thread.run_sync(entered.wait)
        assert next(record_ids(alice.bench.log), None) is not None, "the row is staged already"

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        before = list(answered)
        leave.set()

        with patience():
            while not answered:
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert before == []
    assert len(proceed(SortedItems([]), answered[0]).need) == 1
