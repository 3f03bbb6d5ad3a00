"""What control messages can do to the mesh, asked of a router whose frames are caught."""

from collections.abc import Iterable
from itertools import chain

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerdata import PeerData
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11
from libp2p.pubsub.pb import rpc_pb2

from node.net.limits import NetLimits
from node.net.mesh import (
    GOSSIP_PEERS_MIN,
    SERVED_BYTES_PER_BEAT_MAX,
    SERVED_TIMES_MAX,
    WANTED_PER_BEAT_MAX,
)
from node.net.patches import OutboundQueue
from node.net.seen import content_id
from node.net.stack import LoyalPeerStore
from node.net.standing import SILENCE_S
from protocol.ids import sha256
from tests.node.net_hosts import LOG, Station, seed_of

LIMITS = NetLimits()


def peer(number: int) -> ID:
    return ID.from_pubkey(create_new_key_pair(seed_of(f"peer {number}")).public_key)


@pytest.fixture
def station() -> Station:
    station = Station("router")
    station.build()
    station.net._router.mesh[LOG] = set()
    return station


def a_queue(*, frames_max: int = 4_096, bytes_max: int = 2**22) -> OutboundQueue:
    return OutboundQueue(
        frames_max=frames_max,
        bytes_max=bytes_max,
        frame_bytes_max=LIMITS.rpc_bytes_max,
        frame_messages_max=LIMITS.rpc_messages_max,
    )


def saying(*words: bytes) -> rpc_pb2.RPC:
    return rpc_pb2.RPC(publish=[rpc_pb2.Message(data=data, topicIDs=[LOG]) for data in words])


def catch(station: Station, peer_id: ID) -> OutboundQueue:
    queue = a_queue()
    station.net._pubsub.peer_queues[peer_id] = queue
    return queue


def frames(queue: OutboundQueue) -> Iterable[rpc_pb2.RPC]:
    """Take what waits, each as it was queued."""
    for lines in (queue._control, queue._lines):
        while len(lines):
            yield lines.take()[1]


async def test_graft__is_refused_when_the_mesh_is_full(station: Station) -> None:
    router = station.net._router
    graft = rpc_pb2.ControlGraft(topicID=LOG)
    for number in range(LIMITS.degree_high):
        await router.handle_graft(graft, peer(number))
    late = catch(station, peer(99))

    await router.handle_graft(graft, peer(99))

    assert len(router.mesh[LOG]) == LIMITS.degree_high
    (answer,) = frames(late)
    assert [prune.topicID for prune in answer.control.prune] == [LOG]


async def test_control__about_foreign_topics_leaves_no_trace(station: Station) -> None:
    router = station.net._router
    queue = catch(station, peer(1))
    control = rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID="invented")],
        prune=[rpc_pb2.ControlPrune(topicID="invented", backoff=5)],
        ihave=[rpc_pb2.ControlIHave(topicID="invented", messageIDs=[bytes(32)])],
    )

    await router.handle_rpc(rpc_pb2.RPC(control=control), peer(1))

    assert set(router.mesh) == {LOG}
    assert router.back_off == {}
    assert not list(frames(queue))


@pytest.mark.parametrize("backoff", [2**63, 2**64 - 1])
async def test_prune__cannot_keep_a_peer_out_for_ever(station: Station, backoff: int) -> None:
    router = station.net._router
    await router.handle_graft(rpc_pb2.ControlGraft(topicID=LOG), peer(1))
    before = router.back_off.get(LOG, {}).get(peer(1), 0)

    await router.handle_prune(rpc_pb2.ControlPrune(topicID=LOG, backoff=backoff), peer(1))
    until_s = router.back_off[LOG][peer(1)]
    router._add_back_off(peer(2), LOG, False, LIMITS.backoff_s_max)

    assert before == 0
    assert peer(1) not in router.mesh[LOG]
    assert abs(until_s - router.back_off[LOG][peer(2)]) <= 2
    router.remove_peer(peer(1))
    assert peer(1) not in router.back_off[LOG]


async def test_iwant__sends_each_message_a_few_times_however_often_it_is_asked(
    station: Station,
) -> None:
    router = station.net._router
    message = rpc_pb2.Message(data=bytes(1_000), topicIDs=[LOG])
    router.mcache.put(message)
    queue = catch(station, peer(1))
    iwant = rpc_pb2.ControlIWant(messageIDs=[content_id(message)] * 2_000)

    for _ in range(10):
        await router.handle_iwant(iwant, peer(1))

    assert len(list(frames(queue))) == SERVED_TIMES_MAX


async def test_following__again_and_again_brings_each_message_once(
    station: Station,
) -> None:
    router = station.net._router
    for number in range(10):
        router.mcache.put(rpc_pb2.Message(data=bytes([number]) * 1_000, topicIDs=[LOG]))
    queue = catch(station, peer(1))
    router.add_peer(peer(1), PROTOCOL_ID_V11)

    for _ in range(50):
        await router.send_recent_messages(peer(1), LOG)
    router.remove_peer(peer(1))  # leaving and coming back at once changes nothing
    router.add_peer(peer(1), PROTOCOL_ID_V11)
    await router.send_recent_messages(peer(1), LOG)

    assert len(list(frames(queue))) == 10


async def test_following__brings_no_more_than_a_budget(station: Station) -> None:
    router = station.net._router
    size = SERVED_BYTES_PER_BEAT_MAX // 20
    for number in range(30):
        router.mcache.put(rpc_pb2.Message(data=bytes([number]) * size, topicIDs=[LOG]))
    queue = catch(station, peer(1))

    await router.send_recent_messages(peer(1), LOG)

    sent = sum(len(message.data) for frame in frames(queue) for message in frame.publish)
    assert sent == 20 * size


async def test_ihave__is_answered_within_a_budget_and_only_with_unseen_ids(
    station: Station,
) -> None:
    router = station.net._router
    queue = catch(station, peer(1))
    seen = sha256(b"seen")
    station.net._pubsub.seen_messages.add(seen)
    unseen = [sha256(str(number).encode()) for number in range(500)]
    ihave = rpc_pb2.ControlIHave(topicID=LOG, messageIDs=[seen, b"", b"short", *unseen, *unseen])

    await router.handle_ihave(ihave, peer(1))
    await router.handle_ihave(ihave, peer(1))

    asked = [[key for w in f.control.iwant for key in w.messageIDs] for f in frames(queue)]
    assert list(chain.from_iterable(asked)) == unseen[:WANTED_PER_BEAT_MAX]
    # js-libp2p answers a frame by one frame, however large the messages are.
    assert max(map(len, asked)) <= LIMITS.rpc_messages_max
    assert max(map(len, asked)) * LIMITS.message_bytes_max < LIMITS.rpc_taken_bytes_max


async def test_outbound_queue__refuses_too_many_bytes_and_takes_more_once_they_left() -> None:
    queue = a_queue(frames_max=10, bytes_max=2_500)

    assert [queue.push(saying(bytes(1_000))) for _ in range(3)] == [True, True, False]
    await queue.pop()
    assert queue.push(saying(bytes(1_000)))


async def test_outbound_queue__sends_our_own_words_before_what_a_flood_has_us_relay() -> None:
    queue = a_queue()
    for number in range(500):
        queue.push(saying(b"junk %d" % number), origin="a flooder")
    queue.push(saying(b"ours"))
    queue.push(rpc_pb2.RPC(control=rpc_pb2.ControlMessage()), priority=True)

    first, second = await queue.pop(), await queue.pop()

    assert first is not None
    assert first.HasField("control")
    assert second is not None
    assert [message.data for message in second.publish][:3] == [b"junk 0", b"ours", b"junk 1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30_000)), max_size=120))
def test_outbound_queue__packs_what_waits_into_frames_that_a_peer_takes(
    puts: list[tuple[str, int]],
) -> None:
    async def drain() -> None:
        queue = a_queue()
        told = [b"%s %d " % (origin.encode(), n) + bytes(n) for origin, n in puts]
        kept = [
            data
            for data, (origin, _) in zip(told, puts, strict=True)
            if queue.push(saying(data), origin=origin)
        ]
        queue.close()
        sent = []
        while (frame := await queue.pop()) is not None:
            assert len(frame.publish) <= LIMITS.rpc_messages_max
            assert frame.ByteSize() <= LIMITS.rpc_bytes_max
            sent += [message.data for message in frame.publish]

        assert sorted(sent) == sorted(kept)
        for origin in (b"a", b"b", b"c"):
            theirs = [data for data in sent if data.startswith(origin)]
            assert theirs == [data for data in kept if data.startswith(origin)]

    trio.run(drain)


def test_peer_store__never_forgets_ourselves() -> None:
    store = LoyalPeerStore(peer(0))
    store.add_key_pair(peer(0), create_new_key_pair(seed_of("peer 0")))
    store.max_peers = 5

    for number in range(1, 20):
        store.peer_data_map[peer(number)] = PeerData()
        store._enforce_peer_limit()

    assert store.privkey(peer(0)) is not None
    assert len(store.peer_data_map) <= 6


async def test_standing__bars_a_peer_with_faults_from_the_mesh_until_they_are_forgiven(
    station: Station, autojump_clock: trio.testing.MockClock
) -> None:
    router = station.net._router
    graft = rpc_pb2.ControlGraft(topicID=LOG)
    await router.handle_graft(graft, peer(1))
    station.net._pubsub.peer_topics[LOG] = {peer(1)}

    station.net._blame(peer(1), "a fault")
    router.remove_peer(peer(1))  # leaving does not wash it off
    router.add_peer(peer(1), PROTOCOL_ID_V11)
    router.mesh[LOG].add(peer(1))
    await router._mend(LOG)
    router.back_off[LOG].clear()
    await router.handle_graft(graft, peer(1))
    await router.on_peer_subscribed(peer(1), LOG)
    barred = peer(1) not in router.mesh[LOG]
    await trio.sleep(LIMITS.reject_window_s + 1)
    router.back_off[LOG].clear()  # it goes by the clock on the wall
    await router.handle_graft(graft, peer(1))

    assert barred
    assert peer(1) in router.mesh[LOG]


async def test_standing__of_a_silent_peer_falls_below_zero_until_it_speaks(
    station: Station, autojump_clock: trio.testing.MockClock
) -> None:
    router, pubsub = station.net._router, station.net._pubsub
    message = rpc_pb2.Message(data=b"I am here", topicIDs=[LOG])
    pubsub.peer_topics[LOG] = {peer(1), peer(2)}
    for number in (1, 2):
        router.add_peer(peer(number), PROTOCOL_ID_V11)
        await router.handle_graft(rpc_pb2.ControlGraft(topicID=LOG), peer(number))

    await trio.sleep(SILENCE_S / 2)
    await pubsub.push_msg(peer(2), message)
    await trio.sleep(SILENCE_S / 2)
    await router._mend(LOG)
    scores = [router._score(peer(number)) for number in (1, 2)]
    members = set(router.mesh[LOG])
    await pubsub.push_msg(peer(1), message)

    assert SILENCE_S <= 180
    assert scores == [-1, 0]
    assert members == {peer(2)}
    assert router._score(peer(1)) == 0


async def test_graft__has_a_newcomer_told_once_what_was_said_before_it_came(
    station: Station,
) -> None:
    router, pubsub = station.net._router, station.net._pubsub
    said = rpc_pb2.Message(data=b"said to those who are gone", topicIDs=[LOG])
    router.mcache.put(said)
    pubsub.peer_topics[LOG] = {peer(number) for number in range(GOSSIP_PEERS_MIN + 3)}
    members = sorted(pubsub.peer_topics[LOG], key=ID.to_base58)
    queues = {peer_id: catch(station, peer_id) for peer_id in members}
    for peer_id in members:
        pubsub.peers[peer_id] = None  # type: ignore[assignment]  # that it is there is enough
        await router.handle_graft(rpc_pb2.ControlGraft(topicID=LOG), peer_id)

    await router._advertise(LOG)
    first = [ids_of(queues[peer_id]) for peer_id in members]
    await router._advertise(LOG)
    second = [ids_of(queues[peer_id]) for peer_id in members]

    assert first == [[content_id(said)]] * len(members)
    assert second == [[]] * len(members)


def ids_of(queue: OutboundQueue) -> list[bytes]:
    return [key for f in frames(queue) for have in f.control.ihave for key in have.messageIDs]
