"""What is compared with a peer: the log in its rows, or as a snapshot in memory.

A first message is answered from the rows, where equal logs cost a walk or two. Once logs differ,
every range of a message costs such walks, so the log is read into memory, 40 bytes a record.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby, islice

import trio

from consensus.range_sums import order_keys, sync_items
from node.loop import Loop
from node.ports import Log
from protocol.ids import RecordId, sha256
from protocol.reconcile_items import KEY_BYTES, Items, PackedItems
from protocol.reconcile_wire import ID_BYTES, Bound

KEYS_PER_SLICE = 20_000  # measured: 30 ms of the loop
FRESH_ITEMS_MAX = 4_000  # so few are read anew for every message
SNAPSHOT_AGE_S = 2.0  # what came since is found next time
SNAPSHOT_REST = 20.0  # an old snapshot is kept so many times as long as it took to read,
FORGOTTEN_S = 60.0  # and given up when nobody has asked for it for so long
_MOMENT_BYTES = 8


class SaltedItems:
    """All records under hashed ids, in the order of those."""

    def __init__(self, salt: bytes, pairs: bytes) -> None:
        """Take the items as `salted_pairs` lays them out; heavy, for a thread."""
        self.salt = salt
        width = KEY_BYTES + ID_BYTES
        keys = range(0, len(pairs), width)
        self.items = PackedItems(b"".join(pairs[at : at + KEY_BYTES] for at in keys))
        self._ids = b"".join(pairs[at + KEY_BYTES : at + width] for at in keys)

    def resolve(self, names: Sequence[bytes]) -> list[RecordId]:
        """Return the records whose hashed ids begin with one of some names of equal length."""
        if not names:
            return []
        wanted, length = set(names), len(names[0])
        return [
            RecordId(self._ids[ID_BYTES * at : ID_BYTES * (at + 1)])
            for at in range(self.items.size)
            if self.items.record_id(at)[:length] in wanted
        ]


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
    async def in_rows(self, since_ms: int) -> AsyncIterator[Items]:
        """Lend the records from a moment on as they are on the disk; nothing changes meanwhile."""
        async with self._loop.settled():
            yield sync_items(self._log, start=Bound(since_ms, b""))

    async def in_memory(self, since_ms: int) -> Items:
        """Return the records from a moment on as they were some seconds ago at most."""
        async with self.in_rows(since_ms) as items:
            is_small = items.size <= FRESH_ITEMS_MAX
        if is_small:
            return PackedItems(b"".join(await self._read(since_ms)))
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

    async def _read(self, since_ms: int) -> list[bytes]:
        """Read places in slices, so that the loop goes on; all are of one moment."""
        async with self._loop.settled():
            keys = order_keys(self._log, since_ms=since_ms)
        slices: list[bytes] = []
        while some := b"".join(islice(keys, KEYS_PER_SLICE)):
            slices.append(some)
            await trio.lowlevel.checkpoint()
        return slices


def _salted(salt: bytes, slices: Sequence[bytes]) -> SaltedItems:
    return SaltedItems(salt, salted_pairs(salt, slices))


def salted_pairs(salt: bytes, slices: Sequence[bytes]) -> bytes:
    """Lay out (created_ms, hashed id, id) ascending; moments stay in order, ids do not."""
    keys = (some[at : at + KEY_BYTES] for some in slices for at in range(0, len(some), KEY_BYTES))
    laid = bytearray()
    for moment, same in groupby(keys, lambda key: key[:_MOMENT_BYTES]):
        ids = (key[_MOMENT_BYTES:] for key in same)
        for hashed, record_id in sorted((sha256(salt, one), one) for one in ids):
            laid += moment + hashed + record_id
    return bytes(laid)
