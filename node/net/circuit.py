"""What a circuit is made of: the words of circuit relay v2, and an end that acts like a TCP socket.

The library's own messages and connections are used. Its relay and its transport are not: the relay
takes reservations in the name of others and forgets the time limit of a silent circuit, and both
ends let anybody in who says that he is a relay (docs/operating.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import trio
from google.protobuf.message import DecodeError, Message
from libp2p.abc import INetConn, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.stream.exceptions import StreamEOF, StreamError
from libp2p.utils.varint import encode_varint_prefixed, read_varint_prefixed_bytes_limited

from bootstrap.addresses import CIRCUIT
from node.net.limits import NetLimits
from node.net.streams import end_stream

HOP = TProtocol("/libp2p/circuit/relay/0.2.0/hop")
STOP = TProtocol("/libp2p/circuit/relay/0.2.0/stop")
MESSAGE_BYTES_MAX = 4_096  # a peer id, a voucher and a few addresses take some hundred

M = TypeVar("M", bound=Message)


class BadCircuit(Exception):
    """Somebody did not keep to circuit relay v2; the message says how."""


@dataclass(frozen=True, slots=True)
class CircuitLimits:
    """How much a relay does for others, and how much a node lets relays do to it.

    Attributes:
        reservations_max: Nodes a relay can be asked for.
        reservations_per_ip_max: The same, behind one address.
        reservation_s: How long a reservation holds; it is renewed at half of that.
        circuits_max: Circuits a relay carries at once.
        circuits_per_peer_max: The same with one peer at either end.
        circuits_per_ip_max: The same for those who ask from one address; identities are free.
        circuits_per_group_max: The same to one peer for those who ask from one part of the
            internet: half of its places, so that whoever has many addresses there leaves some.
        circuit_bytes_max: What one circuit may carry, both ways together.
        circuit_bytes_per_s: How fast it carries that, each way.
        total_bytes_per_s: How fast all circuits of a relay carry together; a guess at what leaves
            one core time for the node itself.
        circuit_s: How long one circuit lasts.
        idle_s: How long nothing may come or go; both ends probe each other far more often.
        message_s: How long a peer may take to say or answer something.
        relays_max: Relays at which we reserve.
        inbound_per_relay_max: Circuits to us that one relay brings.
        connections_inbound_max: Live connections that others opened, circuits and all others: with
            so many no circuit is taken, so that dialling has room.
    """

    reservations_max: int = 64
    reservations_per_ip_max: int = 8
    reservation_s: float = 3_600.0
    circuits_max: int = 32
    circuits_per_peer_max: int = 8
    circuits_per_ip_max: int = 12
    circuits_per_group_max: int = 4
    circuit_bytes_max: int = 256 * 1024 * 1024
    circuit_bytes_per_s: int = 256 * 1024
    total_bytes_per_s: int = 2 * 1024 * 1024
    circuit_s: float = 3_600.0
    idle_s: float = 60.0
    message_s: float = 5.0
    relays_max: int = 2
    inbound_per_relay_max: int = 8
    connections_inbound_max: int = NetLimits().connections_inbound_max


class CircuitEnd(ReadWriteCloser):
    """One end of a circuit; it ends and breaks as a TCP connection does.

    The library wakes nobody who reads or writes a stream that we reset ourselves; here all are.
    """

    def __init__(self, stream: INetStream) -> None:
        self._stream = stream
        self._is_over = False
        self._waiting: set[trio.CancelScope] = set()

    async def read(self, n: int | None = None) -> bytes:
        """Return what has come, `n` bytes at most; nothing once it is over."""
        data = b""
        with self._unless_over():
            try:
                data = await self._stream.read(n)
            except StreamError as error:
                self._end()
                if not isinstance(error, StreamEOF):
                    raise _broken(error) from error
        return data

    async def write(self, data: bytes) -> None:
        """Send all of it; nobody is told that it is over at our own end."""
        with self._unless_over():
            try:
                await self._stream.write(data)
            except StreamError as error:
                self._end()
                raise _broken(error) from error

    async def close(self) -> None:
        """End it at once, both ways."""
        self._end()
        await end_stream(self._stream, politely=False)

    def get_remote_address(self) -> tuple[str, int] | None:
        """Return nothing: what is beyond the relay has no address."""
        return None

    @contextmanager
    def _unless_over(self) -> Iterator[None]:
        with trio.CancelScope() as scope:
            if self._is_over:
                scope.cancel()
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def _end(self) -> None:
        self._is_over = True
        for scope in self._waiting:
            scope.cancel()


def _broken(error: StreamError) -> ConnectionClosedError:
    reason = str(error) or type(error).__name__
    return ConnectionClosedError(f"the circuit broke: {reason}", transport="circuit")


def is_relayed(muxed_conn: Any) -> bool:
    """Return whether a connection is a circuit."""
    return bool(muxed_conn.get_connection_type() is ConnectionType.RELAYED)


def relays_of(conn: INetConn) -> list[str]:
    """Return the peer id of the relay through which a connection goes, if there is one."""
    if not is_relayed(conn.muxed_conn):
        return []
    ways = [str(address).partition(CIRCUIT)[0] for address in conn.get_transport_addresses()]
    return [way.rpartition("/p2p/")[2] for way in ways]


async def say(stream: INetStream, message: Message, *, within_s: float) -> None:
    """Send one message.

    Raises:
        BadCircuit: It was not taken in time.
    """
    try:
        with trio.fail_after(within_s):
            await stream.write(encode_varint_prefixed(message.SerializeToString()))
    except trio.TooSlowError as error:
        raise BadCircuit(f"nothing was taken in {within_s:g} s") from error


async def hear(stream: INetStream, kind: type[M], *, within_s: float) -> M:
    """Return one message, of MESSAGE_BYTES_MAX at most.

    Raises:
        BadCircuit: It was late, too long, or not such a message.
    """
    message = kind()
    try:
        with trio.fail_after(within_s):
            data = await read_varint_prefixed_bytes_limited(stream, MESSAGE_BYTES_MAX)
        message.ParseFromString(data)
    except trio.TooSlowError as error:
        raise BadCircuit(f"nothing was said in {within_s:g} s") from error
    except DecodeError as error:
        raise BadCircuit(f"not a {kind.__name__}") from error
    except Exception as error:  # the library raises what it likes when a stream ends
        raise BadCircuit(f"no {kind.__name__}: {str(error) or type(error).__name__}") from error
    return message
