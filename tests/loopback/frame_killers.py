"""The one-packet killers that come as pubsub frames; see `killers.py`."""

import os

import trio
from google.protobuf.message import Message
from libp2p.pubsub.pb import rpc_pb2

from node.net.limits import NetLimits
from protocol.ids import sha256
from tests.loopback.intruder import LINGER_S, Target, intruder, varint

FRAME_BYTES_MAX = NetLimits().rpc_taken_bytes_max  # of one pubsub frame
IDS_MAX = FRAME_BYTES_MAX // 34 - 10  # in one frame, with a name of some bytes for what they are


async def _gossip(target: Target, *rpcs: rpc_pb2.RPC | bytes) -> None:
    async with intruder(target) as stranger:
        await stranger.gossip(*rpcs)
        await trio.sleep(LINGER_S)


def _filled(entry: Message) -> bytes:
    """Return a message that says one thing over and over, as long as a frame may be."""
    one = entry.SerializeToString()
    return one * (FRAME_BYTES_MAX // len(one))


def _message(target: Target, **fields: bytes) -> rpc_pb2.RPC:
    fields.setdefault("data", os.urandom(20))
    return rpc_pb2.RPC(publish=[rpc_pb2.Message(topicIDs=[target.topics[0]], **fields)])


async def undecodable_frame(target: Target) -> None:
    await _gossip(target, b"\xff" * 50)


async def oversize_length(target: Target) -> None:
    for length in (varint(2**40), b"\xff" * 11, varint(FRAME_BYTES_MAX + 1)):
        async with intruder(target) as stranger:
            stream = await stranger.open("/meshsub/1.1.0")
            await stream.write(length + bytes(100))
            await trio.sleep(LINGER_S)


async def malformed_key(target: Target) -> None:
    await _gossip(target, _message(target, key=b"\x08\x01\x12\x03abc", signature=b"abc"))


async def bad_author(target: Target) -> None:
    await _gossip(
        target,
        _message(target, from_id=b"\x00"),
        _message(target, from_id=b"\xff" * 300, seqno=b""),
        _message(target, seqno=bytes(FRAME_BYTES_MAX - 1_000)),
    )


async def short_signature(target: Target) -> None:
    await _gossip(target, _message(target, signature=b"abc", from_id=os.urandom(38), seqno=b"1"))


async def failing_gate(target: Target) -> None:
    await _gossip(target, _message(target, data=b"raise" + os.urandom(20)))


async def wrong_topics(target: Target) -> None:
    both = rpc_pb2.Message(data=os.urandom(20), topicIDs=list(target.topics) * 20)
    none = rpc_pb2.Message(data=os.urandom(20))
    await _gossip(target, rpc_pb2.RPC(publish=[both, none]), _message(target, data=b""))


async def tiny_messages(target: Target) -> None:
    crowd = [rpc_pb2.Message(data=os.urandom(4), topicIDs=[target.topics[0]]) for _ in range(1_200)]
    for frame in (rpc_pb2.RPC(publish=crowd), _filled(_message(target, data=b"x"))):
        await _gossip(target, frame)


async def endless_backoff(target: Target) -> None:
    prunes = [
        rpc_pb2.ControlPrune(topicID=topic, backoff=backoff)
        for topic in target.topics
        for backoff in (2**63, 2**64 - 1)
    ]
    await _gossip(target, rpc_pb2.RPC(control=rpc_pb2.ControlMessage(prune=prunes)))


async def invented_topics(target: Target) -> None:
    for count in (60, 1_500):
        names = [os.urandom(8).hex() for _ in range(count)]
        control = rpc_pb2.ControlMessage(
            graft=[rpc_pb2.ControlGraft(topicID=name) for name in names],
            prune=[rpc_pb2.ControlPrune(topicID=name, backoff=9) for name in names],
            ihave=[rpc_pb2.ControlIHave(topicID=name) for name in names[:60]],
        )
        subscribed = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=name) for name in names]
        await _gossip(target, rpc_pb2.RPC(control=control), rpc_pb2.RPC(subscriptions=subscribed))


async def empty_subscriptions(target: Target) -> None:
    await _gossip(target, _filled(rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts()])))


async def empty_messages(target: Target) -> None:
    await _gossip(target, _filled(rpc_pb2.RPC(publish=[rpc_pb2.Message()])))


async def full_frame(target: Target) -> None:
    """Messages of as many bytes as are taken at once, none of which any gate lets through."""
    messages = [
        rpc_pb2.Message(data=b"reject" + os.urandom(size), topicIDs=[target.topics[0]])
        for size in (59_994, 59_994, 59_994, 59_994, 20_000)
    ]
    await _gossip(target, rpc_pb2.RPC(publish=messages))


async def named_peers(target: Target) -> None:
    peers = [
        rpc_pb2.PeerInfo(peerID=os.urandom(size), signedPeerRecord=os.urandom(40))
        for size in (0, 1, 38)
    ]
    prune = rpc_pb2.ControlPrune(topicID=target.topics[0], peers=peers)
    crowd = rpc_pb2.ControlPrune.FromString(
        _filled(rpc_pb2.ControlPrune(peers=[rpc_pb2.PeerInfo()]))[:-200]
    )
    crowd.topicID = target.topics[0]
    for one in (prune, crowd):
        await _gossip(target, rpc_pb2.RPC(control=rpc_pb2.ControlMessage(prune=[one])))


async def repeated_wants(target: Target) -> None:
    data = os.urandom(20_000)
    wants = rpc_pb2.ControlIWant(messageIDs=[sha256(data)] * IDS_MAX)
    follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in target.topics]
    rpc = rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=[wants]))
    await _gossip(
        target, rpc_pb2.RPC(subscriptions=follow), _message(target, data=data), rpc, rpc, rpc
    )


async def unknown_ids(target: Target) -> None:
    ids = [os.urandom(32) for _ in range(IDS_MAX - 30)]
    odd = [b"", b"\x00", b"zz", b"abc", os.urandom(500)]
    control = rpc_pb2.ControlMessage(
        ihave=[rpc_pb2.ControlIHave(topicID=target.topics[0], messageIDs=ids + odd)],
        iwant=[rpc_pb2.ControlIWant(messageIDs=odd)],
    )
    await _gossip(target, rpc_pb2.RPC(control=control))


async def forged_record(target: Target) -> None:
    await _gossip(target, rpc_pb2.RPC(senderRecord=os.urandom(FRAME_BYTES_MAX - 10)))


async def many_gossip_streams(target: Target) -> None:
    async with intruder(target) as stranger:
        for _ in range(5):
            await stranger.gossip(_message(target))
        await trio.sleep(LINGER_S)


FRAME_KILLERS = (
    undecodable_frame,
    oversize_length,
    malformed_key,
    bad_author,
    short_signature,
    failing_gate,
    wrong_topics,
    tiny_messages,
    endless_backoff,
    invented_topics,
    empty_subscriptions,
    empty_messages,
    full_frame,
    named_peers,
    repeated_wants,
    unknown_ids,
    forged_record,
    many_gossip_streams,
)
