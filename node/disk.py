"""Watching the disk: how much of the limit is used, and whether any room is left at all."""

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from node.config import Config
from node.core.events import Room
from node.loop import Loop
from node.recovery import PROBE_BYTES

logger = logging.getLogger(__name__)

LOOK_S = 0.5
MEASURE_EVERY = 10  # looks; adding up thousands of tables takes some milliseconds
FULL_PERCENT = 90  # of the limit: nothing foreign is stored from here on,
AGAIN_PERCENT = 85  # until it is this little, for merging tables moves the size up and down


async def watch_disk(config: Config, loop: Loop) -> None:
    """Tell a node's loop how the disk of its directory is, until cancelled."""

    async def note_room(is_full: bool) -> None:
        if is_full:
            logger.warning("behind: 90 % of the disk limit is used; nothing foreign is stored")
        await loop.tell(Room(is_full))

    await DiskWatch(
        config.directory,
        limit_bytes=config.disk_limit_bytes,
        room=note_room,
        no_space=loop.suspend,
    ).run()


class DiskWatch:
    """Looks at a data directory twice a second."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int | None,
        room: Callable[[bool], Awaitable[None]],
        no_space: Callable[[str], Awaitable[None]],
    ) -> None:
        """Take what to watch and whom to tell.

        Args:
            folder: The data directory.
            limit_bytes: How large it may grow; None for no limit.
            room: Told that the limit is near (True), or no longer.
            no_space: Told, in words, that the disk is full; may be told again and again.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._room = room
        self._no_space = no_space
        self._is_full = False

    async def run(self) -> None:
        """Run until cancelled."""
        looks = 0
        while True:
            free_bytes = await trio.to_thread.run_sync(free_bytes_of, self._folder)
            if free_bytes < PROBE_BYTES:
                left = f"{free_bytes} bytes left, need {PROBE_BYTES}"
                await self._no_space(f"no space on the disk of {self._folder}: {left}")
            if self._limit_bytes is not None and looks % MEASURE_EVERY == 0:
                used_bytes = await trio.to_thread.run_sync(size_bytes_of, self._folder)
                await self._judge(used_bytes, self._limit_bytes)
            looks += 1
            await trio.sleep(LOOK_S)

    async def _judge(self, used_bytes: int, limit_bytes: int) -> None:
        percent = AGAIN_PERCENT if self._is_full else FULL_PERCENT
        is_full = used_bytes * 100 >= limit_bytes * percent
        if is_full != self._is_full:
            self._is_full = is_full
            await self._room(is_full)


def free_bytes_of(folder: Path) -> int:
    """Return how much may still be written where a folder is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def size_bytes_of(folder: Path) -> int:
    """Return the size of all files in a folder and below; what vanishes meanwhile counts 0."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return total
