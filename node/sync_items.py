"""What is compared with a peer: the log in its rows, or as a snapshot in memory.

A first message is answered from the rows, where equal logs cost a walk or two. Once logs differ,
every range of a message costs such walks, so the log is read into memory, 40 bytes a record.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice

import trio

from consensus.range_sums import order_keys, sync_items
from node.loop import Loop
from node.ports import Log
from node.salted import SaltedItems, salted_pairs
from protocol.reconcile_items import Items, PackedItems
from protocol.reconcile_wire import Bound

Settled = Callable[[], AbstractAsyncContextManager[None]]  # keeps the log as it is on the disk

KEYS_PER_SLICE = 20_000  # measured: 30 ms of the loop
FRESH_ITEMS_MAX = 4_000  # so few are read anew for every message
SNAPSHOT_AGE_S = 2.0  # what came since is found next time
SNAPSHOT_REST = 20.0  # an old snapshot is kept so many times as long as it took to read,
FORGOTTEN_S = 60.0  # and given up when nobody has asked for it for so long


class SyncItems:
    """The log as it is compared, as of now or of a moment ago."""

    def __init__(self, loop: Loop, log: Log) -> None:
        self._loop = loop
        self._log = log
        self._building = trio.Lock()
        self._snapshot = PackedItems(b"")
        self._fresh_until_s = self._used_s = 0.0

    def forget(self) -> None:
        """Give the memory of an old snapshot back."""
        if self._snapshot.size and trio.current_time() - self._used_s >= FORGOTTEN_S:
            self._snapshot = PackedItems(b"")
            self._fresh_until_s = 0.0

    @asynccontextmanager
    async def in_rows(self, since_ms: int, settled: Settled | None = None) -> AsyncIterator[Items]:
        """Lend the records from a moment on as they are on the disk; nothing changes meanwhile.

        Strangers bring a `settled` of theirs, which has them wait for each other first.
        """
        async with (settled or self._loop.settled)():
            yield sync_items(self._log, start=Bound(since_ms, b""))

    async def in_memory(self, since_ms: int, settled: Settled | None = None) -> Items:
        """Return the records from a moment on as they were some seconds ago at most."""
        async with self.in_rows(since_ms, settled) as items:
            is_small = items.size <= FRESH_ITEMS_MAX
        if is_small:
            return PackedItems(b"".join(await self._read(since_ms, settled)))
        async with self._building:
            if trio.current_time() >= self._fresh_until_s:
                begun_s = trio.current_time()
                keys = await self._read(0)
                self._snapshot = await trio.to_thread.run_sync(lambda: PackedItems(b"".join(keys)))
                took_s = trio.current_time() - begun_s
                self._fresh_until_s = begun_s + max(SNAPSHOT_AGE_S, SNAPSHOT_REST * took_s)
            self._used_s = trio.current_time()
        return self._snapshot.since(Bound(since_ms, b""))

    async def salted(self, salt: bytes) -> SaltedItems:
        """Return all records under ids hashed with a salt."""
        async with self._building:
            keys = await self._read(0)
            return await trio.to_thread.run_sync(_salted, salt, keys)

    async def _read(self, since_ms: int, settled: Settled | None = None) -> list[bytes]:
        """Read places in slices, so that the loop goes on; all are of one moment."""
        async with (settled or self._loop.settled)():
            keys = order_keys(self._log, since_ms=since_ms)
        slices: list[bytes] = []
        while some := b"".join(islice(keys, KEYS_PER_SLICE)):
            slices.append(some)
            await trio.lowlevel.checkpoint()
        return slices


def _salted(salt: bytes, slices: Sequence[bytes]) -> SaltedItems:
    return SaltedItems(salt, salted_pairs(salt, slices))
