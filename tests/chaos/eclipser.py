"""Surrounds one node: takes its inbound places from many addresses, and names thousands more.

Run as `python -m tests.chaos.eclipser NETWORK_ID_HEX HOST PORT PEER_ID` where all addresses of
`own_addresses` are this machine's. Some of those that are named are real nodes, which follow the
topics and answer nothing. Prints a line each time that all were named once more; ends when it is
killed.
"""

import hashlib
import itertools
import sys
import time
from collections.abc import Iterator

import trio
from libp2p.pubsub.pb import rpc_pb2

from node.names import peer_id_of
from node.net.host import NetHost
from node.ports import Relay
from protocol.gossip import pack_gossip
from protocol.ids import NetworkId, PeerId
from protocol.keys import Signer
from protocol.params import ADDRESSES_MAX, TTL_MS_MAX, Network, NetworkParams
from protocol.record import seal
from protocol.topics import Topics, topics_of
from tests.builders import a_presence
from tests.loopback.intruder import MESHSUB, Intruder, Target, framed, intruder
from tests.loopback.test_live_killers import take_and_forget

GROUPS = ("31.1", "31.2")
PORT = 7460
NODES = 4  # of a group, that are real
CALLERS = 55  # of a group; together more than all inbound places of a node
NAMED = 5_000
NAMED_BY_EACH = 4  # addresses of one peer; a node remembers no more of it
PACE_S = 1 / 16  # a node looks at so many presences a second
AGAIN_S = 0.5

assert NAMED_BY_EACH <= ADDRESSES_MAX


def own_addresses() -> list[str]:
    """Return where its nodes are, and where its callers come from."""
    return [*nodes(), *callers()]


def nodes() -> list[str]:
    return [f"{group}.0.{number}" for number in range(1, NODES + 1) for group in GROUPS]


def callers() -> list[str]:
    return [f"{group}.1.{number}" for number in range(1, CALLERS + 1) for group in GROUPS]


def seed_at(host: str) -> bytes:
    return hashlib.sha256(b"eclipser " + host.encode()).digest()


def named() -> Iterator[tuple[Signer, list[str]]]:
    """Return every key with the hosts that it says it has; together `NAMED` hosts."""
    for host in nodes():
        yield Signer(seed_at(host)), [host]
    numbers = itertools.product(range(2, 200), range(1, 251), GROUPS)
    hosts = (f"{group}.{high}.{low}" for high, low, group in numbers)
    for _ in range((NAMED - len(nodes())) // NAMED_BY_EACH):
        mine = list(itertools.islice(hosts, NAMED_BY_EACH))
        yield Signer(seed_at(mine[0])), mine


async def name_all(network: Network, topic: str, out: "trio.MemorySendChannel[bytes]") -> None:
    """Say of everybody where it is, over and over."""
    for number in itertools.count(1):
        count = 0
        for signer, hosts in named():
            peer_id = peer_id_of(signer.public_key)
            addresses = [f"/ip4/{host}/tcp/{PORT}/p2p/{peer_id}" for host in hosts]
            said = a_presence(ttl_ms=TTL_MS_MAX, addresses=addresses)
            now_ms = int(time.time() * 1_000)
            record = seal([said], signer=signer, created_ms=now_ms, network=network)
            message = rpc_pb2.Message(data=pack_gossip([record.raw]), topicIDs=[topic])
            await out.send(framed(rpc_pb2.RPC(publish=[message]).SerializeToString()))
            count += len(hosts)
            await trio.sleep(PACE_S)
        print(f"named {count} addresses, time {number}", flush=True)


async def call_for_ever(target: Target, words: "trio.MemoryReceiveChannel[bytes]") -> None:
    """Hold a place at the target, and say there what is to be said."""
    while True:
        try:
            async with intruder(target) as stranger, trio.open_nursery() as nursery:
                nursery.start_soon(answer_probes, stranger, target)
                stream = await stranger.open(MESHSUB)
                follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=one) for one in target.topics]
                rpc = rpc_pb2.RPC(subscriptions=follow)
                await stream.write(framed(rpc.SerializeToString()))
                async for frame in words:
                    await stream.write(frame)
        except Exception as error:  # refused, or cut, in one of a dozen ways
            del error
        await trio.sleep(AGAIN_S)


async def answer_probes(stranger: Intruder, target: Target) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(take_and_forget, await stranger.muxed.accept_stream(), target)


def a_node(host: str, topics: Topics) -> NetHost:
    """Return a real node that takes what it is told and keeps it to itself."""

    async def gate(topic: str, data: bytes, forwarder: PeerId) -> Relay:
        await trio.lowlevel.checkpoint()
        return Relay.IGNORE

    return NetHost(
        seed=seed_at(host),
        listen=[f"/ip4/{host}/tcp/{PORT}"],
        announce=[],
        topics=[topics.records, topics.presence],
        gate=gate,
        answerers={},
        watcher=lambda peer_id, is_here: None,
    )


async def main(network_id: NetworkId, host: str, port: int, peer_id: str) -> None:
    network, topics = Network(NetworkParams(), network_id), topics_of(network_id)
    followed = (topics.records, topics.presence)
    send, receive = trio.open_memory_channel[bytes](0)
    async with trio.open_nursery() as nursery:
        for own in nodes():
            await nursery.start(a_node(own, topics).run)
        for own in callers():
            target = Target(host, port, peer_id, followed, (), own)
            nursery.start_soon(call_for_ever, target, receive)
        await name_all(network, topics.presence, send)


if __name__ == "__main__":
    trio.run(
        main, NetworkId(bytes.fromhex(sys.argv[1])), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    )
