"""One request, one response, over a stream of its own.

A message is a row of frames, each a two-byte length and so many bytes, closed by a frame of length
zero. A reset looks like the end of the stream, so only the closing frame says that all has come.
"""

import logging
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from bootstrap.network_group import client_of
from node.errors import PeerFailed
from node.net.counters import Counters
from node.net.limits import NetLimits
from node.net.scopes import shielded
from node.ports import Answerer
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

FRAME_BYTES_MAX = 60_000  # one yamux frame: the payload, its length and the mux header
LENGTH = struct.Struct(">H")
END = LENGTH.pack(0)


class BadExchange(Exception):
    """What came over the stream is not one whole message within its limit."""


async def write_message(stream: INetStream, message: bytes) -> None:
    """Send one message in frames, with its closing frame."""
    frames = [
        message[start : start + FRAME_BYTES_MAX]
        for start in range(0, len(message), FRAME_BYTES_MAX)
    ]
    for frame in frames[:-1]:
        await stream.write(LENGTH.pack(len(frame)) + frame)
    last = LENGTH.pack(len(frames[-1])) + frames[-1] if frames else b""
    await stream.write(last + END)


async def read_message(stream: INetStream, *, bytes_max: int) -> bytes:
    """Return one whole message.

    Raises:
        BadExchange: The stream ended before its closing frame, or something is too long.
    """
    message = bytearray()
    while True:
        (length,) = LENGTH.unpack(await _read_exactly(stream, LENGTH.size))
        if length == 0:
            return bytes(message)
        if length > FRAME_BYTES_MAX:
            raise BadExchange(f"a frame of {length} bytes, at most {FRAME_BYTES_MAX}")
        if len(message) + length > bytes_max:
            raise BadExchange(f"more than {bytes_max} bytes")
        message += await _read_exactly(stream, length)


async def _read_exactly(stream: INetStream, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        chunk = await stream.read(count - len(read))
        if not chunk:
            raise BadExchange("the stream ended early")
        read += chunk
    return bytes(read)


class Asker:
    """Asks connected peers; never dials."""

    def __init__(self, *, host: IHost, limits: NetLimits, counters: Counters) -> None:
        self._host = host
        self._limits = limits
        self._counters = counters
        self._slots = trio.CapacityLimiter(limits.asks_total_max)

    async def ask(self, peer_id: ID, protocol: str, request: bytes) -> bytes:
        """Return a peer's response to one request.

        Raises:
            PeerFailed: Not connected, no such protocol, refused, late, or too much.
        """
        if len(request) > self._limits.request_bytes_max:
            raise PeerFailed(
                f"a request of {len(request)} bytes, at most {self._limits.request_bytes_max}"
            )
        if not self._host.get_network().get_connections(peer_id):
            raise PeerFailed(f"not connected to {peer_id}")
        try:
            with trio.fail_after(self._limits.ask_s):
                async with self._slots:
                    response = await self._exchange(peer_id, protocol, request)
        except trio.TooSlowError as error:
            self._counters.add("asks_late")
            raise PeerFailed(
                f"{peer_id} did not answer {protocol} in {self._limits.ask_s:g} s"
            ) from error
        except Exception as error:  # the library raises what it likes when a peer misbehaves
            self._counters.add("asks_failed")
            reason = str(error) or type(error).__name__
            raise PeerFailed(f"{peer_id} gave no answer on {protocol}: {reason}") from error
        self._counters.add("asks_answered")
        return response

    async def _exchange(self, peer_id: ID, protocol: str, request: bytes) -> bytes:
        stream = await self._host.new_stream(peer_id, [TProtocol(protocol)])
        is_whole = False
        try:
            await write_message(stream, request)
            response = await read_message(stream, bytes_max=self._limits.response_bytes_max)
            is_whole = True
        finally:
            await end_stream(stream, politely=is_whole)
        return response


class Answering:
    """Serves the requests of peers, a few of each at a time.

    Names are free, so addresses count too: one takes a slot only while it holds fewer than are
    free. All circuits count as one address: what is beyond a relay has none of its own, and whoever
    calls through several relays must not get more for it. Still, eight addresses can hold whatever
    is free, so some slots are for those alone whom we dialled: nobody chooses to be one of them.
    """

    def __init__(
        self, limits: NetLimits, is_outbound: Callable[[ID], bool], counters: Counters
    ) -> None:
        """Take the limits, who knows whom we dialled, and who counts."""
        self._limits = limits
        self._is_outbound = is_outbound
        self._counters = counters
        self._serving: Counter[ID] = Counter()
        self._serving_at: Counter[str] = Counter()  # by who stands behind an IP address

    def serve(self, answerer: Answerer) -> Callable[[INetStream], Awaitable[None]]:
        """Return what the host calls with each new stream of one protocol."""

        async def serve_stream(stream: INetStream) -> None:
            peer_id, client = stream.muxed_conn.peer_id, client_of(ip_of(stream))
            if not self._has_room(peer_id, client):
                self._counters.add("answers_refused")
                await end_stream(stream, politely=False)
                return
            is_answered = False
            self._serving[peer_id] += 1
            self._serving_at[client] += 1
            try:
                await self._answer(stream, peer_id, answerer)
                is_answered = True
                self._counters.add("answers_given")
            except Exception as error:  # the door: the answerer, the peer and the library
                self._counters.add("answers_failed")
                logger.debug("a request failed: %r", error, extra={"peer": str(peer_id)})
            finally:
                self._serving[peer_id] -= 1
                self._serving_at[client] -= 1
                self._serving, self._serving_at = +self._serving, +self._serving_at
                await end_stream(stream, politely=is_answered)

        return serve_stream

    def _has_room(self, peer_id: ID, client: str) -> bool:
        free = self._limits.answers_total_max - self._serving.total()
        if self._serving[peer_id] >= self._limits.answers_per_peer_max:
            return False
        if self._is_outbound(peer_id):
            return free > 0
        return self._serving_at[client] < free - self._limits.answers_dialled_min

    async def _answer(self, stream: INetStream, peer_id: ID, answerer: Answerer) -> None:
        with trio.fail_after(self._limits.request_s):
            request = await read_message(stream, bytes_max=self._limits.request_bytes_max)
        with trio.fail_after(self._limits.answer_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_fail_when_left, stream)
                response = await answerer(PeerId(str(peer_id)), request)
                nursery.cancel_scope.cancel()
            if len(response) > self._limits.response_bytes_max:
                raise BadExchange(f"our own response has {len(response)} bytes")
            await write_message(stream, response)


def ip_of(stream: INetStream) -> str:
    """Return the address a peer speaks from; nothing if it speaks through a relay."""
    address = stream.get_remote_address()
    return address[0] if address is not None else ""


async def _fail_when_left(stream: INetStream) -> None:
    """Wait for anything after the request: a correct asker sends nothing, so it gave up.

    Raises:
        BadExchange: The asker reset or closed its stream, or goes on sending.
    """
    await stream.read(1)
    raise BadExchange("the asker did not wait for the response")


async def end_stream(stream: INetStream, *, politely: bool) -> None:
    """Close or reset a stream; the library leaks what is left open."""
    with shielded(1):
        try:
            await (stream.close() if politely else stream.reset())
        except Exception as error:  # the connection is gone, and the stream with it
            logger.debug("a stream was gone before it was closed: %r", error)
