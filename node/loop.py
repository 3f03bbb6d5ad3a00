"""The one task that owns the machine: feeds it events, and does what it asks in order.

Events that wait are taken together, so that a busy node pays for one journal sync and one database
write where an idle one pays for each event. Nothing is published or answered before both are done.

When the disk refuses a write, nobody knows how much of the machine's mind it holds. So the machine
is dropped and everything new is refused, until one can be made again from what is on the disk.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from consensus.rows import Changes
from node.clock import Clock
from node.core import effects as fx
from node.core.events import (
    Cancel,
    Event,
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
from node.errors import (
    JournalLost,
    NotStored,
    RequestRefused,
    SignedElsewhere,
    StoreDamaged,
    StoreError,
)
from node.inbox import STEP_S_MAX, Inbox
from node.instruments import Instruments
from node.labour import Labour
from node.ports import Inference, Log, Relay, SigningJournal
from node.recovery import Recovery
from node.runs import Runs
from node.waiters import Outcome, Waiters
from protocol.ids import PeerId, PublicKey, TaskId
from protocol.record import Verified
from protocol.statements import Capability

if TYPE_CHECKING:
    from trio_typing import TaskStatus

logger = logging.getLogger(__name__)

RETRY_S = 1.0  # between two looks at a disk that failed

Publisher = Callable[[fx.Channel, bytes], Awaitable[None]]


class Loop:
    """Runs one machine until cancelled.

    Args to the constructor are the doors: where rows and the journal lie, how to publish, and
    who runs models. `stepped` is told of each step what it wrote, and of an outage nothing. What
    the machine is still to be told lies in `inbox`.
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
        recovery: Recovery | None = None,
        adopted: Callable[[], None] = lambda: None,
        stepped: Callable[[Sequence[Changes]], None] = lambda written: None,
        instruments: Instruments | None = None,
    ) -> None:
        self.machine = machine
        self._log = log
        self._journal = journal
        self._publish = publish
        self._measured = instruments or Instruments(machine.me)
        self._runs = Runs(inference, self._measured)
        self._labour = Labour()
        self._clock = clock
        self._differs = differs
        self._recovery = recovery
        self._adopted = adopted
        self._stepped = stepped
        self._outage = ""
        self._suspicion = ""
        self.inbox = Inbox()
        self._waiters = Waiters()
        self._wake_ms: int | None = None
        self._busy = trio.Lock()  # held while a step is being done
        self._stopped = False
        # A thread of its own: whatever waits for other threads, the journal does not.
        self._disk = trio.CapacityLimiter(1)

    async def run(self, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Own the machine until cancelled.

        Raises:
            SignedElsewhere: A record of our key was met that we did not sign.
            JournalLost: Nobody knows what the journal holds.
            StoreDamaged: The disk holds something else than was written.
            StoreError: The disk failed, and there is nothing to recover with.
        """
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                events = await self.inbox.take(wake_ms=self._wake_ms)
                while events:
                    try:
                        async with self._busy:
                            if self._suspicion:
                                raise StoreError(self._suspicion)
                            events = [] if self._stopped else await self._step(events, nursery)
                    except (JournalLost, StoreDamaged):
                        raise
                    except StoreError as error:
                        events = await self._sit_out(error)

    @property
    def outage(self) -> str:
        """Return why nothing can be written, in words; empty while all is well."""
        return self._outage

    @property
    def takes_records(self) -> bool:
        """Answer whether what peers have would be stored."""
        return not self._outage and not self.machine.is_behind

    async def stop(self) -> None:
        """Let the machine say goodbye; it is told nothing more."""
        async with self._busy:
            was_stopped, self._stopped = self._stopped, True
            if not was_stopped and not self._outage:
                self._labour.give_up()  # else the goodbye would wait for all that was said before
                await self._step([Stopping()], nursery=None)

    async def suspend(self, reason: str) -> None:
        """Write nothing more until the disk is found to take it, though no write failed yet."""
        if not self._outage:
            self._suspicion = reason
            await self.inbox.put(Woke())

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
        await self.inbox.put(event)

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
        word = await self._wait(lambda token: Received(tuple(records), Via.GOSSIP, sender, token))
        return Relay.ACCEPT if word is fx.Word.ACCEPT else Relay.IGNORE

    async def fetched(self, some: Sequence[Verified], sender: PeerId, via: Via = Via.SYNC) -> None:
        """Hand over records that came by sync or in a file, and wait until they are written.

        Raises:
            NotStored: The disk fails, or has no room for them.
        """
        if self.takes_records:
            word = await self._wait(lambda token: Received(tuple(some), via, sender, token))
            if not isinstance(word, RequestRefused):
                return
        raise NotStored(self._outage or "the disk limit is reached")

    async def presences_gossiped(self, records: Sequence[Verified], sender: PeerId) -> Relay:
        """Hand over gossiped presences and learn what the mesh shall do."""
        word = await self._wait(lambda token: PresencesHeard(tuple(records), sender, token))
        return Relay.ACCEPT if word is fx.Word.ACCEPT else Relay.IGNORE

    async def _ask(self, event: Callable[[Token], Event]) -> TaskId:
        outcome = await self._wait(event)
        if isinstance(outcome, RequestRefused):
            raise outcome
        assert isinstance(outcome, bytes), "a question is answered with a task id"
        return outcome

    async def _wait(self, event: Callable[[Token], Event]) -> Outcome | None:
        if self._outage:
            return self.refusal()
        token, waiter = self._waiters.enter()
        try:
            await self.inbox.put(event(token))
            await waiter.done.wait()
        finally:
            self._waiters.leave(token)
        return waiter.outcome

    async def _step(self, events: list[Event], nursery: trio.Nursery | None) -> list[Event]:
        """Let the machine see some events, then do what it asks; no runs without a nursery.

        Returns what it had no time for, at most all but the first; it is as if that came later.
        """
        self._wake_ms = None
        entries: list[bytes] = []
        later: list[fx.Effect] = []
        written: list[Changes] = []
        began_s, seen = self._clock.work_s(), 0
        while seen < len(events) and (not seen or self._clock.work_s() - began_s < STEP_S_MAX):
            event, now, seen = events[seen], self._clock.now(), seen + 1
            for effect in self.machine.handle(event, now):
                match effect:
                    case fx.Journal(entry):
                        entries.append(entry)
                    case fx.Append(changes):
                        self._measured.tasks.note(changes, self._log, now)
                        self._log.stage(changes)  # the next event of this step reads it
                        written.append(changes)
                    case fx.Wake(at_ms):
                        self._wake_ms = at_ms
                    case _:
                        later.append(effect)
        self._measured.note_step(began_s)
        if entries or written:
            try:
                await trio.to_thread.run_sync(self._write, entries, limiter=self._disk)
            except StoreError as error:  # the next machine would not know that it has to stop
                for effect in later:
                    if isinstance(effect, fx.Halt):
                        raise SignedElsewhere(effect.reason) from error
                raise
        self._stepped(written)
        for effect in later:
            await self._do(effect, nursery)
        return events[seen:]

    def _write(self, entries: list[bytes]) -> None:
        if entries:
            with self._measured.journal.timed():
                self._journal.append(entries)
        with self._measured.log.timed():
            self._log.flush()

    async def _do(self, effect: fx.Effect, nursery: trio.Nursery | None) -> None:
        match effect:
            case fx.Publish(channel, data):
                await self._publish(channel, data)
            case fx.Infer() | fx.Work():
                await self._begin(effect, nursery)
            case fx.Relayed(token, outcome) | fx.Reply(token, outcome):
                self._waiters.answer(token, outcome)
            case fx.Refuse(token, status, code, message):
                self._waiters.answer(token, RequestRefused(status, code, message))
            case fx.Differs(author):
                self._differs(author)
            case fx.Halt(reason):
                raise SignedElsewhere(reason)
            case fx.Adopted():
                self._adopted()
            case fx.Journal() | fx.Append() | fx.Wake():
                raise AssertionError("done before")

    async def _sit_out(self, error: StoreError) -> list[Event]:
        """Refuse everything until a machine can be made anew; return what it is to be told first.

        Raises:
            StoreError: There is nothing to recover with, or waiting will not help.
        """
        if self._recovery is None:
            raise error
        logger.error("read-only: %s; trying again every %g s", error, RETRY_S)
        self._outage, self._suspicion = str(error), ""
        self._wake_ms = None
        self._recovery.drop()
        self._labour.give_up()
        self._stepped([])
        while True:
            self._waiters.refuse_all(self.refusal())
            await self.inbox.drop_for(RETRY_S)
            try:
                async with self._busy:
                    self.machine = await self._recovery.again(self.machine)
                break
            except (JournalLost, StoreDamaged):
                raise
            except StoreError as again:
                self._outage = str(again)
        logger.info("the disk takes writes again")
        self._outage = ""
        self._stepped([])
        return self.inbox.beginning()

    def refusal(self) -> RequestRefused:
        """Return what a user is told while nothing can be written."""
        kept = "what was accepted is kept; try again with the same request id"
        return RequestRefused(503, "read_only", f"this node cannot write: {self._outage}; {kept}")

    async def _begin(self, effect: fx.Infer | fx.Work, nursery: trio.Nursery | None) -> None:
        """Begin what takes its time; at the end only the work of our last word, and await it."""
        if nursery is not None:
            nursery.start_soon(self._hear, effect)
        elif isinstance(effect, fx.Work):
            worked = await self._labour.worked(effect)
            assert worked is not None, "after our last word nothing is given up"
            await self._step([worked], None)

    async def _hear(self, effect: fx.Infer | fx.Work) -> None:
        """Tell the machine how something ended, unless another has taken its place by then."""
        machine = self.machine
        event: Event | None
        if isinstance(effect, fx.Infer):
            event = await self._runs.inferred(effect)
        else:
            event = await self._labour.worked(effect)
        if event is not None and machine is self.machine and not self._outage:
            await self.tell(event)
