"""A bounded queue in which one loud peer cannot starve the others."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

import trio

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Hands out items of each peer in order, and of all peers in turn."""

    def __init__(self, *, per_peer_max: int, total_max: int) -> None:
        self._per_peer_max = per_peer_max
        self._total_max = total_max
        self._lines: OrderedDict[str, deque[Item]] = OrderedDict()
        self._waiting = trio.Semaphore(0, max_value=total_max)

    def __len__(self) -> int:
        return self._waiting.value

    def put(self, peer: str, item: Item) -> bool:
        """Queue an item; return False, without keeping it, when there is no room."""
        line = self._lines.get(peer)
        if self._waiting.value >= self._total_max:
            return False
        if line is not None and len(line) >= self._per_peer_max:
            return False
        if line is None:
            line = self._lines[peer] = deque()
        line.append(item)
        self._waiting.release()
        return True

    async def get(self) -> tuple[str, Item]:
        """Wait for the next item, and say whose it is."""
        await self._waiting.acquire()
        peer, line = self._lines.popitem(last=False)
        item = line.popleft()
        if line:
            self._lines[peer] = line
        return peer, item
