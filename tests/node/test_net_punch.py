"""Where an invitation to dial at once may send us."""

import pytest
from libp2p.host.exceptions import StreamFailure
from libp2p.network.stream.exceptions import StreamError
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch
from multiaddr import Multiaddr

from node.net.circuit import BadCircuit, hear, say
from node.net.counters import Counters
from node.net.observed import Unclear
from node.net.punch import AGAIN_S, DCUTR, Punch
from tests.node.circuit_hosts import ANSWER_S, hide, stream_to, town
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
