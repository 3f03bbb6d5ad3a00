"""What happens when, in virtual milliseconds from 0; at one moment in the order it was put down."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Schedule:
    """Moments still to come; an event may put down more.

    Attributes:
        now_ms: This moment.
        happened: How many events there were.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self.happened = 0
        self._events: dict[int, list[tuple[Callable[..., object], tuple[Any, ...]]]] = {}
        self._moments: list[int] = []  # a heap of the keys of `_events`

    def at(self, at_ms: int, happen: Callable[..., object], *args: Any) -> None:
        """Have something happen at a moment, or still in this one if that is past."""
        at_ms = max(at_ms, self.now_ms)
        events = self._events.get(at_ms)
        if events is None:
            self._events[at_ms] = [(happen, args)]
            heappush(self._moments, at_ms)
        else:
            events.append((happen, args))

    def after(self, wait_ms: int, happen: Callable[..., object], *args: Any) -> None:
        """Have something happen in a while."""
        self.at(self.now_ms + wait_ms, happen, *args)

    def run_until(self, until_ms: int) -> None:
        """Let everything happen up to a moment, that one included."""
        moments = self._moments
        while moments and moments[0] <= until_ms:
            self.now_ms = heappop(moments)
            events = self._events[self.now_ms]
            for happen, args in events:  # which grows while its own events happen
                happen(*args)
            self.happened += len(events)
            del self._events[self.now_ms]
        self.now_ms = max(self.now_ms, until_ms)
