"""Keeps every word that nodes of a network let others hear.

Run as `python -m tests.loopback.listener FILE NETWORK_ID_HEX ADDRESS...`: follows both topics, asks
every address what it tells strangers, and appends all of it to the file, frame after frame. Prints
a line once it misses nothing any more. Ends when it is killed.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from node.exchange import pack_blobs
from node.net.host import NetHost
from node.ports import Relay
from protocol.ids import NetworkId, PeerId
from protocol.topics import topics_of


async def main(file: Path, network_id: NetworkId, addresses: Sequence[str]) -> None:
    topics = topics_of(network_id)

    def keep(data: bytes) -> None:
        with file.open("ab") as out:
            out.write(data + b"\n")

    async def gate(topic: str, data: bytes, forwarder: PeerId) -> Relay:
        await trio.lowlevel.checkpoint()
        keep(data)
        return Relay.ACCEPT

    net = NetHost(
        seed=os.urandom(32),
        listen=["/ip4/127.0.0.1/tcp/0"],
        announce=[],
        topics=[topics.records, topics.presence],
        gate=gate,
        answerers={},
        watcher=lambda peer_id, is_here: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(net.run)
        for address in addresses:
            peer_id = await net.dial(address)
            keep(await net.ask(peer_id, topics.presence_stream, pack_blobs([])))
            keep(await net.ask(peer_id, topics.leaderboard_stream, b""))
        while sum(peer.in_mesh for peer in net.peers()) < len(addresses):  # noqa: ASYNC110
            await trio.sleep(0.05)  # nothing announces it
        print("listening", flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), NetworkId(bytes.fromhex(sys.argv[2])), sys.argv[3:])
