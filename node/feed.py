"""What happens at a node, numbered: a bounded past that any number of readers follow.

A reader keeps its own place and is given what came after it, so a slow one costs nothing: once its
place has left the past, it is told how many events it missed.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import trio

from node.views_events import EventType, NodeEvent
from protocol.ids import PublicKey

# Some 300 bytes each, so 1.2 MiB. At full speed (100 tasks/s, eight events each) five seconds of a
# reader that is away; at one task a second, eight minutes.
EVENTS_KEPT_MAX = 4_096


class News(NamedTuple):
    """One thing that happened, before it is put into words.

    Attributes:
        kind: What it is.
        task_id: Which task it is about; empty if none.
        value: The row that says more; of a peer, anything if it is here.
        keys: Whom it is about.
        parent: Of a retry that came into the log, the task that was tried again; else empty.
        condition: Of the node itself, how it is.
    """

    kind: EventType
    task_id: bytes = b""
    value: bytes = b""
    keys: tuple[PublicKey, ...] = ()
    parent: bytes = b""
    condition: NodeEvent | None = None


class Event(NamedTuple):
    """News with their number, and when they were taken in: Unix milliseconds by our own clock."""

    number: int
    news: News
    at_ms: int


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader is given.

    Attributes:
        missed: How many events after its place are gone.
        events: Those that are there, ascending by number.
    """

    missed: int
    events: tuple[Event, ...]


class Feed:
    """The last events of one run of a node; numbers begin at 1 and grow by exactly 1.

    Attributes:
        run: Names this run of the node: numbers of another run mean nothing here.
        newest: The number of the last event, 0 before the first.
        readers: How many follow it now; they count themselves.
    """

    def __init__(
        self,
        run: str,
        *,
        kept_max: int = EVENTS_KEPT_MAX,
        now_ms: Callable[[], int] = _unix_ms,
    ) -> None:
        """Begin with nothing.

        Args:
            run: Names this run of the node.
            kept_max: How many events are kept.
            now_ms: Tells the time, in Unix milliseconds.
        """
        self.run = run
        self.newest = 0
        self.readers = 0
        self._kept: list[Event] = []  # event n lies at n % kept_max once there are so many
        self._kept_max = kept_max
        self._now_ms = now_ms
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def oldest(self) -> int:
        """Return the number of the oldest event that is kept; the next one while there is none."""
        return self.newest - len(self._kept) + 1

    @property
    def is_closed(self) -> bool:
        """Answer whether nothing more will come."""
        return self._closed

    def add(self, news: Sequence[News]) -> None:
        """Take in what happened and wake whoever waits for it."""
        kept, kept_max, at_ms = self._kept, self._kept_max, self._now_ms()
        for one in news:
            self.newest += 1
            event = Event(self.newest, one, at_ms)
            if len(kept) < kept_max:
                kept.append(event)
            else:
                kept[(self.newest - 1) % kept_max] = event
        if news:
            self._lot.unpark_all()

    def after(self, number: int, *, limit: int = EVENTS_KEPT_MAX) -> Found:
        """Return the oldest events above a number, at most `limit` of them.

        Args:
            number: The last one the reader knows, 0 to `newest`.
            limit: The most to return.
        """
        begin = max(number + 1, self.oldest)
        end = min(begin + limit, self.newest + 1)
        kept, kept_max = self._kept, self._kept_max
        events = tuple([kept[(n - 1) % kept_max] for n in range(begin, end)])
        return Found(begin - number - 1, events)

    async def wait(self, number: int) -> bool:
        """Wait until there is something above a number; False once nothing more will come."""
        while self.newest <= number and not self._closed:
            await self._lot.park()
        return self.newest > number

    def close(self) -> None:
        """Let every reader end: the node stops."""
        self._closed = True
        self._lot.unpark_all()
