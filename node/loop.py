"""The one task that owns the machine: feeds it events, and does what it asks in order.

Events that wait are taken together, so that a busy node pays for one journal sync and one database
write where an idle one pays for each event. Nothing is published or answered before both are done.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import trio

from node.clock import Clock
from node.core.effects import (
    Append,
    Channel,
    Differs,
    Effect,
    Halt,
    Infer,
    Journal,
    Publish,
    Refuse,
    Relayed,
    Reply,
    Wake,
    Word,
)
from node.core.events import (
    Cancel,
    Event,
    Inferred,
    Now,
    PresencesHeard,
    Received,
    Stopping,
    Submit,
    Token,
    Via,
    Woke,
)
from node.core.machine import Machine
from node.errors import InferenceFailed, RequestRefused, SignedElsewhere
from node.ports import Inference, Log, Relay, SigningJournal
from protocol.ids import PeerId, PublicKey, TaskId
from protocol.record import Verified
from protocol.statements import Capability, Result

if TYPE_CHECKING:
    from trio_typing import TaskStatus

logger = logging.getLogger(__name__)

EVENTS_WAITING_MAX = 1_024
EVENTS_TOGETHER_MAX = 256
STATEMENTS_TOGETHER_MAX = 2_048  # of one step: some 50 ms of judging

Publisher = Callable[[Channel, bytes], Awaitable[None]]


class _Waiter:
    """Somebody who waits for the machine's word."""

    __slots__ = ("done", "outcome")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: Word | TaskId | RequestRefused | None = None


class Loop:
    """Runs one machine until cancelled.

    Args to the constructor are the doors: where rows and the journal lie, how to publish, and
    who runs models.
    """

    def __init__(
        self,
        *,
        machine: Machine,
        log: Log,
        journal: SigningJournal,
        publish: Publisher,
        inference: Inference,
        clock: Clock,
        differs: Callable[[PublicKey], None] = lambda author: None,
    ) -> None:
        self.machine = machine
        self._log = log
        self._journal = journal
        self._publish = publish
        self._inference = inference
        self._clock = clock
        self._differs = differs
        self._send, self._events = trio.open_memory_channel[Event](EVENTS_WAITING_MAX)
        self._tokens = count(1)
        self._waiters: dict[Token, _Waiter] = {}
        self._wake_ms: int | None = None
        self._busy = trio.Lock()  # held while a step is being done
        self._stopped = False
        # A thread of its own: whatever waits for other threads, the journal does not.
        self._disk = trio.CapacityLimiter(1)

    async def run(self, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Own the machine until cancelled.

        Raises:
            SignedElsewhere: A record of our key was met that we did not sign.
            StoreError: The disk failed; the state must be read anew before anything is signed.
        """
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                events = await self._next_events()
                async with self._busy:
                    if not self._stopped:
                        await self._step(events, nursery)

    async def stop(self) -> None:
        """Let the machine say goodbye; it is told nothing more."""
        async with self._busy:
            if self._stopped:
                return
            self._stopped = True
            await self._step([Stopping()], nursery=None)

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """Keep the log as it is on the disk: nothing in it is ahead of the journal.

        Whoever tells a peer what the log holds reads it within; what a crash could make us forget
        must not be known to others.
        """
        async with self._busy:
            yield

    def now(self) -> Now:
        """Return this moment, as the machine is told it."""
        return self._clock.now()

    async def tell(self, event: Event) -> None:
        """Hand the machine an event nobody waits for."""
        await self._send.send(event)

    async def submit(
        self, request_id: str, capability: Capability, input_bytes: bytes, seats: int | None
    ) -> TaskId:
        """Submit a task; it is on disk when this returns.

        Raises:
            RequestRefused: With the machine's reason.
        """
        return await self._ask(
            lambda token: Submit(request_id, capability, input_bytes, seats, token)
        )

    async def cancel(self, task_id: TaskId) -> None:
        """Give an own task up.

        Raises:
            RequestRefused: With the machine's reason.
        """
        await self._ask(lambda token: Cancel(task_id, token))

    async def gossiped(self, records: Sequence[Verified], sender: PeerId) -> Relay:
        """Hand over the records of one gossip message and learn what the mesh shall do."""
        waiter = await self._wait(lambda token: Received(tuple(records), Via.GOSSIP, sender, token))
        return Relay.ACCEPT if waiter.outcome is Word.ACCEPT else Relay.IGNORE

    async def fetched(self, records: Sequence[Verified], sender: PeerId) -> None:
        """Hand over records that came by sync, and wait until they are written."""
        await self._wait(lambda token: Received(tuple(records), Via.SYNC, sender, token))

    async def presences_gossiped(self, records: Sequence[Verified], sender: PeerId) -> Relay:
        """Hand over gossiped presences and learn what the mesh shall do."""
        waiter = await self._wait(lambda token: PresencesHeard(tuple(records), sender, token))
        return Relay.ACCEPT if waiter.outcome is Word.ACCEPT else Relay.IGNORE

    async def _ask(self, event: Callable[[Token], Event]) -> TaskId:
        waiter = await self._wait(event)
        outcome = waiter.outcome
        if isinstance(outcome, RequestRefused):
            raise outcome
        assert isinstance(outcome, bytes), "a question is answered with a task id"
        return outcome

    async def _wait(self, event: Callable[[Token], Event]) -> _Waiter:
        token = Token(next(self._tokens))
        waiter = self._waiters[token] = _Waiter()
        try:
            await self._send.send(event(token))
            await waiter.done.wait()
        finally:
            self._waiters.pop(token, None)
        return waiter

    async def _next_events(self) -> list[Event]:
        timeout_s = float("inf")
        if self._wake_ms is not None:
            timeout_s = max(0.0, self._wake_ms / 1_000 - trio.current_time())
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

    async def _step(self, events: Sequence[Event], nursery: trio.Nursery | None) -> None:
        """Let the machine see some events, then do all it asks: disk first, the rest after.

        Without a nursery no model run is begun.
        """
        self._wake_ms = None
        entries: list[bytes] = []
        later: list[Effect] = []
        wrote = False
        for event in events:
            for effect in self.machine.handle(event, self._clock.now()):
                match effect:
                    case Journal(entry):
                        entries.append(entry)
                    case Append(changes):
                        self._log.stage(changes)  # the next event of this step reads it
                        wrote = True
                    case Wake(at_ms):
                        self._wake_ms = at_ms
                    case _:
                        later.append(effect)
        if entries or wrote:
            await trio.to_thread.run_sync(self._write, entries, limiter=self._disk)
        for effect in later:
            await self._do(effect, nursery)

    def _write(self, entries: list[bytes]) -> None:
        if entries:
            self._journal.append(entries)
        self._log.flush()

    async def _do(self, effect: Effect, nursery: trio.Nursery | None) -> None:
        match effect:
            case Publish(channel, data):
                await self._publish(channel, data)
            case Infer(task_id, capability, input_bytes):
                if nursery is not None:
                    nursery.start_soon(self._infer, task_id, capability, input_bytes)
            case Relayed(token, word):
                self._answer(token, word)
            case Reply(token, task_id):
                self._answer(token, task_id)
            case Refuse(token, status, code, message):
                self._answer(token, RequestRefused(status, code, message))
            case Differs(author):
                self._differs(author)
            case Halt(reason):
                raise SignedElsewhere(reason)
            case Journal() | Append() | Wake():
                raise AssertionError("done before")

    def _answer(self, token: Token, outcome: Word | TaskId | RequestRefused) -> None:
        waiter = self._waiters.get(token)
        if waiter is not None:
            waiter.outcome = outcome
            waiter.done.set()

    async def _infer(self, task_id: TaskId, capability: Capability, input_bytes: bytes) -> None:
        result: Result | None = None
        try:
            result = await self._inference.infer(capability, input_bytes)
        except InferenceFailed as error:
            logger.warning("no answer for task %s: %s", task_id[:4].hex(), error)
        await self.tell(Inferred(task_id, result))


def _weight(event: Event) -> int:
    """Return how many statements an event brings."""
    if isinstance(event, Received):
        return sum(len(record.statements) for record in event.records)
    return 0
