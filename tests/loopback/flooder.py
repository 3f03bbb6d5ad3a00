"""Ten strangers who send one node valid junk at full speed, as a program of its own on one core.

Run as `python -m tests.loopback.flooder HOST PORT PEER_ID TOPIC GENESIS`: makes the junk, says
`ready`, waits for a line, and floods until it is killed. Each record is by a new key and signed as
it should be; what the node had no room for is new to it when it comes again.
"""

import os
import sys

import trio
from libp2p.pubsub.pb import rpc_pb2

from node.config import make_network
from protocol.gossip import pack_gossip
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import seal
from protocol.statements import Profile
from tests.loopback.intruder import MESHSUB, Target, framed, intruder

FLOODERS = 10
PER_FRAME = 32  # as many as one frame may have
FRAMES_EACH = 60  # a thousand records and more are taken at once, then a hundred a second
AGAIN_S = 0.05


def junk(topic: str, network: Network) -> bytes:
    """Return a frame as full as may be of records by new keys, each signed as it should be."""
    messages = []
    for _ in range(PER_FRAME):
        signer = Signer(os.urandom(32))
        record = seal([Profile(0, "m", "x")], signer=signer, created_ms=1, network=network)
        messages.append(rpc_pb2.Message(data=pack_gossip([record.raw]), topicIDs=[topic]))
    return framed(rpc_pb2.RPC(publish=messages).SerializeToString())


async def flood(target: Target, frames: list[bytes]) -> None:
    """Send the same frames over and over, on a new connection whenever one ends."""
    while True:
        try:
            async with intruder(target) as stranger:
                stream = await stranger.open(MESHSUB)
                while True:
                    for frame in frames:
                        await stream.write(frame)
        except Exception as error:  # the node hung up, in one of a dozen ways
            del error
        await trio.sleep(AGAIN_S)


async def main(host: str, port: str, peer_id: str, topic: str, genesis: str) -> None:
    target = Target(host, int(port), peer_id, (topic,))
    network = make_network(name=None, genesis=genesis)
    made = [[junk(topic, network) for _ in range(FRAMES_EACH)] for _ in range(FLOODERS)]
    print("ready", flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)
    async with trio.open_nursery() as nursery:
        for frames in made:
            nursery.start_soon(flood, target, frames)


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    trio.run(main, *sys.argv[1:])
