"""What the machine is still to be told: a bounded queue, taken in lots."""

import trio

from node.core.events import (
    CapabilitiesChanged,
    Event,
    Listening,
    PresencesHeard,
    Received,
    Room,
    SigningAllowed,
    Started,
    Woke,
)

EVENTS_WAITING_MAX = 1_024
EVENTS_TOGETHER_MAX = 256
STATEMENTS_TOGETHER_MAX = 2_048  # of one step: some 50 ms to judge, and of openings 400
# So long a step takes new events; the last of them adds at most what one message can cost.
STEP_S_MAX = 0.05
# What stays true until it is said anew, so that a later machine must hear it, too.
_STANDING = (CapabilitiesChanged, Listening, SigningAllowed, Room)


class Inbox:
    """Events in the order in which they came."""

    def __init__(self) -> None:
        self._send, self._events = trio.open_memory_channel[Event](EVENTS_WAITING_MAX)
        self._standing: dict[type[Event], Event] = {}

    def __len__(self) -> int:
        return self._events.statistics().current_buffer_used

    async def put(self, event: Event) -> None:
        """Add an event, once there is room for it."""
        if isinstance(event, _STANDING):
            self._standing[type(event)] = event
        await self._send.send(event)

    async def take(self, *, wake_ms: int | None) -> list[Event]:
        """Wait for events and take all that are there, within bounds; `Woke` if its time came.

        Args:
            wake_ms: When the machine wants to be woken, on trio's clock; None for never.
        """
        timeout_s = float("inf")
        if wake_ms is not None:
            timeout_s = max(0.0, wake_ms / 1_000 - trio.current_time())
        events: list[Event] = []
        with trio.move_on_after(timeout_s):
            events.append(await self._events.receive())
        weight = sum(map(_weight, events))
        while events and len(events) < EVENTS_TOGETHER_MAX and weight < STATEMENTS_TOGETHER_MAX:
            try:
                events.append(self._events.receive_nowait())
            except trio.WouldBlock:
                break
            weight += _weight(events[-1])
        return events or [Woke()]

    async def drop_for(self, seconds: float) -> None:
        """Let whatever comes within some time come to nothing."""
        with trio.move_on_after(seconds):
            while True:
                await self._events.receive()

    def beginning(self) -> list[Event]:
        """Return what a machine that takes another's place is told first."""
        return [Started(), *self._standing.values()]


def _weight(event: Event) -> int:
    """Return how many statements an event brings; a presence is one."""
    if isinstance(event, Received):
        return sum(len(record.statements) for record in event.records)
    if isinstance(event, PresencesHeard):
        return len(event.records)
    return 0
