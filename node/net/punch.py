"""Makes a direct connection out of a circuit: both ends dial at the same moment (DCUtR).

Each router sees its own node open the connection and lets the answer in, if it keeps the port.
Where one does not, the circuit stays.
"""

import logging
import random
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import trio
from libp2p.abc import IHost, INetConn, INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch
from multiaddr import Multiaddr

from bootstrap.network_group import is_private
from node.net.circuit import BadCircuit, hear, is_relayed, say
from node.net.counters import Counters
from node.net.observed import open_stream, read_ip
from node.net.scopes import shielded
from node.net.sockets import abort, is_dialled
from node.net.streams import end_stream

logger = logging.getLogger(__name__)

DCUTR = TProtocol("/libp2p/dcutr")
MESSAGE_S = 5.0
DIAL_S = 5.0  # a first attempt that came too early is repeated by the kernel after one and three
WAIT_S = (0.5, 2.0)  # chosen between: two ends that invite each other at once get nowhere
PUNCHES_MAX = 8  # at once
AGAIN_S = 60.0  # between two attempts with one peer: whoever invites says where we dial
TRIED_MAX = 256  # peers with whom we tried within that time
NEIGHBOURS_PREFIX = 24  # nobody sends us into our own house


class Punch:
    """Invites whoever comes through a relay to dial at once, and accepts such invitations."""

    def __init__(self, *, host: IHost, own_ip: Callable[[], str], counters: Counters) -> None:
        """Begin without an attempt.

        Args:
            host: Whose connections they become.
            own_ip: Our address as others see it; empty if nobody said.
            counters: Where it is counted.
        """
        self._host = host
        self._swarm: Any = host.get_network()
        self._own_ip = own_ip
        self._counters = counters
        self._busy: set[ID] = set()
        self._tried_s: dict[ID, float] = {}

    def install(self) -> None:
        """Accept invitations from now on."""
        self._host.set_stream_handler(DCUTR, self._accept)

    async def invite(self, conn: INetConn) -> None:
        """Try to get a direct connection to whoever came through a circuit."""
        await trio.sleep(random.uniform(*WAIT_S))  # noqa: S311 - nothing to guess
        peer_id = conn.muxed_conn.peer_id
        if not self._is_of_use(peer_id):
            return
        self._begin(peer_id)
        stream = None
        try:
            with trio.fail_after(3 * MESSAGE_S + DIAL_S):
                stream = await open_stream(conn, DCUTR)
                begun_s = trio.current_time()
                await say(stream, self._where(HolePunch.CONNECT), within_s=MESSAGE_S)
                there = self._read(await hear(stream, HolePunch, within_s=MESSAGE_S))
                round_trip_s = trio.current_time() - begun_s
                await say(stream, HolePunch(type=HolePunch.SYNC), within_s=MESSAGE_S)
                await trio.sleep(round_trip_s / 2)
                with trio.fail_after(DIAL_S):
                    await self._swarm.dial_addr_as_responder(there, peer_id, self._source())
        except Exception as error:  # the library raises what it likes when a dial fails
            self._counters.add("punches_failed")
            logger.debug("no direct connection: %r", error, extra={"peer": str(peer_id)})
        else:
            self._counters.add("punches_done")
            await self._give_up_circuits(peer_id)
        finally:
            self._busy.discard(peer_id)
            if stream is not None:
                await end_stream(stream, politely=False)

    async def _accept(self, stream: INetStream) -> None:
        peer_id = stream.muxed_conn.peer_id
        if not self._is_dialled_circuit(stream.muxed_conn) or not self._is_of_use(peer_id):
            await end_stream(stream, politely=False)
            return
        self._begin(peer_id)
        try:
            there = self._read(await hear(stream, HolePunch, within_s=MESSAGE_S))
            await say(stream, self._where(HolePunch.CONNECT), within_s=MESSAGE_S)
            sync = await hear(stream, HolePunch, within_s=MESSAGE_S)
            if sync.type != HolePunch.SYNC:
                raise BadCircuit("no SYNC came")
            with trio.fail_after(DIAL_S):
                await self._dial(there, peer_id)
        except Exception as error:  # the library raises what it likes when a dial fails
            self._counters.add("punches_failed")
            logger.debug("no direct connection: %r", error, extra={"peer": str(peer_id)})
        else:
            self._counters.add("punches_done")
            await self._give_up_circuits(peer_id)
        finally:
            self._busy.discard(peer_id)
            await end_stream(stream, politely=False)

    async def _dial(self, there: Multiaddr, peer_id: ID) -> None:
        transport = self._swarm.transport_manager.transport_for_dialing(there)
        raw = await transport.dial_with_source(there, self._source())
        try:
            await self._swarm.upgrade_outbound_raw_conn(raw, peer_id)
        except BaseException:
            # The library leaves it open when it is cancelled while nothing comes.
            with shielded(1):
                await raw.close()
            raise

    def _is_dialled_circuit(self, muxed: Any) -> bool:
        """Return whether a connection is a circuit that we dialled.

        Only then the direct one is ours to dial: whoever came to us would else have us count him
        among those we chose.
        """
        connections = self._swarm.get_connections(muxed.peer_id)
        return is_relayed(muxed) and any(
            conn.muxed_conn is muxed and is_dialled(conn) for conn in connections
        )

    def _begin(self, peer_id: ID) -> None:
        self._busy.add(peer_id)
        self._tried_s[peer_id] = trio.current_time()

    def _is_of_use(self, peer_id: ID) -> bool:
        connections = self._swarm.get_connections(peer_id)
        since_s = trio.current_time() - AGAIN_S
        self._tried_s = {who: when for who, when in self._tried_s.items() if when > since_s}
        return (
            peer_id not in self._tried_s
            and len(self._tried_s) < TRIED_MAX
            and len(self._busy) < PUNCHES_MAX
            and bool(self._own_ip())
            and all(is_relayed(conn.muxed_conn) for conn in connections)
        )

    def _where(self, kind: HolePunch.Type.ValueType) -> HolePunch:
        address = Multiaddr(f"/ip4/{self._own_ip()}/tcp/{self._source()[1]}")
        return HolePunch(type=kind, ObsAddrs=[address.to_bytes()])

    def _source(self) -> tuple[str, int]:
        """Return where we listen: from there the dial must come, for the routers to match it."""
        for address in self._host.get_transport_addrs():
            parts = str(address).split("/")
            if parts[1] == "ip4":
                return parts[2], int(parts[4])
        raise BadCircuit("we do not listen on IPv4")

    async def _give_up_circuits(self, peer_id: ID) -> None:
        """End the circuits that we dialled; the other end does the same with its own."""
        for conn in list(self._swarm.get_connections(peer_id)):
            if is_relayed(conn.muxed_conn) and is_dialled(conn):
                await abort(conn)

    def _read(self, message: HolePunch) -> Multiaddr:
        """Return where the other end is seen; the first address alone.

        Raises:
            BadCircuit: It is none of TCP over IPv4 beyond our own network.
            Unclear: It is no address.
        """
        if message.type != HolePunch.CONNECT or not message.ObsAddrs:
            raise BadCircuit("no CONNECT with an address came")
        ip = ip_address(read_ip(message.ObsAddrs[0]))
        ours = [str(address).split("/") for address in self._host.get_addrs()]
        near = [
            ip_network(f"{parts[2]}/{NEIGHBOURS_PREFIX}", strict=False)
            for parts in ours
            if parts[1] == "ip4"
        ]
        is_odd = ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
        is_odd = is_odd or int(ip) >> 24 == 0
        # Who is seen at a public address himself cannot be met at a private one.
        is_odd = is_odd or (is_private(str(ip)) and not is_private(self._own_ip()))
        if ip.version != 4 or is_odd or any(ip in network for network in near):
            raise BadCircuit(f"we do not dial {ip} because somebody says so")
        return Multiaddr(message.ObsAddrs[0])
