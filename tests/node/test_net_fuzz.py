"""F2: bytes that are nearly right, for every decoder and stream handler that strangers reach.

Each example is a whole message with some bytes changed, cut, doubled or moved; `make fuzz-long`
tries a hundred thousand for each. The seed is printed, and AIMARKET_SEED repeats it. What the
parser of frames takes beside Python's own memory is measured in `test_net_frame_size.py`.
"""

import gc
import os
import random
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.pubsub.pb import rpc_pb2
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage
from multiaddr import Multiaddr

from node.exchange import (
    Comparison,
    pack_blobs,
    pack_board,
    pack_comparison,
    pack_taken,
    pack_wanted,
    read_blobs,
    read_board,
    read_comparison,
    read_taken,
    read_wanted,
)
from node.net.circuit import BadCircuit, hear
from node.net.doorkeeper import Doorkeeper
from node.net.limits import NetLimits
from node.net.observed import Unclear, read_answer
from node.net.streams import BadExchange, read_message
from protocol import reconcile_wire
from protocol.errors import ProtocolError
from protocol.gossip import pack_gossip, unpack_gossip
from protocol.ids import Digest
from protocol.keys import Signer
from protocol.params import NetworkParams, network_of
from protocol.record import open_record, seal
from protocol.statements import Profile
from protocol.topics import network_in, topics_of
from tests.node.net_hosts import LOG, PRESENCE, Station, running, seed_of

IS_LONG = os.environ.get("AIMARKET_LONG") == "1"
EXAMPLES = 100_000 if IS_LONG else 1_500
HANDLED = 100_000 if IS_LONG else 400  # streams cost more than calls
LARGE_EVERY = 50 if IS_LONG else 10  # of the examples of `pubsub`: as large as a frame may be
MEASURED = 300  # of them, for how much memory they take
SEED = int(os.environ.get("AIMARKET_SEED") or random.SystemRandom().randrange(2**32))
STALL_S = 0.2
COLLECTED_EVERY = 1_000  # examples; without it those of a long run would fill the memory
HEAP_FACTOR, HEAP_BYTES = 8, 1024 * 1024
MESSAGE_BYTES_MAX = NetLimits().message_bytes_max
FRAME_BYTES_MAX = NetLimits().rpc_taken_bytes_max

NETWORK = network_of(NetworkParams(genesis=b"sixteen bytes it", name="fuzz"))
RECORD = seal(
    [Profile(0, "ann", "x")], signer=Signer(seed_of("ann")), created_ms=1, network=NETWORK
).raw
IDS = [bytes([number]) * 32 for number in range(8)]
RPC = rpc_pb2.RPC(
    subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=t) for t in (LOG, PRESENCE)],
    publish=[rpc_pb2.Message(data=RECORD, topicIDs=[LOG], seqno=b"1", from_id=b"x", key=b"y")],
    control=rpc_pb2.ControlMessage(
        ihave=[rpc_pb2.ControlIHave(topicID=LOG, messageIDs=IDS)],
        iwant=[rpc_pb2.ControlIWant(messageIDs=IDS)],
        graft=[rpc_pb2.ControlGraft(topicID=LOG)],
        prune=[rpc_pb2.ControlPrune(topicID=LOG, backoff=9, peers=[rpc_pb2.PeerInfo(peerID=b"p")])],
    ),
)

IDENTITY = Identify(
    observed_addr=Multiaddr("/ip4/203.0.113.5/tcp/7460").to_bytes(),
    protocols=[topics_of(NETWORK.network_id).compare_stream, "/ipfs/id/1.0.0"],
).SerializeToString()
FAULTS = (ProtocolError, Unclear)  # what a decoder may raise


def mutated(dice: random.Random, whole: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> bytes:
    """Return bytes near a whole message: some changed, cut, put in or doubled."""
    data = bytearray(whole)
    for _ in range(dice.randrange(5)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((1, 1, 2, 8, 64)))
        match dice.randrange(5):
            case 0 if start < len(data):
                data[start] ^= 1 << dice.randrange(8)
            case 1:
                data[start:end] = dice.choice((b"\xff", b"\x00", b"\xdd\xff\xff\xff\xff", b"\x91"))
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end] * dice.choice((1, 2, 100))
            case _:
                data[start:end] = dice.randbytes(end - start)
    return bytes(data[:bytes_max])


DECODERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "gossip": (pack_gossip([RECORD, RECORD]), unpack_gossip),
    "record": (RECORD, lambda data: open_record(data, NETWORK)),
    "comparison": (
        pack_comparison(Comparison(7, bytes(16), b"\x61\x00\x00\x02\x00")),
        read_comparison,
    ),
    "wanted": (pack_wanted(b"", IDS), read_wanted),
    "blobs": (pack_blobs(IDS), lambda data: read_blobs(data, count_max=512, bytes_max=60_000)),
    "taken": (pack_taken(3), lambda data: read_taken(data, pushed=5)),
    "board": (
        pack_board(digest=Digest(bytes(32)), records=3, rows=[]),
        lambda data: read_board(data, NETWORK.params),
    ),
    "ranges": (
        b"\x61\x00\x00\x01" + bytes(16) + b"\x05\x01\x07\x01" + bytes(16),
        lambda data: reconcile_wire.read_message(data, ranges_max=512),
    ),
    "identify": (IDENTITY, lambda data: [network_in(name) for name in read_answer(data)[1]]),
}


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Let no collection begin by itself: one of all that pytest holds takes as long as a stall."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.timeout(600)
def test_decoder__returns_or_names_a_fault_at_once(name: str) -> None:
    whole, read = DECODERS[name]
    dice = random.Random(f"{SEED} {name}")
    slowest_s, refused = 0.0, 0
    with garbage_kept():
        for number in range(EXAMPLES):
            if number % COLLECTED_EVERY == 0:
                gc.collect()
            data = mutated(dice, whole)
            started_s = time.thread_time()
            try:
                read(data)
            except FAULTS:
                refused += 1
            slowest_s = max(slowest_s, time.thread_time() - started_s)
    heap = [heap_of(read, mutated(dice, whole)) for _ in range(MEASURED)]

    print(
        f"{name}, seed {SEED}: {EXAMPLES} run, {refused} refused, slowest {slowest_s * 1e3:.1f} ms"
    )
    assert 0 < refused < EXAMPLES, "nothing near enough, or nothing wrong"
    assert slowest_s < STALL_S
    assert all(peak <= HEAP_FACTOR * size + HEAP_BYTES for size, peak in heap)


def heap_of(read: Callable[[bytes], object], data: bytes) -> tuple[int, int]:
    tracemalloc.start()
    try:
        read(data)
    except FAULTS:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return len(data), peak


class Words:
    """A stream that says what it was given, ends, and takes whatever is written."""

    def __init__(self, data: bytes, peer_id: ID) -> None:
        self._words, self._at = data, 0
        self.muxed_conn = SimpleNamespace(peer_id=peer_id, is_closed=False)

    async def read(self, count: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._at == len(self._words):
            raise StreamEOF
        end = len(self._words) if count is None else self._at + count
        taken = self._words[self._at : end]
        self._at += len(taken)
        return taken

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        await trio.lowlevel.checkpoint()


def framed(message: bytes) -> bytes:
    size, prefix = len(message), bytearray()
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(prefix) + bytes([size]) + message


def large_frame(dice: random.Random) -> bytes:
    """Return a frame near one that is as long as it may be."""
    size = dice.choice(
        (FRAME_BYTES_MAX, dice.randrange(NetLimits().rpc_bytes_max, FRAME_BYTES_MAX))
    )
    whole = dice.choice((whole_messages, many_ids, one_over_and_over))(dice, size)
    return framed(mutated(dice, whole, FRAME_BYTES_MAX))


def whole_messages(dice: random.Random, size: int) -> bytes:
    messages = [
        rpc_pb2.Message(data=dice.randbytes(MESSAGE_BYTES_MAX), topicIDs=[LOG])
        for _ in range(size // (MESSAGE_BYTES_MAX + 100))
    ]
    return rpc_pb2.RPC(publish=messages).SerializeToString()


def many_ids(dice: random.Random, size: int) -> bytes:
    length = dice.choice((1, 3, 32))
    ids = [dice.randbytes(length) for _ in range(size // (length + 3))]
    have = rpc_pb2.ControlMessage(ihave=[rpc_pb2.ControlIHave(topicID=LOG, messageIDs=ids)])
    want = rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=ids)])
    return rpc_pb2.RPC(control=dice.choice((have, want))).SerializeToString()


def one_over_and_over(dice: random.Random, size: int) -> bytes:
    one = dice.choice(
        (
            rpc_pb2.RPC(publish=[rpc_pb2.Message()]),
            rpc_pb2.RPC(publish=[rpc_pb2.Message(data=b"x", topicIDs=[LOG])]),
            rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(topicid=LOG)]),
            rpc_pb2.RPC(control=rpc_pb2.ControlMessage(graft=[rpc_pb2.ControlGraft()])),
        )
    ).SerializeToString()
    return one * (size // len(one))


def handlers(station: Station) -> dict[str, tuple[bytes, Callable[[Any], Awaitable[object]]]]:
    frame = framed(RPC.SerializeToString())
    hop = framed(HopMessage(type=HopMessage.RESERVE).SerializeToString())
    spoken: Any = {"/test/log": None}

    async def negotiate(stream: Any) -> None:
        await Multiselect(spoken).negotiate(MultiselectCommunicator(stream), 1)

    # The library lets through whatever its parts raise; the doorkeeper must not.
    doorkeeper = Doorkeeper(
        swarm=None,
        serve_stream=negotiate,
        is_welcome=lambda _peer_id: True,
        limits=NetLimits(),
        counters=station.net._counters,
    )
    return {
        "pubsub": (frame * 2, station.net._pubsub.stream_handler),
        "request": (
            b"\x00\x03abc\x00\x04abcd\x00\x00",
            lambda stream: read_message(stream, bytes_max=100),
        ),
        "circuit": (hop, lambda stream: hear(stream, HopMessage, within_s=1)),
        "negotiation": (
            framed(b"/multistream/1.0.0\n") + framed(b"ls\n") + framed(b"/test/log\n"),
            doorkeeper._admit_stream,
        ),
    }


@pytest.mark.parametrize("name", ["pubsub", "request", "circuit", "negotiation"])
@pytest.mark.timeout(600)
async def test_stream_handler__ends_at_once_and_only_as_it_promises(name: str) -> None:
    station = Station("fuzzed")
    station.build()
    dice = random.Random(f"{SEED} {name}")
    peer_id = ID.from_pubkey(create_new_key_pair(seed_of("stranger")).public_key)
    async with running(station):
        whole, handle = handlers(station)[name]

        def example(number: int) -> bytes:
            is_large = name == "pubsub" and number % LARGE_EVERY == 0
            return large_frame(dice) if is_large else mutated(dice, whole)

        slowest_s, longest = 0.0, 0
        with garbage_kept():
            for number in range(HANDLED):
                if number % COLLECTED_EVERY == 0:
                    gc.collect()
                data = example(number)
                stream = Words(data, peer_id)
                started_s = time.thread_time()
                with suppress(BadExchange, BadCircuit, StreamEOF):
                    await handle(stream)
                slowest_s = max(slowest_s, time.thread_time() - started_s)
                longest = max(longest, len(data))
        heap = []
        for number in range(MEASURED):
            data = example(number)
            heap.append((len(data), await heap_of_stream(handle, Words(data, peer_id))))

    size, peak = max(heap, key=lambda one: one[1] - HEAP_FACTOR * one[0])
    print(f"{name}, seed {SEED}: {HANDLED} run, slowest {slowest_s * 1e3:.1f} ms")
    print(f"the longest {longest} bytes, the most memory {peak} for {size}")
    print(station.net.stats())
    assert slowest_s < STALL_S
    assert peak <= HEAP_FACTOR * size + HEAP_BYTES
    assert "gossip_frames_failed" not in station.net.stats()
    assert name != "pubsub" or longest > 0.75 * FRAME_BYTES_MAX, "no frame was near the bound"


async def heap_of_stream(handle: Callable[[Any], Awaitable[object]], stream: Words) -> int:
    """Return the most that Python takes while a stream is served."""
    tracemalloc.start()
    try:
        with suppress(BadExchange, BadCircuit, StreamEOF):
            await handle(stream)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
