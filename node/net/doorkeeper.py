"""Who may come in: inbound connections and inbound streams, each within a bound.

The library takes a slot for every inbound connection and gives it back only when the node stops,
and ends the whole host when a stream ends in an exception. Both are replaced here.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio
from libp2p.abc import INetStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from bootstrap.network_group import client_of, group_of, is_private
from node.net.counters import Counters
from node.net.limits import NetLimits
from node.net.places import Client, Places
from node.net.scopes import shielded
from node.net.sockets import find_socket, is_dialled, remote_ip
from node.net.streams import end_stream

logger = logging.getLogger(__name__)

STREAMS_PER_PEER_MAX = 64  # negotiating or open, of all protocols; a correct peer has a handful
CONNECTIONS_PER_PEER_MAX = 8  # inbound; a guess: a correct peer has a few, dead ones included
UNREAD_BYTES = 64 * 1024
SEEN_OUT_S = 5.0  # for the other end to close a stream that we are done with


class Doorkeeper:
    """Admits connections and streams, and gives every slot back when they end."""

    def __init__(
        self,
        *,
        swarm: Any,
        serve_stream: Callable[[INetStream], Awaitable[None]],
        is_welcome: Callable[[ID], bool],
        limits: NetLimits,
        counters: Counters,
    ) -> None:
        self._swarm = swarm
        self._serve_stream = serve_stream
        self._is_welcome = is_welcome
        self._limits = limits
        self._counters = counters
        # Of handshakes the oldest gives way, which comes to nothing; of peers whoever came last.
        self._half_open = Places(
            per_client_max=limits.half_open_per_ip_max,
            total_max=limits.half_open_total_max,
            is_oldest_first=True,
        )
        self._open = Places(
            per_client_max=limits.connections_per_ip_max,
            total_max=limits.connections_inbound_max,
            is_oldest_first=False,
        )
        self._of_peer: Counter[ID] = Counter()
        self._sockets: set[Any] = set()
        self._streams: Counter[ID] = Counter()

    def install(self) -> None:
        """Take the place of the library's own admission."""
        self._swarm._handle_inbound_connection = self._admit_connection
        self._swarm.set_stream_handler(self._admit_stream)

    async def _admit_connection(self, read_write_closer: Any, address: Multiaddr) -> None:
        client = who_is_at(remote_ip(read_write_closer))
        raw = RawConnection(read_write_closer, False)
        has_place = self._open.has_room(client, beside=self._beside())
        handshake = self._half_open.enter(client) if has_place else None
        if handshake is None:
            self._counters.add("connections_refused")
            await raw.close()
            return
        self._sockets.add(read_write_closer.stream)
        muxed = None
        try:
            with handshake:
                muxed = await self._swarm.upgrade_inbound_raw_conn(raw, address)
            self._half_open.leave(client, handshake)
            self._note_displaced(handshake)
            if muxed is not None:  # else somebody else got its place
                await self._stay(muxed, client)
        except Exception as error:  # the door: a failed handshake is a stranger's business
            self._counters.add("handshakes_failed")
            logger.debug("inbound connection from %s failed: %r", client.address, error)
        finally:
            self._half_open.leave(client, handshake)
            self._sockets.discard(read_write_closer.stream)
            with shielded(1):
                await trio.aclose_forcefully(read_write_closer.stream)

    async def _stay(self, muxed: Any, client: Client) -> None:
        """Let a connection live, if there is still room; many may have shaken hands meanwhile."""
        peer_id = muxed.peer_id
        is_welcome = self._of_peer[peer_id] < CONNECTIONS_PER_PEER_MAX and self._is_welcome(peer_id)
        place = self._open.enter(client, beside=self._beside()) if is_welcome else None
        if place is None:
            self._counters.add("connections_refused")
            return
        try:
            with place, slot(self._of_peer, peer_id):
                await muxed.event_closed.wait()
            self._note_displaced(place)
        finally:
            self._open.leave(client, place)

    def _note_displaced(self, place: trio.CancelScope) -> None:
        if place.cancelled_caught:
            self._counters.add("connections_displaced")

    def _beside(self) -> int:
        """Return how many came in and not through this door: by a relay, or because we invited."""
        connections = self._swarm.get_connections()
        others = (conn for conn in connections if not is_dialled(conn))
        return sum(find_socket(conn) not in self._sockets for conn in others)

    async def _admit_stream(self, stream: INetStream) -> None:
        peer_id = stream.muxed_conn.peer_id
        if self._streams[peer_id] >= STREAMS_PER_PEER_MAX:
            self._counters.add("streams_refused")
            await end_stream(stream, politely=False)
            return
        with slot(self._streams, peer_id):
            try:
                await self._serve_stream(stream)
                await _see_out(stream)
            except Exception as error:  # the door: anything else would end the whole host
                self._counters.add("streams_failed")
                logger.debug("a stream failed: %r", error, extra={"peer": str(peer_id)})
                await end_stream(stream, politely=False)


async def _see_out(stream: Any) -> None:
    """Wait until the other end has closed a stream, too; reset it if it does not.

    The library keeps a stream that only we closed, and what is sent on it, as long as the peer
    stays.
    """
    muxed = stream.muxed_stream
    with trio.move_on_after(SEEN_OUT_S), contextlib.suppress(Exception):  # it ends in one of many
        while not muxed.closed:
            await muxed.read(UNREAD_BYTES)
    if not muxed.closed:
        await end_stream(stream, politely=False)


def who_is_at(ip: str) -> Client:
    """Return who stands behind an IP address, and where that is.

    In private networks whoever has one address of IPv6 has its /64, as elsewhere.
    """
    address = client_of(ip)
    return Client(address if is_private(ip) else group_of(ip), address)


@contextmanager
def slot(counter: "Counter[Any]", key: Any) -> Iterator[None]:
    """Hold one more of a key's places."""
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
