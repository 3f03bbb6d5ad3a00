"""Notices peers that are connected and dead, mute, or of no use."""

import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio
from libp2p.abc import INetConn
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from bootstrap.mistakes import Mistakes
from node.net.circuit import relays_of
from node.net.counters import Counters
from node.net.gossip import GuardedPubsub
from node.net.limits import NetLimits
from node.net.probe import probe
from node.net.scopes import shielded
from node.net.sockets import abort, is_dialled
from node.net.stranded import Stranded

logger = logging.getLogger(__name__)


class Watchdog:
    """Probes every connection, and every older one of a peer that connects anew."""

    def __init__(
        self,
        *,
        swarm: Any,
        pubsub: GuardedPubsub,
        is_banned: Callable[[ID], bool],
        is_reserved: Callable[[ID], bool],
        limits: NetLimits,
        counters: Counters,
    ) -> None:
        self._swarm = swarm
        self._pubsub = pubsub
        self._is_banned = is_banned
        self._is_reserved = is_reserved
        self._limits = limits
        self._counters = counters
        self._mistakes = Mistakes()
        self._failures: Counter[INetConn] = Counter()
        self._latency_ms: dict[INetConn, float] = {}
        self._busy: set[object] = set()
        self._half_closed: set[YamuxStream] = set()  # by us alone, at the last look
        self._met_s: dict[INetConn, float] = {}  # of peers we cannot gossip with

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Stranded(swarm=self._swarm, counters=self._counters).run)
            while True:
                await trio.sleep(self._limits.probe_s)
                for conn in self._strangers():
                    nursery.start_soon(self._unless_busy, (conn, "cut"), abort, conn)
                self._end_half_closed(nursery)
                connections = self._swarm.get_connections()
                for conn in connections:
                    once = (self._probe, conn, self._limits.probe_failures_max)
                    nursery.start_soon(self._unless_busy, conn, *once)
                for peer_id in {conn.muxed_conn.peer_id for conn in connections}:
                    nursery.start_soon(self._unless_busy, peer_id, self._unmute, peer_id)
                alive = set(connections)
                self._failures = Counter({c: n for c, n in self._failures.items() if c in alive})
                self._latency_ms = {c: ms for c, ms in self._latency_ms.items() if c in alive}
                self._met_s = {c: met_s for c, met_s in self._met_s.items() if c in alive}

    def latency_ms(self, conn: INetConn) -> float | None:
        """Return how long the last round trip on a connection took; None if none was measured."""
        return self._latency_ms.get(conn)

    async def _unless_busy(
        self, key: object, function: Callable[..., Awaitable[None]], *args: object
    ) -> None:
        """Look after one connection or peer, unless the last time still goes on."""
        if key in self._busy:
            return
        self._busy.add(key)
        try:
            await self._mistakes.outlive("look after a connection", function, *args)
        finally:
            self._busy.discard(key)

    async def probe_older(self, newest: INetConn) -> None:
        """Drop a peer's other connections unless they answer now: it may have started anew."""
        peer_id = newest.muxed_conn.peer_id
        async with trio.open_nursery() as nursery:
            for conn in self._swarm.get_connections(peer_id):
                if conn is not newest:
                    nursery.start_soon(self._unless_busy, (conn, 1), self._probe, conn, 1)

    async def _probe(self, conn: INetConn, failures_max: int) -> None:
        probed = await probe(conn, within_s=self._limits.probe_timeout_s)
        if probed.latency_ms is not None and not conn.is_closed:
            self._latency_ms[conn] = probed.latency_ms
        if probed.is_alive:
            self._failures.pop(conn, None)
            return
        self._failures[conn] += 1
        if self._failures[conn] >= failures_max and not conn.is_closed:
            self._counters.add("connections_dead")
            peer_id = conn.muxed_conn.peer_id
            logger.info("a peer no longer answers; it is cut off", extra={"peer": str(peer_id)})
            await abort(conn)

    def _strangers(self) -> Iterator[INetConn]:
        """Return who never followed our topics and has to leave, but for relays that we use."""
        now_s = trio.current_time()
        connections = self._swarm.get_connections()
        relays = {relay for conn in connections for relay in relays_of(conn)}
        for conn in connections:
            peer_id = conn.muxed_conn.peer_id
            is_used = is_dialled(conn) and (str(peer_id) in relays or self._is_reserved(peer_id))
            if is_used or self._pubsub.follows_all(peer_id):
                self._met_s.pop(conn, None)
            elif now_s - self._met_s.setdefault(conn, now_s) >= self._limits.stranger_s:
                self._met_s[conn] = now_s
                self._counters.add("connections_of_no_use")
                yield conn

    def _end_half_closed(self, nursery: trio.Nursery) -> None:
        """Reset streams that we closed and the other end did not, though it had time for it.

        The library keeps them, and what is sent on them, as long as the peer stays.
        """
        found = {
            stream
            for conn in self._swarm.get_connections()
            for stream in conn.muxed_conn.streams.values()
            if stream.send_closed and not stream.closed
        }
        late, self._half_closed = found & self._half_closed, found - self._half_closed
        for stream in late:
            self._counters.add("streams_half_closed")
            nursery.start_soon(self._unless_busy, stream, _reset, stream)

    async def _unmute(self, peer_id: ID) -> None:
        if peer_id in self._pubsub.peers or self._is_banned(peer_id):
            return
        try:
            await self._pubsub.ensure_peer_stream(peer_id, timeout=self._limits.probe_s)
        except Exception as error:  # it will be tried again at the next look
            logger.debug("no pubsub stream: %r", error, extra={"peer": str(peer_id)})


async def _reset(stream: YamuxStream) -> None:
    with shielded(1), contextlib.suppress(Exception):  # the connection may be gone
        await stream.reset()
