"""Reading the log for strangers: one at a time, in pieces, so that the machine's next step is near.

Whoever waits for the log is served in turn. If each of many requests stood in that line, every step
of the machine would come after all of them. So they stand in a line of their own, and the first of
it beside the machine.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from consensus.log import find_record, records_named
from node.exchange import RECORDS_PER_NAME_MAX, RESPONSE_BYTES_MAX
from node.loop import Loop
from node.ports import Log
from protocol.ids import RecordId

NAMES_TOGETHER_MAX = 128  # measured: 3 ms in which the machine waits


@dataclass(slots=True)
class Found:
    """Packed records that fill an answer, or all there are; and how many names led to none."""

    raws: list[bytes] = field(default_factory=list)
    missed: int = 0
    room: int = RESPONSE_BYTES_MAX


class StrangersReads:
    """What strangers have read from the log."""

    def __init__(self, loop: Loop, log: Log) -> None:
        self._loop = loop
        self._log = log
        self._turn = trio.Lock()

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """Keep the log as it is on the disk, after all strangers that asked for it before."""
        async with self._turn, self._loop.settled():
            yield

    async def records(self, record_ids: Sequence[RecordId]) -> Found:
        """Return records; what the join has dropped meanwhile is left out."""
        return await self._find(record_ids, self._with_id)

    async def named(self, names: Sequence[bytes]) -> Found:
        """Return records whose ids begin with a name."""
        return await self._find(names, self._with_name)

    def _with_id(self, record_id: bytes) -> list[bytes]:
        raw = find_record(self._log, RecordId(record_id))
        return [] if raw is None else [raw]

    def _with_name(self, name: bytes) -> list[bytes]:
        return records_named(self._log, name, limit=RECORDS_PER_NAME_MAX)

    async def _find(self, names: Sequence[bytes], find: Callable[[bytes], list[bytes]]) -> Found:
        found = Found()
        for at in range(0, len(names), NAMES_TOGETHER_MAX):
            async with self.settled():
                for name in names[at : at + NAMES_TOGETHER_MAX]:
                    raws = find(name)
                    found.raws += raws
                    found.missed += not raws
                    found.room -= sum(map(len, raws))
                    if found.room < 0:  # no more is read than is sent
                        return found
        return found
