"""A stranger who speaks the protocols as far as it pleases him, under a new name each time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.abc import ISecureConn
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.pubsub.pb import rpc_pb2
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.security.security_multistream import SecurityMultistream
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

MESHSUB = "/meshsub/1.1.0"
IDENTIFY = "/ipfs/id/1.0.0"
PING = "/ipfs/ping/1.0.0"
LINGER_S = 0.03  # how long a stranger stays to see his packet arrive


@dataclass(frozen=True)
class Target:
    """Whom to attack.

    Attributes:
        host: Its IP address.
        port: Its TCP port.
        peer_id: Its transport identity.
        topics: The gossip topics it follows.
        protocols: The request protocols it serves.
        source: The address of this machine to come from; any if empty.
    """

    host: str
    port: int
    peer_id: str
    topics: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    source: str = ""


@dataclass
class Intruder:
    """One authenticated, multiplexed connection to the target."""

    muxed: Yamux

    async def open(self, protocol: str) -> YamuxStream:
        """Return a stream that speaks a protocol."""
        opened: Any = await self.muxed.open_stream()
        stream: YamuxStream = opened
        await MultiselectClient().select_one_of(
            [TProtocol(protocol)], MultiselectCommunicator(opened), 5
        )
        return stream

    async def accept(self, protocol: str) -> YamuxStream:
        """Return the next stream that the target opens to speak a protocol; others lead nowhere."""
        spoken: Any = dict.fromkeys((protocol, PING))
        while True:
            opened: Any = await self.muxed.accept_stream()
            chosen, _ = await Multiselect(spoken).negotiate(MultiselectCommunicator(opened))
            if chosen == protocol:
                stream: YamuxStream = opened
                return stream

    async def served(self) -> tuple[str, ...]:
        """Ask what the target serves, as identify tells everybody."""
        stream = await self.open(IDENTIFY)
        raw = await read_varint_prefixed_bytes_limited(stream, 64 * 1024)
        return tuple(Identify.FromString(raw).protocols)

    async def gossip(self, *rpcs: rpc_pb2.RPC | bytes) -> None:
        """Send frames on one pubsub stream."""
        stream = await self.open(MESHSUB)
        for rpc in rpcs:
            await stream.write(framed(rpc if isinstance(rpc, bytes) else rpc.SerializeToString()))


def varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def framed(payload: bytes) -> bytes:
    return varint(len(payload)) + payload


@asynccontextmanager
async def tcp(target: Target) -> AsyncIterator[trio.SocketStream]:
    """Connect and say nothing yet."""
    source = target.source or None
    stream = await trio.open_tcp_stream(target.host, target.port, local_address=source)
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def secured(target: Target, *, seed: bytes | None = None) -> AsyncIterator[ISecureConn]:
    """Connect and shake hands by noise, under a new identity or that of a seed."""
    keys = create_new_key_pair(seed or os.urandom(32))
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    async with tcp(target) as stream:
        raw = RawConnection(TrioTCPStream(stream), True)
        security = SecurityMultistream({TProtocol(NOISE): noise})
        yield await security.secure_outbound(raw, ID.from_string(target.peer_id))


@asynccontextmanager
async def intruder(target: Target, *, seed: bytes | None = None) -> AsyncIterator[Intruder]:
    """Connect all the way, under a new identity or that of a seed."""
    peer_id = ID.from_string(target.peer_id)
    async with secured(target, seed=seed) as conn, trio.open_nursery() as nursery:
        muxed: Any = await MuxerMultistream({TProtocol(YAMUX): Yamux}).new_conn(conn, peer_id)
        nursery.start_soon(muxed.start)
        await muxed.event_started.wait()
        try:
            yield Intruder(muxed)
        finally:
            nursery.cancel_scope.cancel()
