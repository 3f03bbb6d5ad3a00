"""How others reach us when they cannot dial us: through relays at which we reserve a place.

Nobody is asked to be our relay unless our connections are translated on their way, and the operator
does not say where we are dialled: then what we announce is of no use beyond a router.
"""

import logging
import random
import time
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

import trio
from libp2p.abc import IHost, INetConn
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage
from libp2p.relay.circuit_v2.protocol_buffer import StatusCode, to_proto_status

from bootstrap.addresses import CIRCUIT
from bootstrap.mistakes import Mistakes
from node.net.circuit import HOP, BadCircuit, CircuitLimits, hear, is_relayed, say
from node.net.counters import Counters
from node.net.observed import Sighting, Sightings, Unclear, ask_what_is_seen, plain_ip
from node.net.sockets import find_socket, is_dialled
from node.net.streams import end_stream

logger = logging.getLogger(__name__)

LOOK_S = 1.0  # between two looks at who is connected
ASK_AGAIN_S = 600.0  # between two questions to one peer; its relay may have been switched on
REFUSED_S = 60.0  # before a relay that refused is asked again
PLACE_S_MIN = 60.0  # whatever clocks say; it is renewed at half of that
NEIGHBOURS = {4: 24, 6: 64}  # prefix of our own address; whoever is within may be in our own house


@dataclass(frozen=True, slots=True)
class _Line:
    """One direct connection that we dialled.

    Attributes:
        ask_s: When its peer is to be asked what it sees.
        relays: Whether it said that it is a relay.
        reserve_s: When it may be asked for a place.
    """

    ask_s: float = 0.0
    relays: bool = False
    reserve_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    """What we reserved.

    Attributes:
        address: Where we are dialled through it.
        renew_s: When it is to be renewed.
        until_s: When it ends.
    """

    address: str
    renew_s: float
    until_s: float


class Reach:
    """Asks those we dialled what they see, and keeps places at relays while we need them."""

    def __init__(
        self, *, host: IHost, is_announced: bool, limits: CircuitLimits, counters: Counters
    ) -> None:
        """Begin without a place.

        Args:
            host: Whose connections are looked at.
            is_announced: Whether the operator says where we are dialled.
            limits: Every bound.
            counters: Where it is counted.
        """
        self._host = host
        self._swarm: Any = host.get_network()
        self._is_announced = is_announced
        self._limits = limits
        self._counters = counters
        self._mistakes = Mistakes()
        self._sightings = Sightings()
        self._serves_others = _is_far  # a relay in our own house is dialled by nobody outside
        self._lines: dict[INetConn, _Line] = {}
        self._places: dict[ID, _Place] = {}
        self._busy: set[INetConn] = set()
        self._wake = trio.Event()
        self._said = ""

    def addresses(self) -> tuple[str, ...]:
        """Return the full multiaddrs at which we are dialled through relays."""
        now_s = trio.current_time()
        return tuple(
            sorted(place.address for place in self._places.values() if place.until_s > now_s)
        )

    def is_reserved(self, relay_id: ID) -> bool:
        """Return whether we have a place at a relay."""
        place = self._places.get(relay_id)
        return place is not None and place.until_s > trio.current_time()

    def likely_ip(self) -> str:
        """Return our address as others see it, if we are behind a router; else nothing."""
        return self._sightings.likely() if self.is_hidden() else ""

    def is_hidden(self) -> bool:
        """Return whether nobody can dial what we announce, as far as we can tell."""
        return not self._is_announced and self._sightings.is_translated(was=bool(self._places))

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._look()
                for conn, line in self._due():
                    self._busy.add(conn)
                    nursery.start_soon(self._tend, conn, line)
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()
                self._wake = trio.Event()

    def _look(self) -> None:
        """Take note of who is connected, and drop what depended on those who left."""
        connections: list[INetConn] = self._swarm.get_connections()
        dialled = [c for c in connections if is_dialled(c) and not is_relayed(c.muxed_conn)]
        self._lines = {conn: self._lines.get(conn, _Line()) for conn in dialled}
        here = {conn.muxed_conn.peer_id for conn in dialled}
        self._sightings.keep({str(peer_id) for peer_id in here})
        now_s = trio.current_time()
        self._places = {
            relay_id: place
            for relay_id, place in self._places.items()
            if relay_id in here and place.until_s > now_s and self.is_hidden()
        }
        self._tell()

    def _due(self) -> list[tuple[INetConn, _Line]]:
        """Return connections that are to be asked something now; relays come in any order."""
        now_s = trio.current_time()
        lines = [(conn, line) for conn, line in self._lines.items() if conn not in self._busy]
        due = [(conn, line) for conn, line in lines if line.ask_s <= now_s]
        if due or not self.is_hidden():
            return due
        renewed = [(c, n) for c, n in lines if self._is_to_renew(c.muxed_conn.peer_id, now_s)]
        wanted = self._limits.relays_max - len(self._places)
        others = [
            (conn, line)
            for conn, line in lines
            if line.relays
            and self._serves_others(conn)
            and line.reserve_s <= now_s
            and conn.muxed_conn.peer_id not in self._places
        ]
        random.shuffle(others)
        return renewed + others[: max(0, wanted)]

    def _is_to_renew(self, relay_id: ID, now_s: float) -> bool:
        place = self._places.get(relay_id)
        return place is not None and place.renew_s <= now_s

    async def _tend(self, conn: INetConn, line: _Line) -> None:
        """Ask a peer what it sees, or for a place."""
        try:
            if line.ask_s <= trio.current_time():
                line = await self._ask(conn, line)
            else:
                line = await self._reserve(conn, line)
        except Exception as error:  # the door: whom we ask is a stranger's choice
            self._mistakes.note("tend a connection that we opened", error)
            now_s = trio.current_time()
            line = replace(line, ask_s=now_s + ASK_AGAIN_S, reserve_s=now_s + REFUSED_S)
        finally:
            self._busy.discard(conn)
        if conn in self._lines:
            self._lines[conn] = line
            self._wake.set()

    async def _ask(self, conn: INetConn, line: _Line) -> _Line:
        asked = replace(line, ask_s=trio.current_time() + ASK_AGAIN_S)
        try:
            seen_ip, protocols = await ask_what_is_seen(conn)
        except Unclear as error:
            logger.debug("a peer does not say what it sees: %s", error)
            return asked
        ends = _ends(conn)
        if ends is not None and _is_far(conn):
            self._counters.add("sightings")
            sighting = Sighting(seen_ip, local_ip=ends[0], observer_ip=ends[1])
            self._sightings.note(str(conn.muxed_conn.peer_id), sighting)
        return replace(asked, relays=HOP in protocols)

    async def _reserve(self, conn: INetConn, line: _Line) -> _Line:
        """Ask a relay for a place, or to keep the one we have."""
        relay_id = conn.muxed_conn.peer_id
        now_s = trio.current_time()
        line = replace(line, reserve_s=now_s + REFUSED_S)
        try:
            lasts_s = await self._ask_for_a_place(relay_id)
            relay = conn.get_transport_addresses()[0]  # we dialled it; what it says is not read
        except Exception as error:  # the library raises what it likes when a peer misbehaves
            self._counters.add("reservations_failed")
            logger.debug("no place at a relay: %r", error, extra={"peer": str(relay_id)})
            if relay_id in self._places:
                self._places[relay_id] = replace(self._places[relay_id], renew_s=now_s + REFUSED_S)
            return line
        self._counters.add("reservations")
        address = f"{relay}/p2p/{relay_id}{CIRCUIT}/p2p/{self._host.get_id()}"
        if relay_id not in self._places:
            logger.info("this node is behind a router; it is reached at %s", address)
        self._places[relay_id] = _Place(address, now_s + lasts_s / 2, now_s + lasts_s)
        return line

    async def _ask_for_a_place(self, relay_id: ID) -> float:
        """Return for how many seconds a relay keeps a place for us.

        Raises:
            BadCircuit: It does not.
            Exception: Whatever the library raises.
        """
        within_s = self._limits.message_s
        with trio.fail_after(2 * within_s):
            stream = await self._host.new_stream(relay_id, [HOP])
            try:
                await say(stream, HopMessage(type=HopMessage.RESERVE), within_s=within_s)
                answer = await hear(stream, HopMessage, within_s=within_s)
            finally:
                await end_stream(stream, politely=False)
        if answer.status != to_proto_status(StatusCode.OK):
            raise BadCircuit(f"refused with status {answer.status}")
        lasts_s = answer.reservation.expire - time.time()
        return min(max(lasts_s, PLACE_S_MIN), self._limits.reservation_s)

    def _tell(self) -> None:
        """Say once where others see us, when that is not where we think we are."""
        agreed = self._sightings.agreed()
        if agreed and agreed != self._said and self._sightings.is_translated():
            self._said = agreed
            logger.info("others see this node at %s; is its port forwarded? --announce it", agreed)


def _ends(conn: INetConn) -> tuple[str, str] | None:
    """Return our IP address and the other one's, as the socket has them."""
    stream = find_socket(conn)
    if stream is None:
        return None
    try:
        local, remote = stream.socket.getsockname()[0], stream.socket.getpeername()[0]
    except OSError:
        return None
    return plain_ip(local), plain_ip(remote)


def _is_far(conn: INetConn) -> bool:
    """Return whether the other end is beyond our own network."""
    ends = _ends(conn)
    if ends is None:
        return False
    local, remote = map(ip_address, ends)
    network = ip_network(f"{local}/{NEIGHBOURS[local.version]}", strict=False)
    return remote.version != local.version or (remote not in network and not remote.is_loopback)
