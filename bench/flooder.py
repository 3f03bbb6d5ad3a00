"""A stranger who floods one node until killed: valid tasks nobody can run, old words, and garbage.

Run as `python -m bench.flooder ADDRESS GENESIS_HEX`. Each garbage it sends is a fault, so it is
refused before long, and comes back under a new key.
"""

import itertools
import os
import sys
import time

import trio

from node.net.host import NetHost
from node.ports import Relay
from protocol.errors import MarketError
from protocol.gossip import pack_gossip
from protocol.ids import PeerId
from protocol.keys import Signer
from protocol.params import Network, NetworkParams, network_of
from protocol.record import seal
from protocol.statements import Task
from protocol.topics import topics_of

LIFE_S = 60.0
PAUSE_S = 0.05
GARBAGE_EVERY = 200  # messages: some faults are forgiven, so most of what it says is heard
ALONE_S = 3.0  # then it is taken to be refused
OLD_KEPT = 64


async def _accept(topic: str, data: bytes, forwarder: PeerId) -> Relay:
    await trio.lowlevel.checkpoint()
    return Relay.IGNORE


async def _live(address: str, network: Network) -> None:
    """Flood under one key, until that is refused or old."""
    topics = topics_of(network.network_id)
    seed = os.urandom(32)
    signer = Signer(seed)
    host = NetHost(
        seed=seed,
        listen=["/ip4/127.0.0.1/tcp/0"],
        announce=[],
        topics=[topics.records, topics.presence],
        gate=_accept,
        answerers={},
        watcher=lambda peer_id, is_here: None,
    )
    old: list[bytes] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        await host.dial(address)
        with trio.move_on_after(LIFE_S):
            heard_s = trio.current_time()
            for number in itertools.count(1):
                if host.peers():
                    heard_s = trio.current_time()
                elif trio.current_time() - heard_s > ALONE_S:
                    break
                if number % GARBAGE_EVERY == 0:
                    data = os.urandom(200)
                elif number % 2 and len(old) == OLD_KEPT:
                    data = pack_gossip([old[number % OLD_KEPT], old[number * 7 % (OLD_KEPT - 1)]])
                else:
                    task = Task(os.urandom(16), "nobody-runs-this", b"", b"x" * 200, 3, 0, b"")
                    now_ms = time.time_ns() // 1_000_000
                    record = seal([task], signer=signer, created_ms=now_ms, network=network)
                    data = pack_gossip([record.raw])
                    old = [record.raw, *old][:OLD_KEPT]
                await host.publish(topics.records, data)
                await trio.sleep(PAUSE_S)
        nursery.cancel_scope.cancel()


async def _flood(address: str, genesis: str) -> None:
    network = network_of(NetworkParams(genesis=bytes.fromhex(genesis), name="private"))
    while True:
        try:
            await _live(address, network)
        except MarketError:
            await trio.sleep(1)


if __name__ == "__main__":
    trio.run(_flood, sys.argv[1], sys.argv[2])
