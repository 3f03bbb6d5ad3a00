"""What we ask of DNS servers, and of peers that are not of our network."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import trio
from libp2p.abc import INetStream
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.utils.varint import encode_varint_prefixed
from multiaddr import Multiaddr

from bootstrap.address_list import PREFIX, follow_list
from bootstrap.leads import AddressList
from node.errors import DialFailed, PeerFailed
from node.net.resolver import Resolver
from node.net.stack import IDENTIFY
from protocol.topics import network_in, topics_of
from tests.bootstrap.peer_names import address
from tests.builders import NETWORK
from tests.node.net_hosts import Station, running


@asynccontextmanager
async def a_server(records: dict[str, list[str]]) -> AsyncIterator[Resolver]:
    """Answer questions for TXT records on loopback; whatever is not there does not exist."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))

        async def serve() -> None:
            while True:
                data, sender = await sock.recvfrom(4_096)
                query = dns.message.from_wire(data)
                answer = dns.message.make_response(query)
                name = query.question[0].name
                texts = records.get(name.to_text(omit_final_dot=True))
                if texts is None:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                elif texts:
                    quoted = [f'"{text}"' for text in texts]
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
                wire = answer.to_wire(max_size=65_535)
                if len(wire) < 1_200:
                    await sock.sendto(wire, sender)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield Resolver(["127.0.0.1"], sock.getsockname()[1])
            nursery.cancel_scope.cancel()


async def test_texts__are_read_from_a_server() -> None:
    records = {"a.example": ["one", "two words"], "empty.example": []}
    async with a_server(records) as resolver:
        assert sorted(await resolver.texts("a.example")) == ["one", "two words"]
        assert await resolver.texts("empty.example") == []
        assert await resolver.texts("nowhere.example") == []


async def test_texts__lead_from_a_name_to_addresses() -> None:
    records = {
        f"{PREFIX}boot.example": ["dnsaddr=/dnsaddr/more.example", f"dnsaddr={address(1)}"],
        f"{PREFIX}more.example": [f"dnsaddr={address(2)}"],
    }
    async with a_server(records) as resolver:
        wanted = AddressList("/dnsaddr/boot.example", "boot.example", None)

        assert set(await follow_list(wanted, resolver.texts)) == {address(1), address(2)}


async def test_texts__say_that_nobody_answers() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    with pytest.raises(DialFailed, match=r"cannot look up a\.example"):
        await Resolver(["127.0.0.1"], port, within_s=0.5).texts("a.example")


async def test_networks_of__names_the_network_of_a_peer() -> None:
    async def answer(peer_id: object, request: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        return b""

    topics = topics_of(NETWORK.network_id)
    ann, bob = Station("ann"), Station("bob")
    ann.build()
    bob.build(answerers={topics.compare_stream: answer, topics.push_stream: answer})
    async with running(ann, bob):
        with pytest.raises(PeerFailed, match="not connected"):
            await ann.net.networks_of(bob.net.peer_id)
        await ann.net.dial(bob.net.addresses()[0])

        assert await ann.net.networks_of(bob.net.peer_id) == (NETWORK.network_id.hex(),)
        assert await bob.net.networks_of(ann.net.peer_id) == ()


async def test_networks_of__passes_over_names_that_are_no_text() -> None:
    """The parser gives such a name as bytes, which ended any node that had dialled its peer."""
    ours = topics_of(NETWORK.network_id).compare_stream
    for said, networks in (([], ()), ([ours.encode()], (NETWORK.network_id.hex(),))):
        ann, bob = Station("ann"), Station("bob")
        ann.build()
        bob.build()

        async def lie(stream: INetStream, said: list[bytes] = said) -> None:
            names = (b"\x1a" + bytes([len(name)]) + name for name in [b"\x80\xff", *said])
            seen = Identify(observed_addr=Multiaddr("/ip4/203.0.113.5/tcp/1").to_bytes())
            answer = seen.SerializeToString() + b"".join(names)
            await stream.write(encode_varint_prefixed(answer))
            await stream.close()

        bob.net._host.set_stream_handler(IDENTIFY, lie)
        async with running(ann, bob):
            await ann.net.dial(bob.net.addresses()[0])

            assert await ann.net.networks_of(bob.net.peer_id) == networks


def test_network_in__reads_what_topics_of_wrote_and_nothing_else() -> None:
    assert network_in(topics_of(NETWORK.network_id).records) == NETWORK.network_id.hex()
    for name in ("", "/ipfs/id/1.0.0", "/aimarket/1/zz/records", f"/aimarket/1/{'a' * 31}/x"):
        assert network_in(name) is None
