"""The relay of circuit relay v2: carries bytes between two peers that cannot reach each other.

It reads nothing of what it carries: the ends authenticate each other and encrypt. Whoever wants to
be reached reserves a place, for itself alone; circuits lead to those who did.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.abc import IHost, INetStream
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, Limit, Reservation, StopMessage
from libp2p.relay.circuit_v2.pb.circuit_pb2 import PeerId as PeerField
from libp2p.relay.circuit_v2.protocol_buffer import StatusCode, to_proto_status

from bootstrap.network_group import client_of, group_of
from node.net.circuit import HOP, STOP, BadCircuit, CircuitLimits, hear, is_relayed, say
from node.net.counters import Counters
from node.net.identity import public_key_of
from node.net.streams import end_stream, ip_of

logger = logging.getLogger(__name__)

CHUNK_BYTES = 32 * 1024
BURST_S = 1.0  # how far bytes may be ahead of their pace, so that single messages never wait


@dataclass(frozen=True, slots=True)
class _Place:
    """What one peer reserved."""

    until_s: float
    client: str


class CircuitRelay:
    """Answers those who reserve and those who want to be connected."""

    def __init__(
        self,
        *,
        host: IHost,
        is_member: Callable[[ID], bool],
        limits: CircuitLimits,
        counters: Counters,
    ) -> None:
        """Serve nobody yet.

        Args:
            host: Whose streams they are.
            is_member: Whether a peer takes part in our network; nobody else can reserve.
            limits: Every bound.
            counters: Where it is counted.
        """
        self._host = host
        self._swarm: Any = host.get_network()
        self._is_member = is_member
        self._limits = limits
        self._counters = counters
        self._places: dict[ID, _Place] = {}
        self._ends: Counter[ID] = Counter()
        self._askers: Counter[str] = Counter()  # by IP address
        self._callers: Counter[tuple[str, ID]] = Counter()  # by part of the internet and target
        self._open = 0
        self._due_s = 0.0

    def install(self) -> None:
        """Serve from now on."""
        self._host.set_stream_handler(HOP, self._serve)

    def sizes(self) -> tuple[int, int]:
        """Return how many peers have a place, and how many circuits there are."""
        return len(self._places), self._open

    async def _serve(self, stream: INetStream) -> None:
        is_answered = False
        try:
            message = await hear(stream, HopMessage, within_s=self._limits.message_s)
            if is_relayed(stream.muxed_conn):
                await self._refuse(stream, StatusCode.PERMISSION_DENIED)
            elif message.type == HopMessage.RESERVE:
                await self._reserve(stream)
            elif message.type == HopMessage.CONNECT:
                await self._connect(stream, message)
            else:
                await self._refuse(stream, StatusCode.UNEXPECTED_MESSAGE)
            is_answered = True
        except BadCircuit as error:
            self._counters.add("relay_requests_failed")
            logger.debug("%s", error, extra={"peer": str(stream.muxed_conn.peer_id)})
        finally:
            await end_stream(stream, politely=is_answered)

    async def _refuse(self, stream: INetStream, code: StatusCode) -> None:
        self._counters.add("relay_requests_refused")
        await self._answer(stream, code)

    async def _answer(self, stream: INetStream, code: StatusCode, **fields: Any) -> None:
        answer = HopMessage(type=HopMessage.STATUS, status=to_proto_status(code), **fields)
        await say(stream, answer, within_s=self._limits.message_s)

    def _limit(self) -> Limit:
        return Limit(duration=int(self._limits.circuit_s), data=self._limits.circuit_bytes_max)

    async def _reserve(self, stream: INetStream) -> None:
        """Keep a place for whoever asks; what it says of others is not read."""
        peer_id = stream.muxed_conn.peer_id
        client = client_of(ip_of(stream))
        self._forget_the_gone()
        others = [place.client for other, place in self._places.items() if other != peer_id]
        if not self._is_member(peer_id):
            await self._refuse(stream, StatusCode.PERMISSION_DENIED)
            return
        if (
            len(others) >= self._limits.reservations_max
            or others.count(client) >= self._limits.reservations_per_ip_max
        ):
            await self._refuse(stream, StatusCode.RESERVATION_REFUSED)
            return
        self._places[peer_id] = _Place(trio.current_time() + self._limits.reservation_s, client)
        self._counters.add("relay_reservations")
        reservation = Reservation(
            expire=int(time.time() + self._limits.reservation_s),
            addrs=[address.to_bytes() for address in self._host.get_addrs()],
        )
        await self._answer(stream, StatusCode.OK, reservation=reservation, limit=self._limit())

    def _forget_the_gone(self) -> None:
        self._places = {peer: place for peer, place in self._places.items() if self._holds(peer)}

    def _holds(self, peer_id: ID) -> bool:
        """Return whether a peer has a place; who hangs up gives it back."""
        place = self._places.get(peer_id)
        is_due = place is not None and place.until_s > trio.current_time()
        return is_due and bool(self._swarm.get_connections(peer_id))

    async def _connect(self, stream: INetStream, message: HopMessage) -> None:
        source, target = stream.muxed_conn.peer_id, ID(message.peer.id)
        ip = ip_of(stream)
        if public_key_of(target) is None or target == source:
            await self._refuse(stream, StatusCode.MALFORMED_MESSAGE)
        elif not self._holds(target):
            await self._refuse(stream, StatusCode.NO_RESERVATION)
        elif (
            not self._has_room(source)
            or not self._has_room(target)
            or self._askers[client_of(ip)] >= self._limits.circuits_per_ip_max
            or self._callers[group_of(ip), target] >= self._limits.circuits_per_group_max
        ):
            await self._refuse(stream, StatusCode.RESOURCE_LIMIT_EXCEEDED)
        else:
            with self._slot(ip, source, target):
                await self._join(stream, source, target)

    def _has_room(self, peer_id: ID) -> bool:
        return (
            self._open < self._limits.circuits_max
            and self._ends[peer_id] < self._limits.circuits_per_peer_max
        )

    @contextmanager
    def _slot(self, ip: str, source: ID, target: ID) -> Iterator[None]:
        client, caller = client_of(ip), (group_of(ip), target)
        self._open += 1
        self._ends.update((source, target))
        self._askers[client] += 1
        self._callers[caller] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._ends.subtract((source, target))
            self._ends = +self._ends
            self._askers[client] -= 1
            self._askers = +self._askers
            self._callers[caller] -= 1
            self._callers = +self._callers

    async def _join(self, stream: INetStream, source: ID, target: ID) -> None:
        """Call the target, and carry until one end leaves or a limit is reached."""
        onward = None
        try:
            onward = await self._call(source, target)
            if onward is None:
                await self._refuse(stream, StatusCode.CONNECTION_FAILED)
                return
            await self._answer(stream, StatusCode.OK, limit=self._limit())
            self._counters.add("relay_circuits")
            await self._carry(stream, onward)
        finally:
            if onward is not None:
                await end_stream(onward, politely=False)

    async def _call(self, source: ID, target: ID) -> INetStream | None:
        """Return a stream to a target that is ready for a circuit, or None if it is not."""
        within_s = self._limits.message_s
        stream: INetStream | None = None
        call = StopMessage(
            type=StopMessage.CONNECT, peer=PeerField(id=source.to_bytes()), limit=self._limit()
        )
        is_ready = False
        try:
            with trio.move_on_after(within_s):
                stream = await self._host.new_stream(target, [STOP])
                await say(stream, call, within_s=within_s)
                answer = await hear(stream, StopMessage, within_s=within_s)
                is_ready = answer.status == to_proto_status(StatusCode.OK)
        except Exception as error:  # the library raises what it likes when a peer misbehaves
            logger.debug("a target cannot be called: %r", error, extra={"peer": str(target)})
        finally:
            if stream is not None and not is_ready:
                await end_stream(stream, politely=False)
        return stream if is_ready else None

    async def _carry(self, one: INetStream, other: INetStream) -> None:
        left = _Allowance(self._limits.circuit_bytes_max)
        with trio.move_on_after(self._limits.circuit_s):
            async with trio.open_nursery() as nursery:
                for start, end in ((one, other), (other, one)):
                    nursery.start_soon(self._copy, start, end, left, nursery.cancel_scope)

    async def _copy(
        self, start: INetStream, end: INetStream, left: "_Allowance", scope: trio.CancelScope
    ) -> None:
        """Carry one way; whatever ends it ends the other way too."""
        due_s = 0.0
        try:
            while True:
                with trio.fail_after(self._limits.idle_s):
                    chunk = await start.read(CHUNK_BYTES)
                if not chunk or not left.take(len(chunk)):
                    break
                with trio.fail_after(self._limits.idle_s):
                    await end.write(chunk)
                self._counters.add("relay_bytes", len(chunk))
                now_s = trio.current_time()
                due_s = max(due_s, now_s) + len(chunk) / self._limits.circuit_bytes_per_s
                total_s = len(chunk) / self._limits.total_bytes_per_s
                self._due_s = max(self._due_s, now_s) + total_s
                await trio.sleep_until(max(due_s, self._due_s) - BURST_S)
        except StreamEOF:
            pass
        except Exception as error:  # the library raises what it likes when a stream ends
            logger.debug("a circuit ended: %r", error)
        finally:
            scope.cancel()


class _Allowance:
    """How many bytes a circuit may still carry."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, count: int) -> bool:
        """Use some of it; return whether there was enough."""
        self._left -= count
        return self._left >= 0
