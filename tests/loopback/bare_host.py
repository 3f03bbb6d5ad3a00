"""A bare network host as a program: echoes requests, accepts gossip, says what it counted.

Run as `python -m tests.loopback.bare_host SEED_HEX [LISTEN]`; prints its address, then waits to be
killed. A gossip message that begins with `raise` makes its gate fail. Whoever asks what it counted
has it give back what it does not use, so that its size tells what it holds.
"""

import ctypes
import gc
import json
import logging
import sys

import trio

from node.net.host import NetHost
from node.ports import Relay
from protocol.ids import PeerId

LOG = "/test/log"
PRESENCE = "/test/presence"
ECHO = "/test/echo"
STATS = "/test/stats"
STALL = "/test/stall"


async def gate(topic: str, data: bytes, forwarder: PeerId) -> Relay:
    await trio.lowlevel.checkpoint()
    if data.startswith(b"raise"):
        raise RuntimeError("a gate that fails")
    if data.startswith(b"reject"):
        return Relay.REJECT
    return Relay.ACCEPT


async def echo(peer_id: PeerId, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    return request


async def stall(peer_id: PeerId, request: bytes) -> bytes:
    await trio.sleep(0.2)
    return bytes(1_000_000)


async def main(seed: bytes, listen: str) -> None:
    async def stats(peer_id: PeerId, request: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps tens of MiB at its pleasure
        return json.dumps(net.stats()).encode()

    net = NetHost(
        seed=seed,
        listen=[listen],
        announce=[],
        topics=[LOG, PRESENCE],
        gate=gate,
        answerers={ECHO: echo, STATS: stats, STALL: stall},
        watcher=lambda peer_id, is_here: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(net.run)
        print(net.addresses()[0], flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    trio.run(
        main,
        bytes.fromhex(sys.argv[1]),
        sys.argv[2] if len(sys.argv) > 2 else "/ip4/127.0.0.1/tcp/0",
    )
