"""A peer that says of itself, and of another, what no node would; a program, and its start.

Run as `python -m tests.dashboard.rude_peer ADDRESS GENESIS WHO ANOTHER`: joins the mesh of the node
at the address under WHO's key, says `ready` once it is connected there, and says until its standard
input ends that both are here. What they can run is markup, their state is nobody's, and ANOTHER is
nowhere.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio

from node.config import make_network
from node.net.host import NetHost
from node.ports import Relay
from protocol.gossip import pack_gossip
from protocol.ids import Digest, PeerId
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import seal
from protocol.statements import Capability, Presence
from protocol.topics import topics_of
from tests.builders import key, signer
from tests.loopback.nodes import ROOT, RealNode, Street

CAPABILITY = "<script>\u202ealert(2)</script>"  # turns round what follows it
LOAD = 12_345
NOBODYS = Digest(b"\x01" * 32)
TTL_MS = 30_000
AGAIN_S = 1.0


@contextmanager
def rude_peer(town: Street, node: RealNode, who: str, another: str) -> Iterator[None]:
    """Have somebody rude connected to a node, who tells it of another."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, node.address, town.genesis, who, another],
        cwd=ROOT,
        stdin=subprocess.PIPE,  # ends with us, whatever ends us
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def presence(who: str, network: Network) -> bytes:
    """Return a message that says somebody is here."""
    said = Presence((Capability(CAPABILITY, b""),), LOAD, TTL_MS, (), 0, 0, bytes(16), NOBODYS)
    now_ms = time.time_ns() // 1_000_000
    record = seal([said], signer=signer(who), created_ms=now_ms, network=network)
    return pack_gossip([record.raw])


def seed_of(who: str) -> bytes:
    """Return what `tests.builders` makes somebody's key of."""
    seed = hashlib.sha256(b"test key " + who.encode()).digest()
    assert Signer(seed).public_key == key(who)
    return seed


async def _ignore(topic: str, data: bytes, forwarder: PeerId) -> Relay:
    await trio.lowlevel.checkpoint()
    return Relay.IGNORE


async def _say(host: NetHost, topic: str, network: Network, all_here: Sequence[str]) -> None:
    while True:
        for who in all_here:
            await host.publish(topic, presence(who, network))
        await trio.sleep(AGAIN_S)


async def main(address: str, genesis: str, who: str, another: str) -> None:
    network = make_network(name=None, genesis=genesis)
    topics = topics_of(network.network_id)
    host = NetHost(
        seed=seed_of(who),
        listen=["/ip4/127.0.0.1/tcp/0"],
        announce=[],
        topics=[topics.records, topics.presence],
        gate=_ignore,
        answerers={},
        watcher=lambda peer_id, is_here: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        await host.dial(address)
        print("ready", flush=True)
        nursery.start_soon(_say, host, topics.presence, network, (who, another))
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
