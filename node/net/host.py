"""The network of a node, behind the door `node.ports.Net`; nothing outside sees libp2p."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import trio
from libp2p.abc import INetConn
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.tools.anyio_service import background_trio_service

from bootstrap.addresses import CIRCUIT
from bootstrap.dialing import Allows, anywhere
from node.errors import PeerFailed, StartError
from node.net.counters import Counters
from node.net.dialer import Dialer
from node.net.doorkeeper import Doorkeeper
from node.net.gossip import GuardedPubsub
from node.net.identity import public_key_of, read_peer_id
from node.net.inquiry import ask_networks
from node.net.intake import Intake
from node.net.limits import NetLimits
from node.net.mesh import MeshRouter
from node.net.nat import Nat
from node.net.patches import join_logging, patch_libp2p
from node.net.peers import peers_of
from node.net.penalties import Penalties
from node.net.resolver import Resolver
from node.net.roster import Roster
from node.net.scopes import TaskStatus, shielded
from node.net.sockets import abort, check_free, is_dialled, read_multiaddr
from node.net.stack import build_host
from node.net.standing import Standing
from node.net.streams import Answering, Asker
from node.net.watchdog import Watchdog
from node.ports import Answerer, Gate, Peer, PeerWatcher
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

FLUSH_S = 0.5  # for our last words to leave before the connections are cut
HANG_UP_S = 2.0  # for the library to notice a cut connection


class NetHost:
    """One libp2p host with one gossip mesh; made to be run once.

    Args:
        seed: The 32-byte Ed25519 seed our transport identity comes from.
        listen: Multiaddrs to listen on, such as `/ip4/0.0.0.0/tcp/4001`; port 0 takes any.
        announce: Multiaddrs to tell others instead of those we listen on; may be empty.
        topics: The gossip topics we follow, all of them from the start.
        gate: Judges every message that comes by gossip.
        answerers: Who serves requests, by stream protocol.
        watcher: Told when a peer is connected and follows all our topics, and when it left.
        limits: Every bound.
        is_relay: Whether we carry the connections of nodes that nobody can dial.
    """

    def __init__(
        self,
        *,
        seed: bytes,
        listen: Sequence[str],
        announce: Sequence[str],
        topics: Sequence[str],
        gate: Gate,
        answerers: Mapping[str, Answerer],
        watcher: PeerWatcher,
        limits: NetLimits | None = None,
        is_relay: bool = False,
    ) -> None:
        limits = limits if limits is not None else NetLimits()
        join_logging()
        patch_libp2p(limits)
        self._limits = limits
        self._topics = tuple(topics)
        self._listen = [read_multiaddr(address) for address in listen]
        self._announce = [read_multiaddr(address) for address in announce]
        self._counters = Counters()
        self._penalties = Penalties(
            faults_max=limits.rejects_max, window_s=limits.reject_window_s, ban_s=limits.ban_s
        )
        self._host = build_host(seed=seed, limits=limits, announce=self._announce)
        self._swarm: Any = self._host.get_network()
        self._standing = Standing(fault_count=self._fault_count, clock=trio.current_time)
        self._router = MeshRouter(
            limits=limits,
            counters=self._counters,
            is_connected=self._is_connected,
            is_outbound=self._is_outbound,
            standing=self._standing,
        )
        self._intake = Intake(
            gate=gate,
            relay=self._relay,
            fault=self._blame,
            limits=limits,
            counters=self._counters,
        )
        self._pubsub = GuardedPubsub(
            host=self._host,
            router=self._router,
            topics=self._topics,
            limits=limits,
            counters=self._counters,
            offer=self._intake.offer,
            fault=self._blame,
            spoke=self._standing.spoke,
            changed=self._peer_changed,
            is_banned=self._is_banned,
        )
        self._dialer = Dialer(
            swarm=self._swarm,
            own_id=self._host.get_id(),
            is_banned=self._is_banned,
            limits=limits,
            counters=self._counters,
        )
        self._nat = Nat(
            host=self._host,
            dial_relay=self._dialer.reach,
            is_welcome=self._is_welcome,
            is_member=self._pubsub.follows_all,
            is_announced=bool(announce),
            is_relay=is_relay,
            handshake_s=limits.handshake_s,
            counters=self._counters,
        )
        self._asker = Asker(host=self._host, limits=limits, counters=self._counters)
        self._watchdog = Watchdog(
            swarm=self._swarm,
            pubsub=self._pubsub,
            is_banned=self._is_banned,
            is_reserved=self._nat.is_reserved,
            limits=limits,
            counters=self._counters,
        )
        self._roster = Roster(
            watcher=watcher, is_connected=self._is_connected, follows_all=self._pubsub.follows_all
        )
        doorkeeper = Doorkeeper(
            swarm=self._swarm,
            serve_stream=self._host._swarm_stream_handler,
            is_welcome=self._is_welcome,
            limits=limits,
            counters=self._counters,
        )
        doorkeeper.install()
        answering = Answering(limits, self._is_outbound, self._counters)
        for protocol, answerer in answerers.items():
            self._host.set_stream_handler(TProtocol(protocol), answering.serve(answerer))
        self._stop = trio.Event()
        self._tasks: trio.Nursery | None = None

    async def run(self, *, task_status: TaskStatus = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; started once we listen and gossip is ready.

        Raises:
            StartError: An address to listen on is taken or not ours.
        """
        for address in self._listen:
            check_free(address)
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(self._live)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._stop.set()

    async def _live(self, *, task_status: TaskStatus) -> None:
        """Run until told to stop; shielded, so that the library lives to close what it opened."""
        async with AsyncExitStack() as stack:
            stack.enter_context(shielded())
            # Services first: a connection made before they run would wait for them for ever.
            await stack.enter_async_context(background_trio_service(self._pubsub))
            await stack.enter_async_context(background_trio_service(self._router))
            await stack.enter_async_context(self._host.run(self._listen))
            if len(self._host.get_transport_addrs()) < len(self._listen):
                raise StartError(f"cannot listen on all of {', '.join(map(str, self._listen))}")
            await self._pubsub.wait_until_ready()
            for topic in self._topics:
                await self._pubsub.subscribe(topic)
            async with trio.open_nursery() as nursery:
                self._tasks = nursery
                self._swarm.register_notifee(self._roster.notifee(self._connected))
                nursery.start_soon(self._intake.run)
                nursery.start_soon(self._watchdog.run)
                nursery.start_soon(self._nat.run)
                task_status.started()
                await self._stop.wait()
                self._tasks = None
                await self._close()
                nursery.cancel_scope.cancel()

    @property
    def peer_id(self) -> PeerId:
        """Return our own transport identity."""
        return PeerId(str(self._host.get_id()))

    def addresses(self) -> tuple[str, ...]:
        """Return the full multiaddrs (with `/p2p/`) others can dial, through relays first."""
        return (*self._nat.addresses(), *map(str, self._host.get_addrs()))

    def peers(self) -> tuple[Peer, ...]:
        """Return the connected peers, ordered by peer id."""
        return peers_of(
            self._swarm, self._pubsub, self._router, self._topics, self._watchdog.latency_ms
        )

    def stats(self) -> dict[str, int]:
        """Return what was counted since start: received, relayed, rejected, dropped, ..."""
        return self._counters.snapshot()

    async def publish(self, topic: str, data: bytes) -> None:
        """Offer our own message to the mesh; never waits for the network."""
        if topic not in self._topics:
            raise ValueError(f"not one of our topics: {topic!r}")
        if not 0 < len(data) <= self._limits.message_bytes_max:
            raise ValueError(f"{len(data)} bytes, at most {self._limits.message_bytes_max}")
        await self._pubsub.publish(topic, data)
        await trio.lowlevel.checkpoint()

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        """Connect to one full multiaddr.

        Args:
            address: Where.
            allows: Asked about every IP address that a name in it stands for.

        Raises:
            NotTried: The peer is connected some other way.
            DialFailed: No authenticated connection came about in time.
        """
        dialer = self._nat if CIRCUIT in address else self._dialer
        return PeerId(str(await dialer.dial(address, allows=allows)))

    async def meet(self, address: str) -> PeerId:
        """Connect to whoever answers at a multiaddr without a peer id, and return who that is.

        Raises:
            DialFailed: No authenticated connection came about in time.
        """
        return PeerId(str(await self._dialer.meet(address)))

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of a DNS name, as the resolvers of this machine see them.

        Raises:
            DialFailed: No server answered in time, or the answer makes no sense.
        """
        return await Resolver().texts(name)

    async def networks_of(self, peer_id: PeerId) -> tuple[str, ...]:
        """Ask a connected peer for the ids of the networks it takes part in, in hex.

        Raises:
            PeerFailed: It is not connected, or gives no answer.
        """
        target = read_peer_id(peer_id)
        connections = self._swarm.get_connections(target) if target is not None else []
        if not connections:
            raise PeerFailed(f"{peer_id} is not connected")
        return await ask_networks(connections[0])

    async def ask(self, peer_id: PeerId, protocol: str, request: bytes) -> bytes:
        """Send one request to a connected peer over a stream of its own.

        Raises:
            PeerFailed: It is not connected, did not answer in time, or answered too much.
        """
        target = read_peer_id(peer_id)
        if target is None:
            raise PeerFailed(f"not a peer id: {peer_id!r}")
        return await self._asker.ask(target, protocol, request)

    async def hang_up(self, peer_id: PeerId) -> None:
        """Close every connection to a peer."""
        target = read_peer_id(peer_id)
        if target is not None:
            await self._cut(target)

    # Whom we deal with.

    def _is_connected(self, peer_id: ID) -> bool:
        return bool(self._swarm.get_connections(peer_id))

    def _is_outbound(self, peer_id: ID) -> bool:
        return any(is_dialled(conn) for conn in self._swarm.get_connections(peer_id))

    def _is_banned(self, peer_id: ID) -> bool:
        return self._penalties.is_banned(str(peer_id), trio.current_time())

    def _fault_count(self, peer_id: ID) -> int:
        return self._penalties.fault_count(str(peer_id), trio.current_time())

    def _is_welcome(self, peer_id: ID) -> bool:
        return not self._is_banned(peer_id) and public_key_of(peer_id) is not None

    def _blame(self, peer_id: ID, reason: str) -> None:
        logger.debug("a peer is at fault: %s", reason, extra={"peer": str(peer_id)})
        if self._penalties.blame(str(peer_id), trio.current_time()):
            self._counters.add("peers_banned")
            told = "a peer is refused for %g s: %s"
            logger.info(told, self._limits.ban_s, reason, extra={"peer": str(peer_id)})
            self._start(self._cut, peer_id)

    def _peer_changed(self, peer_id: ID) -> None:
        self._roster.update(peer_id)

    def _connected(self, conn: INetConn) -> None:
        if len(self._swarm.get_connections(conn.muxed_conn.peer_id)) > 1:
            self._start(self._watchdog.probe_older, conn)

    def _start(self, function: Any, *args: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(function, *args)

    # What happens on the way.

    async def _relay(self, forwarder: ID, topic: str, data: bytes) -> None:
        await self._pubsub.relay(forwarder, topic, data)

    async def _cut(self, peer_id: ID) -> None:
        connections = list(self._swarm.get_connections(peer_id))
        for conn in connections:
            await abort(conn)
        with trio.move_on_after(HANG_UP_S):
            for conn in connections:
                await conn.event_closed.wait()

    async def _close(self) -> None:
        """End every connection at once rather than one after the other, and never wait for ever."""
        with trio.move_on_after(self._limits.close_s):
            with trio.move_on_after(FLUSH_S):
                while any(map(len, self._pubsub.peer_queues.values())):  # noqa: ASYNC110 - silent
                    await trio.sleep(0.01)
            for listener in list(self._swarm.listeners.values()):
                await listener.close()
            async with trio.open_nursery() as nursery:
                for peer_id in list(self._swarm.get_connections_map()):
                    nursery.start_soon(self._cut, peer_id)
            await self._host.close()
