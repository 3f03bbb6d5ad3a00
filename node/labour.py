"""Does the work that the network asks for our records, beside everything else the node does.

A thread looks through a few milliseconds' worth of numbers at a time: in between the node's only
event loop runs, and whoever waits can be cancelled.
"""

import trio

from node.core.effects import Work
from node.core.events import Worked
from protocol.work import Unworked, find_work

# Hashed in one go; measured: some 12 ms, be the record small or large.
LOT_BYTES = 8_000_000
TRY_BYTES = 800  # what a try costs beside the bytes it hashes, in bytes


class Labour:
    """Finds numbers, for one record at a time, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._turn = trio.Lock()  # whose waiters are served in order
        self._thread = trio.CapacityLimiter(1)
        self._asked: set[trio.CancelScope] = set()

    async def worked(self, asked: Work) -> Worked | None:
        """Return the work of a record once it was found; None if all was given up before."""
        with trio.CancelScope() as scope:
            self._asked.add(scope)
            try:
                async with self._turn:
                    return Worked(asked.ticket, await self._find(asked.record))
            finally:
                self._asked.discard(scope)
        return None

    def give_up(self) -> None:
        """Look for nothing that was asked for until now: who asked does not want it any more."""
        for scope in self._asked:
            scope.cancel()

    async def _find(self, record: Unworked) -> int:
        tries = tries_at_once(record)
        start = 0
        while True:
            work = await trio.to_thread.run_sync(_look, record, start, tries, limiter=self._thread)
            if work is not None:
                return work
            start += tries


def tries_at_once(record: Unworked) -> int:
    """Return how many numbers fit a lot."""
    return max(1, LOT_BYTES // (TRY_BYTES + record.size))


def _look(record: Unworked, start: int, tries: int) -> int | None:
    return find_work(record, start=start, tries=tries)
