"""What the machine wants to look at again, and when."""

import heapq
from typing import NamedTuple

from protocol.ids import TaskId


class Alarm(NamedTuple):
    """Who wants to be woken: a role, and the task it is about (empty if none)."""

    role: str
    task_id: TaskId


OUTBOX = Alarm("outbox", TaskId(b""))
PRESENCE = Alarm("presence", TaskId(b""))
ADOPTION = Alarm("adoption", TaskId(b""))


class Alarms:
    """One moment per alarm; setting it again moves it."""

    def __init__(self) -> None:
        self._at: dict[Alarm, int] = {}
        self._heap: list[tuple[int, Alarm]] = []

    def set(self, alarm: Alarm, at_ms: int) -> None:
        """Wake this one at this moment, whatever was said before."""
        if self._at.get(alarm) != at_ms:
            self._at[alarm] = at_ms
            heapq.heappush(self._heap, (at_ms, alarm))

    def clear(self, alarm: Alarm) -> None:
        """Do not wake this one."""
        self._at.pop(alarm, None)

    def due(self, now_ms: int) -> list[Alarm]:
        """Take every alarm whose moment has come, earliest first."""
        rung: list[Alarm] = []
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, alarm = heapq.heappop(self._heap)
            if self._at.get(alarm) == at_ms:
                del self._at[alarm]
                rung.append(alarm)
        return rung

    def next_ms(self) -> int | None:
        """Return the moment of the earliest alarm, or None."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
