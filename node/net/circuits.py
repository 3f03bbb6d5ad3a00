"""Our own circuits: those we dial through a relay, and those that come to us through one."""

import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.abc import IHost, INetConn, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, StopMessage
from libp2p.relay.circuit_v2.pb.circuit_pb2 import PeerId as PeerField
from libp2p.relay.circuit_v2.protocol_buffer import StatusCode, to_proto_status
from multiaddr import Multiaddr

from bootstrap.addresses import CIRCUIT, BadAddress, PeerAddress, parse_address
from bootstrap.dialing import Allows, anywhere
from node.errors import DialFailed, NotTried
from node.net.circuit import (
    HOP,
    STOP,
    BadCircuit,
    CircuitEnd,
    CircuitLimits,
    hear,
    is_relayed,
    relays_of,
    say,
)
from node.net.counters import Counters
from node.net.dialer import no_room
from node.net.doorkeeper import slot
from node.net.identity import read_peer_id
from node.net.scopes import shielded
from node.net.sockets import abort, is_dialled
from node.net.streams import end_stream

logger = logging.getLogger(__name__)

OK = to_proto_status(StatusCode.OK)


class Circuits:
    """Dials through relays, and lets in who comes through a relay at which we reserved."""

    def __init__(
        self,
        *,
        host: IHost,
        dial_relay: Callable[[str, Allows], Awaitable[ID]],
        is_welcome: Callable[[ID], bool],
        is_member: Callable[[ID], bool],
        is_reserved: Callable[[ID], bool],
        admitted: Callable[[INetConn], Awaitable[None]],
        handshake_s: float,
        limits: CircuitLimits,
        counters: Counters,
    ) -> None:
        """Begin without a circuit.

        Args:
            host: Whose connections they become.
            dial_relay: Connects to the relay at a full multiaddr, if need be.
            is_welcome: Whether we deal with a peer.
            is_member: Whether a peer takes part in our network.
            is_reserved: Whether we asked a relay to bring us whoever wants to reach us.
            admitted: What to do once, beside, with a circuit that came to us.
            handshake_s: For a circuit to become an authenticated connection.
            limits: Every bound.
            counters: Where it is counted.
        """
        self._host = host
        self._swarm: Any = host.get_network()
        self._dial_relay = dial_relay
        self._is_welcome = is_welcome
        self._is_member = is_member
        self._is_reserved = is_reserved
        self._admitted = admitted
        self._handshake_s = handshake_s
        self._limits = limits
        self._counters = counters
        self._locks: defaultdict[ID, trio.Lock] = defaultdict(trio.Lock)
        self._inbound: Counter[ID] = Counter()
        self._under_way: Counter[ID] = Counter()  # circuits that we ask a relay for
        self._opened: set[INetConn] = set()  # to relays, for the sake of a circuit

    def install(self) -> None:
        """Let circuits in from now on."""
        self._host.set_stream_handler(STOP, self._admit)

    async def dial(self, address: str, *, allows: Allows = anywhere) -> ID:
        """Connect to the peer at a full multiaddr behind a relay.

        Args:
            address: Where.
            allows: Asked about every IP address that a name in it stands for.

        Raises:
            NotTried: The peer is connected some other way.
            NoRoom: We hold as many connections as we may.
            DialFailed: It cannot be used, or no authenticated connection came in time.
        """
        place, peer_id = self._read(address)
        lock = self._locks[peer_id]
        try:
            async with lock:
                if self._swarm.get_connections(peer_id):
                    raise NotTried(f"{peer_id} is connected already")
                await self._connect(place, peer_id, allows)
        finally:
            if not lock.locked():
                self._locks.pop(peer_id, None)
        return peer_id

    def _read(self, address: str) -> tuple[PeerAddress, ID]:
        try:
            place = parse_address(address)
        except BadAddress as error:
            raise DialFailed(str(error)) from error
        peer_id = read_peer_id(place.peer_id)
        if not place.relay or peer_id is None:
            raise DialFailed(f"no relay is named in {address!r}")
        if peer_id == self._host.get_id():
            raise DialFailed(f"{address} is our own address")
        if not self._is_welcome(peer_id):
            raise DialFailed(f"{peer_id} misbehaved and is refused for a while")
        return place, peer_id

    async def _connect(self, place: PeerAddress, peer_id: ID, allows: Allows) -> None:
        before = set(self._swarm.get_connections_map())
        relay_id = await self._dial_relay(place.relay, allows)
        # Looked at anew: another dial may have opened one meanwhile.
        self._opened &= set(self._swarm.get_connections())
        if relay_id not in before:
            self._opened.update(self._swarm.get_connections(relay_id))
        is_joined = False
        self._under_way[relay_id] += 1
        try:
            with trio.fail_after(2 * self._limits.message_s + self._handshake_s):
                stream = await self._ask(relay_id, peer_id)
                await self._become(stream, Multiaddr(place.text), peer_id)
            is_joined = True
        except trio.TooSlowError as error:
            self._counters.add("circuits_failed")
            raise DialFailed(f"cannot reach {place.text}: not in time") from error
        except Exception as error:  # the library raises what it likes when a dial fails
            self._counters.add("circuits_failed")
            no_room(error)
            reason = str(error) or type(error).__name__
            raise DialFailed(f"cannot reach {place.text}: {reason}") from error
        finally:
            self._under_way -= Counter([relay_id])
            # A relay that a stranger named, and that is of no use, must not stay as one we chose.
            opened = self._opened.intersection(self._swarm.get_connections(relay_id))
            is_chosen = self._is_member(relay_id) or self._is_used(relay_id)
            if not is_joined and not is_chosen:
                self._opened -= opened
                with shielded():
                    for conn in opened:
                        await abort(conn)
        self._counters.add("circuits_dialled")

    def _is_used(self, relay_id: ID) -> bool:
        """Return whether another circuit goes through a relay, or is asked for there."""
        connections = self._swarm.get_connections()
        return relay_id in self._under_way or any(
            str(relay_id) in relays_of(conn) for conn in connections
        )

    async def _ask(self, relay_id: ID, peer_id: ID) -> INetStream:
        """Return a stream that the relay has joined to one of the peer."""
        stream = await self._host.new_stream(relay_id, [HOP])
        is_joined = False
        call = HopMessage(type=HopMessage.CONNECT, peer=PeerField(id=peer_id.to_bytes()))
        try:
            await say(stream, call, within_s=self._limits.message_s)
            answer = await hear(stream, HopMessage, within_s=2 * self._limits.message_s)
            if answer.type != HopMessage.STATUS or answer.status != OK:
                raise BadCircuit(f"the relay says {_status(answer.status)}")
            is_joined = True
        finally:
            if not is_joined:
                await end_stream(stream, politely=False)
        return stream

    async def _become(self, stream: INetStream, address: Multiaddr, peer_id: ID) -> None:
        """Make an authenticated connection of a circuit that we dialled."""
        raw = RawConnection(CircuitEnd(stream), True, ConnectionType.RELAYED, [address])
        is_done = False
        try:
            await self._swarm.upgrade_outbound_raw_conn(raw, peer_id)
            is_done = True
        finally:
            if not is_done:
                await end_stream(stream, politely=False)

    async def _admit(self, stream: INetStream) -> None:
        """Take a circuit that a relay brings, until it ends."""
        relay_id = stream.muxed_conn.peer_id
        try:
            call = await hear(stream, StopMessage, within_s=self._limits.message_s)
            code = self._code(relay_id, stream, call)
            if code is not StatusCode.OK:
                self._counters.add("circuits_refused")
                await self._answer(stream, code)
                return
            # Taken before we answer: of many that ask at once, each would find the same one free.
            with slot(self._inbound, relay_id):
                await self._answer(stream, code)
                await self._serve(stream, Multiaddr(f"/p2p/{relay_id}{CIRCUIT}"))
        except Exception as error:  # the door: relay, dialler and library
            self._counters.add("circuits_failed")
            logger.debug("a circuit to us failed: %r", error, extra={"peer": str(relay_id)})
        finally:
            await end_stream(stream, politely=False)

    def _code(self, relay_id: ID, stream: INetStream, call: StopMessage) -> StatusCode:
        if call.type != StopMessage.CONNECT:
            return StatusCode.UNEXPECTED_MESSAGE
        if is_relayed(stream.muxed_conn) or not self._is_reserved(relay_id):
            return StatusCode.PERMISSION_DENIED
        limits = self._limits
        is_busy = self._inbound[relay_id] >= limits.inbound_per_relay_max
        if is_busy or self._inbound_count() >= limits.connections_inbound_max:
            return StatusCode.RESOURCE_LIMIT_EXCEEDED
        return StatusCode.OK

    def _inbound_count(self) -> int:
        """Return how many connections others opened, with the circuits that are no such yet."""
        connections = self._swarm.get_connections()
        direct = (conn for conn in connections if not is_relayed(conn.muxed_conn))
        return self._inbound.total() + sum(not is_dialled(conn) for conn in direct)

    async def _answer(self, stream: INetStream, code: StatusCode) -> None:
        answer = StopMessage(type=StopMessage.STATUS, status=to_proto_status(code))
        await say(stream, answer, within_s=self._limits.message_s)

    async def _serve(self, stream: INetStream, address: Multiaddr) -> None:
        """Authenticate whoever is at the other end; what the relay says of it counts nothing."""
        raw = RawConnection(CircuitEnd(stream), False, ConnectionType.RELAYED, [address])
        try:
            muxed = await self._swarm.upgrade_inbound_raw_conn(raw, address)
            # Asked again: others may have come in by the door meanwhile.
            has_place = self._inbound_count() <= self._limits.connections_inbound_max
            if not has_place or not self._is_welcome(muxed.peer_id):
                self._counters.add("circuits_refused")
                return
            self._counters.add("circuits_admitted")
            async with trio.open_nursery() as nursery:
                for conn in self._swarm.get_connections(muxed.peer_id):
                    if conn.muxed_conn is muxed:
                        nursery.start_soon(self._admitted, conn)
                await muxed.event_closed.wait()
        finally:
            with shielded(1):
                await raw.close()


def _status(code: int) -> str:
    try:
        return StatusCode(code).name
    except ValueError:
        return str(code)
