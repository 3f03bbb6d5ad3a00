"""A node that loses one of the two ways by which records travel, for tests alone.

Run as `python -m tests.chaos.mute_node WAY FILE [OPTIONS OF A NODE]`: a node like any other until
FILE exists. Then it lacks `gossip` (it publishes nothing), `records` (it publishes its presence
alone) or `sync` (it compares with nobody, though it answers).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import trio

from node.core.sync import Session, SyncPlanner
from node.main import main
from node.net.host import NetHost

publish, next_session = NetHost.publish, SyncPlanner.next


def mute_gossip(is_mute: Callable[[], bool], *, keeps_presence: bool) -> None:
    """Let every node of this process publish nothing, or its presence alone."""

    async def publish_some(self: NetHost, topic: str, data: bytes) -> None:
        if is_mute() and not (keeps_presence and topic.endswith("presence")):
            await trio.lowlevel.checkpoint()
        else:
            await publish(self, topic, data)

    setattr(NetHost, "publish", publish_some)  # noqa: B010 - a type checker would rightly refuse


def mute_sync(is_mute: Callable[[], bool]) -> None:
    """Let every node of this process begin no session."""

    def next_unless_mute(
        self: SyncPlanner, now_ms: int, *, waits_for_ms: int | None = None
    ) -> Session | None:
        return None if is_mute() else next_session(self, now_ms, waits_for_ms=waits_for_ms)

    setattr(SyncPlanner, "next", next_unless_mute)  # noqa: B010


def mute(way: str, flag: Path) -> None:
    """Take a way from every node of this process, once a file is there."""
    if way == "sync":
        mute_sync(flag.exists)
    else:
        assert way in ("gossip", "records"), way
        mute_gossip(flag.exists, keeps_presence=way == "records")


if __name__ == "__main__":
    mute(sys.argv.pop(1), Path(sys.argv.pop(1)))
    main()
