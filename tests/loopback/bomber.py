"""A stranger with 3,000 signed records for one node, as a program of its own on one core.

Run as `python -m tests.loopback.bomber HOST PORT PEER_ID TOPIC GENESIS`: makes the records, says
`ready`, and sends them in the way that each line of its input names, under a new name each time;
then it says `sent`, and stays. Ends with its input.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.exceptions import MuxedStreamError

from node.config import make_network
from node.net.limits import NetLimits
from protocol.gossip import pack_gossip
from protocol.keys import Signer
from protocol.params import GOSSIP_RECORDS_MAX, Network
from protocol.record import seal
from protocol.statements import Profile
from tests.loopback.intruder import MESHSUB, Target, framed, intruder

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

RECORDS = 3_000
LIMITS = NetLimits()
CROWD = 1_000  # messages in one frame: thirty times what is allowed, and not too long
FULL = 28  # messages of as many records as there may be: a frame of nearly 256 KiB
TAKEN = frozenset({"allowed", "packed"})
ENDED_WITHIN_S = 10.0


def records_by(network: Network, count: int) -> list[bytes]:
    """Return records by one new key, each signed as it should be."""
    signer = Signer(os.urandom(32))
    return [
        seal([Profile(number, "m", "x")], signer=signer, created_ms=1, network=network).raw
        for number in range(count)
    ]


def frames_of(topic: str, messages: Sequence[bytes], per_frame: int) -> list[bytes]:
    said = [rpc_pb2.Message(data=data, topicIDs=[topic]) for data in messages]
    return [
        framed(rpc_pb2.RPC(publish=said[start : start + per_frame]).SerializeToString())
        for start in range(0, len(said), per_frame)
    ]


def ways(topic: str, network: Network) -> dict[str, list[bytes]]:
    """Return the frames of each way: what is refused comes first, so that it is news later."""
    one_each = [pack_gossip(records_by(network, 1)) for _ in range(RECORDS)]
    packed = [
        pack_gossip(records_by(network, GOSSIP_RECORDS_MAX))
        for _ in range(RECORDS // GOSSIP_RECORDS_MAX + 1)
    ]
    return {
        "at once": frames_of(topic, one_each, RECORDS),
        "crowded": frames_of(topic, one_each, CROWD),
        "allowed": frames_of(topic, one_each, LIMITS.rpc_messages_max),
        "packed": frames_of(topic, packed, FULL),
    }


async def bomb(
    target: Target,
    frames: Sequence[bytes],
    *,
    is_taken: bool,
    task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Send frames, each on a stream of its own if it has the node end that stream, and stay."""
    async with intruder(target) as stranger:
        if is_taken:
            await (await stranger.open(MESHSUB)).write(b"".join(frames))
        else:
            for frame in frames:
                with contextlib.suppress(MuxedStreamError), trio.fail_after(ENDED_WITHIN_S):
                    stream = await stranger.open(MESHSUB)
                    await stream.write(frame)
                    await stream.read(1)
        task_status.started()
        await trio.sleep_forever()


async def main(host: str, port: str, peer_id: str, topic: str, genesis: str) -> None:
    target = Target(host, int(port), peer_id, (topic,))
    made = ways(topic, make_network(name=None, genesis=genesis))
    print("ready", flush=True)
    read: Callable[[], str] = sys.stdin.readline
    async with trio.open_nursery() as nursery:
        while way := (await trio.to_thread.run_sync(read)).strip():
            await nursery.start(partial(bomb, target, made[way], is_taken=way in TAKEN))
            print("sent", flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    trio.run(main, *sys.argv[1:])
