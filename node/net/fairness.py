"""Bounded queues in which one loud peer cannot starve the others."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

import trio

Item = TypeVar("Item")


class FairLines(Generic[Item]):
    """Items of several parties: each party's in order, and those of all parties in turn.

    A line grows only while it is shorter than what is still free. So however many parties take all
    they can get, there is room for one more: ten that fill their lines leave an eleventh of it.
    """

    def __init__(self, *, items_max: int, bytes_max: int) -> None:
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._lines: OrderedDict[str, deque[tuple[Item, int]]] = OrderedDict()
        self._line_bytes: dict[str, int] = {}
        self._items = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._items

    def put(self, party: str, item: Item, size: int = 0) -> bool:
        """Add an item of so many bytes; return False, without keeping it, if there is no room."""
        line, line_bytes = self._lines.get(party), self._line_bytes.get(party, 0)
        length = 0 if line is None else len(line)
        free_bytes = self._bytes_max - self._bytes
        if length >= self._items_max - self._items:
            return False
        if size > free_bytes or (size and line_bytes >= free_bytes):
            return False
        if line is None:
            line = self._lines[party] = deque()
        line.append((item, size))
        self._line_bytes[party] = line_bytes + size
        self._items += 1
        self._bytes += size
        return True

    def length(self, party: str) -> int:
        """Return how many items of a party wait."""
        return len(self._lines.get(party, ()))

    @property
    def next_bytes(self) -> int:
        """Return the size of what is taken next; there must be something."""
        return next(iter(self._lines.values()))[0][1]

    def take(self) -> tuple[str, Item]:
        """Take the next item, and say whose it is; there must be one."""
        party, line = self._lines.popitem(last=False)
        item, size = line.popleft()
        self._items -= 1
        self._bytes -= size
        self._line_bytes[party] -= size
        if line:
            self._lines[party] = line
        else:
            del self._line_bytes[party]
        return party, item


class FairQueue(Generic[Item]):
    """Hands out items of each peer in order, and of all peers in turn."""

    def __init__(self, *, per_peer_max: int, total_max: int) -> None:
        self._per_peer_max = per_peer_max
        self._lines: FairLines[Item] = FairLines(items_max=total_max, bytes_max=0)
        self._waiting = trio.Semaphore(0, max_value=total_max)

    def __len__(self) -> int:
        return self._waiting.value

    def put(self, peer: str, item: Item) -> bool:
        """Queue an item; return False, without keeping it, when there is no room."""
        if self._lines.length(peer) >= self._per_peer_max or not self._lines.put(peer, item):
            return False
        self._waiting.release()
        return True

    async def get(self) -> tuple[str, Item]:
        """Wait for the next item, and say whose it is."""
        await self._waiting.acquire()
        return self._lines.take()
