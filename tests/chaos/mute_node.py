"""A node that lacks one of the two ways by which records travel, for tests alone.

Run as `python -m tests.chaos.mute_node WAY [OPTIONS OF A NODE]`. The way it lacks is `gossip` (it
publishes nothing), `records` (it publishes its presence alone) or `sync` (it compares with nobody,
though it answers).
"""

import sys

import trio

from node.core.sync import SyncPlanner
from node.main import main
from node.net.host import NetHost

publish = NetHost.publish


async def publish_nothing(self: NetHost, topic: str, data: bytes) -> None:
    """Take a message to be published, and drop it."""
    await trio.lowlevel.checkpoint()


async def publish_presence(self: NetHost, topic: str, data: bytes) -> None:
    """Publish it unless it carries records."""
    if topic.endswith("presence"):
        await publish(self, topic, data)
    else:
        await trio.lowlevel.checkpoint()


def compare_never(self: SyncPlanner, now_ms: int, *, waits_for_ms: int | None = None) -> None:
    """Begin no session."""


def mute(way: str) -> None:
    """Take a way from every node of this process."""
    owner, method, without = {
        "gossip": (NetHost, "publish", publish_nothing),
        "records": (NetHost, "publish", publish_presence),
        "sync": (SyncPlanner, "next", compare_never),
    }[way]
    setattr(owner, method, without)


if __name__ == "__main__":
    mute(sys.argv.pop(1))
    main()
