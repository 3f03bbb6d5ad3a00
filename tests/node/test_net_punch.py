"""Where an invitation to dial at once may send us."""

from functools import partial
from typing import Any

import pytest
import trio
from libp2p.abc import INetConn, INetStream
from libp2p.host.exceptions import StreamFailure
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch
from multiaddr import Multiaddr

from node.net import punch
from node.net.circuit import BadCircuit, hear, is_relayed, say
from node.net.counters import Counters
from node.net.observed import Unclear
from node.net.punch import AGAIN_S, DCUTR, Punch
from node.net.sockets import is_dialled
from tests.node.circuit_hosts import ANSWER_S, Town, circuit_addresses, hide, stream_to, town
from tests.node.net_hosts import Station, running, until

PUBLIC = "/ip4/203.0.113.5/tcp/7460"


def invitation(*addresses: str) -> HolePunch:
    said = [Multiaddr(address).to_bytes() for address in addresses]
    return HolePunch(type=HolePunch.CONNECT, ObsAddrs=said)


async def invite(station: Station, other: Station) -> None:
    """Invite a station over whatever connection there is, and wait for its answer."""
    async with stream_to(station, other, DCUTR) as stream:
        await say(stream, invitation(PUBLIC), within_s=ANSWER_S)
        await hear(stream, HolePunch, within_s=ANSWER_S)


async def leave_it(conn: INetConn) -> None:
    """Stand for an invitation that is never made."""
    await trio.lowlevel.checkpoint()


def dials_anywhere(station: Station) -> None:
    """Let a station know its own address, and dial on loopback as well."""
    punch = station.net._nat._punch
    punch._own_ip = lambda: "127.0.0.1"
    punch._read = lambda message: Multiaddr(message.ObsAddrs[0])  # type: ignore[method-assign]


async def meet_through_relay(made: Town) -> tuple[Station, Station]:
    """Have the first station dial the second through the relay."""
    alice, bob = made.stations
    dials_anywhere(alice)
    dials_anywhere(bob)
    await made.reserve(bob)
    await alice.net.dial(circuit_addresses(bob)[0])
    await until(lambda: has(bob, alice, is_direct=False, is_outbound=False))
    return alice, bob


def has(station: Station, other: Station, *, is_direct: bool, is_outbound: bool) -> bool:
    """Return whether such a connection is all that a station has to another."""
    found = [peer for peer in station.net.peers() if peer.peer_id == other.net.peer_id]
    return [("/p2p-circuit" not in peer.address, peer.outbound) for peer in found] == [
        (is_direct, is_outbound)
    ]


async def accept_by_hand(alice: Station, bob: Station, stream: INetStream) -> None:
    """Accept an invitation, and dial as whoever accepts does, but to where bob's dial arrives."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await hear(stream, HolePunch, within_s=ANSWER_S)
    await say(stream, invitation(f"/ip4/127.0.0.1/tcp/{port}"), within_s=ANSWER_S)
    raw = RawConnection(TrioTCPStream(await listener.accept()), True)
    await alice.net._swarm.upgrade_outbound_raw_conn(raw, bob.net._host.get_id())
    await listener.aclose()


class Hanging:
    """A swarm whose dials arrive where nobody says anything, with the connections of a real one."""

    def __init__(self, swarm: Any) -> None:
        self.get_connections = swarm.get_connections
        self.transport_manager = self
        self.is_dialled = trio.Event()
        self.is_closed = False

    def transport_for_dialing(self, _there: Multiaddr) -> "Hanging":
        return self

    async def dial_with_source(self, _there: Multiaddr, _source: tuple[str, int]) -> "Hanging":
        await trio.lowlevel.checkpoint()
        return self

    async def upgrade_outbound_raw_conn(self, _raw: "Hanging", _peer_id: ID) -> None:
        self.is_dialled.set()
        await trio.sleep_forever()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.is_closed = True


@pytest.mark.parametrize(
    "address",
    [
        "/ip4/127.0.0.1/tcp/80",
        "/ip4/127.0.0.9/tcp/80",
        "/ip4/169.254.169.254/tcp/80",
        "/ip4/0.0.0.0/tcp/80",
        "/ip4/0.1.2.3/tcp/80",
        "/ip4/224.0.0.1/tcp/80",
        "/ip4/255.255.255.255/tcp/80",
        "/ip4/10.1.2.3/tcp/80",
        "/ip4/172.17.0.1/tcp/80",
        "/ip4/192.168.77.1/tcp/80",
        "/ip6/2001:db8::1/tcp/80",
        "/ip4/203.0.113.5/udp/80",
        "/dns4/router.example/tcp/80",
    ],
)
async def test_read__sends_us_nowhere_but_to_an_address_of_ipv4_far_away(address: str) -> None:
    station = Station("alice")
    station.build()
    punch = Punch(host=station.net._host, own_ip=lambda: "", counters=Counters())

    async with running(station):
        assert str(punch._read(invitation(PUBLIC))) == PUBLIC
        for said in (invitation(address), invitation(), HolePunch(type=HolePunch.SYNC)):
            with pytest.raises((BadCircuit, Unclear)):
                punch._read(said)


async def test_accept__takes_no_invitation_over_a_direct_connection() -> None:
    async with town("alice") as made:
        (alice,) = made.stations
        hide(made.relay)

        with pytest.raises((BadCircuit, StreamError, StreamFailure)):
            await invite(alice, made.relay)

        assert not made.relay.net._nat._punch._tried_s


async def test_accept__takes_no_invitation_of_who_dialled_us() -> None:
    """We would dial a stranger because he asks for it, and count him among those we chose."""
    async with town("alice", "bob") as made:
        made.stations[1].net._nat._circuits._admitted = leave_it
        alice, bob = await meet_through_relay(made)

        with pytest.raises((BadCircuit, StreamError, StreamFailure)):
            await invite(alice, bob)

        assert not bob.net._nat._punch._tried_s
        assert has(bob, alice, is_direct=False, is_outbound=False)


async def test_accept__dials_whom_we_dialled_through_the_relay() -> None:
    async with town("alice", "bob") as made:
        made.stations[1].net._nat._circuits._admitted = leave_it
        alice, bob = await meet_through_relay(made)

        async with stream_to(bob, alice, DCUTR) as stream:
            here = bob.net._nat._punch._where(HolePunch.CONNECT)
            await say(stream, here, within_s=ANSWER_S)
            await hear(stream, HolePunch, within_s=ANSWER_S)
            await say(stream, HolePunch(type=HolePunch.SYNC), within_s=ANSWER_S)
            await until(lambda: has(alice, bob, is_direct=True, is_outbound=True))

        await until(lambda: has(bob, alice, is_direct=True, is_outbound=False))


@pytest.mark.parametrize("is_late", [True, False], ids=["late", "we stop"])
async def test_accept__closes_the_socket_of_a_handshake_that_never_ends(
    is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_late:
        monkeypatch.setattr(punch, "DIAL_S", 0.1)
    async with town("alice", "bob") as made:
        made.stations[1].net._nat._circuits._admitted = leave_it
        alice, bob = await meet_through_relay(made)
        hanging = Hanging(alice.net._swarm)
        alice.net._nat._punch._swarm = hanging

        async with stream_to(bob, alice, DCUTR) as stream:
            await say(stream, invitation(PUBLIC), within_s=ANSWER_S)
            await hear(stream, HolePunch, within_s=ANSWER_S)
            await say(stream, HolePunch(type=HolePunch.SYNC), within_s=ANSWER_S)
            await hanging.is_dialled.wait()
            if is_late:
                await until(lambda: hanging.is_closed)

    assert hanging.is_closed


async def test_invite__counts_whom_it_brings_among_those_who_dialled_us() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        by_hand = partial(accept_by_hand, alice, bob)
        alice.net._host.set_stream_handler(DCUTR, by_hand)
        await meet_through_relay(made)

        await until(lambda: bob.net.stats().get("punches_done") == 1)

        (direct,) = (
            conn
            for conn in bob.net._swarm.get_connections(alice.net._host.get_id())
            if not is_relayed(conn.muxed_conn)
        )
        assert not is_dialled(direct)
        assert not bob.net._is_outbound(alice.net._host.get_id())
        # The door counts it, too, beside the circuit that alice keeps here.
        assert bob.net._swarm._handle_inbound_connection.__self__._beside() == 2


async def test_is_of_use__tries_one_peer_once_in_a_while() -> None:
    async with town("alice") as made:
        (alice,) = made.stations
        somebody = made.relay.net._host.get_id()
        punch = Punch(host=alice.net._host, own_ip=lambda: "203.0.113.9", counters=Counters())
        await alice.net.hang_up(made.relay.net.peer_id)
        await until(lambda: not alice.net.peers())

        assert punch._is_of_use(somebody)
        punch._begin(somebody)
        punch._busy.clear()
        assert not punch._is_of_use(somebody)
        punch._tried_s[somebody] -= AGAIN_S
        assert punch._is_of_use(somebody)
