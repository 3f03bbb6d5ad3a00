"""Real hosts on loopback with a relay between them, and some that believe they need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, PeerId, StopMessage

from node.net.circuit import HOP, CircuitLimits, hear, say
from node.net.counters import Counters
from node.net.observed import Sighting
from node.net.relay import CircuitRelay
from protocol.ids import PeerId as PeerIdText
from tests.node.net_hosts import Station, connect, running, until

ECHO = "/test/echo"
ANSWER_S = 5.0


async def echo(peer_id: PeerIdText, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    return request


class Town:
    """A relay, and stations that are connected to it and follow its topics."""

    def __init__(self, *names: str, limits: CircuitLimits | None = None) -> None:
        self.relay = Station("relay")
        self.stations = [Station(name) for name in names]
        for station in (self.relay, *self.stations):
            station.build(answerers={ECHO: echo})
        self.counters = Counters()
        self.service = CircuitRelay(
            host=self.relay.net._host,
            is_member=self.relay.net._pubsub.follows_all,
            limits=limits or CircuitLimits(),
            counters=self.counters,
        )
        self.service.install()

    def counted(self, name: str) -> int:
        return self.counters.snapshot().get(name, 0)

    async def reserve(self, station: Station) -> None:
        """Let a station believe that it is behind a router, and wait for its place."""
        hide(station)
        await until(lambda: bool(circuit_addresses(station)))

    async def ask(self, station: Station, message: HopMessage) -> HopMessage:
        """Say one message to the relay and return its answer."""
        async with stream_to(station, self.relay, HOP) as stream:
            await say(stream, message, within_s=ANSWER_S)
            return await hear(stream, HopMessage, within_s=ANSWER_S)


@asynccontextmanager
async def town(*names: str, limits: CircuitLimits | None = None) -> AsyncIterator[Town]:
    made = Town(*names, limits=limits)
    async with running(made.relay, *made.stations):
        for station in made.stations:
            await connect(station, made.relay)
        yield made


@asynccontextmanager
async def stream_to(
    station: Station, other: Station, protocol: TProtocol
) -> AsyncIterator[INetStream]:
    """Lend a stream to a connected station."""
    stream = await station.net._host.new_stream(other.net._host.get_id(), [protocol])
    try:
        yield stream
    finally:
        await stream.reset()


def serve_anybody(relay: Station) -> None:
    """Make a station a relay of those, too, who follow none of its topics."""
    CircuitRelay(
        host=relay.net._host,
        is_member=lambda peer_id: True,
        limits=CircuitLimits(),
        counters=Counters(),
    ).install()


def hide(station: Station) -> None:
    """Let a station believe that it is behind a router, and its relays beyond."""
    reach = station.net._nat._reach
    sighting = Sighting("203.0.113.5", local_ip="192.168.1.2", observer_ip="198.51.100.7")
    for peer in station.net.peers():
        reach._sightings.note(peer.peer_id, sighting)
    reach._serves_others = lambda conn: True
    reach._wake.set()


def circuit_addresses(station: Station) -> tuple[str, ...]:
    return station.net._nat.addresses()


def connected(one: Station, other: Station) -> bool:
    return other.net.peer_id in {peer.peer_id for peer in one.net.peers()}


def connect_to(station: Station) -> HopMessage:
    """Return the request to be connected to a station."""
    return HopMessage(type=HopMessage.CONNECT, peer=PeerId(id=id_of(station)))


def call_from(station: Station) -> StopMessage:
    """Return what a relay says that brings a station."""
    return StopMessage(type=StopMessage.CONNECT, peer=PeerId(id=id_of(station)))


def id_of(station: Station) -> bytes:
    return station.net._host.get_id().to_bytes()
