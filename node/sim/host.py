"""One simulated node: a real machine, with its disk, its clock and its place in the network.

Adversaries are hosts that override what their shell does: `publish`, `answer`, `run`, `hear`.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from consensus import layout
from node.core import effects as fx
from node.core import events as ev
from node.core.machine import Machine
from node.core.presences import Presences
from node.core.settings import Settings
from node.exchange import PRESENCES_MAX
from node.restore import restore, unjournaled
from node.sim.clock import SimClock
from node.sim.dice import Dice
from node.sim.disk import SimRows
from node.sim.message import Message
from node.sim.syncing import Syncing
from node.sim.timers import Timers
from protocol.ids import PeerId, TaskId, sha256
from protocol.keys import Signer
from protocol.statements import Capability, Result

if TYPE_CHECKING:
    from node.sim.world import World

RETRY_MS = 1_000  # between two tries to write again
ALONE_MS = 10_000  # without a peer for so long, a node may sign


class Moment(Enum):
    """Where in an effect a trap may end a host."""

    BEFORE = "before"
    AMID = "amid"  # a message has left to the first neighbour only
    AFTER = "after"


# Asked around every effect; answering yes ends the host there.
Trap = Callable[[fx.Effect, Moment], bool]


class Host:
    """One machine on one disk; it may be ended and booted any number of times.

    Attributes:
        index: Its place in the world.
        cast: What it plays, e.g. "honest".
        is_honest: Whether the promises hold for it.
        machine: Its mind; None while it is down or its disk refuses.
        routes: Connected neighbours and how long a packet takes to them.
        halted: Why it stopped for good; empty if it did not.
    """

    cast = "honest"
    is_honest = True

    def __init__(
        self,
        world: "World",
        index: int,
        *,
        capabilities: tuple[Capability, ...],
        run_ms: int,
        settings: Settings | None = None,
    ) -> None:
        self.world = world
        self.index = index
        self.dice = Dice(world.seed, "host", index)
        self.signer = Signer(sha256(b"simulated key", f"{world.seed}/{index}".encode()))
        self.key = self.signer.public_key
        self.peer_id = PeerId(str(index))
        self.settings = settings or world.settings
        self.capabilities = capabilities
        self.run_ms = run_ms
        self.clock = SimClock()
        self.rows = SimRows(world.shared, keeps_undo=world.keeps_undo)
        self.journal: list[bytes] = []
        self.machine: Machine | None = None
        self.syncing = Syncing(self)
        self.timers = Timers(self)
        self.routes: dict[int, int] = {}
        self.paused_until_ms = 0
        self.trap: Trap | None = None
        self.disk_full = False
        self.halted = ""
        self.life = 0  # what an earlier life ordered is not delivered
        self.began_ms = 0
        self.may_sign = True
        self._presences: Presences | None = None  # kept while the disk refuses
        self._last_created_ms = 0
        self._relaying: tuple[Message, int] | None = None

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"{self.cast}-{self.index}"

    @property
    def is_up(self) -> bool:
        """Answer whether a process runs, with a machine or waiting for its disk."""
        return self.machine is not None or self._presences is not None

    def now(self) -> ev.Now:
        """Return this moment as it reads it."""
        return self.clock.now(self.world.schedule.now_ms)

    def boot(self) -> None:
        """Start from the disk: the journal decides what was said."""
        if self.is_up or self.halted:
            return
        world = self.world
        if unjournaled(self.rows, self.journal, world.network):
            self._halt("its log holds words of its key that its journal does not know")
            return
        self.may_sign = not self.journal and not len(self.rows)
        self._make(restore(self.rows, self.journal, world.network), None)
        if self.machine is None:
            return
        if self.may_sign:
            self.tell(ev.SigningAllowed())
        life = self.life
        if world.loaded_ms:
            world.schedule.after(world.loaded_ms, self._loaded, life)
        else:
            self._loaded(life)
        world.schedule.after(ALONE_MS, self._sign_alone, life)
        world.net.up(self.index)

    def crash(self, *, power: bool = False) -> None:
        """End at once; if power is cut, rows that were not synced are lost too."""
        if not self.is_up:
            return
        self._end()
        if power:
            lost = self.rows.lose(self.dice.below(16))
            self.world.counts.saw("rows lost with the power", lost)

    def leave(self) -> None:
        """End in order: say goodbye first."""
        self.tell(ev.Stopping())
        self._end()

    def tell(self, event: ev.Event) -> None:
        """Hand one event to the machine and do what it asks."""
        machine = self.machine
        if machine is None:
            return
        effects = machine.handle(event, self.now())
        if self.disk_full and any(isinstance(one, fx.Journal | fx.Append) for one in effects):
            self._sit_out(machine)
            return
        life = self.life
        trap = self.trap
        for effect in effects:
            if trap is not None and trap(effect, Moment.BEFORE):
                self.crash()
                return
            self._do(effect)
            if self.life != life:
                return
            if trap is not None and trap(effect, Moment.AFTER):
                self.crash()
                return

    def hear(self, message: Message, sender: int) -> None:
        """Take a gossip message from a neighbour, as the gate of a node does."""
        world = self.world
        if message.refused:
            world.blame(self.index, sender, message.refused)
            return
        if message.channel is fx.Channel.RECORDS and self._has_all(message):
            return
        self._relaying = (message, sender)
        self.tell(message.event(sender, world.net.hosts[sender].peer_id))

    def _has_all(self, message: Message) -> bool:
        get = self.rows.get
        return all(get(layout.RECORD + one) is not None for one in message.record_ids)

    def met(self, other: int, *, outbound: bool) -> None:
        """Note a new connection: say who is here, and compare logs."""
        machine = self.machine
        assert machine is not None, "only who is up meets others"
        self.syncing.came(other, outbound=outbound)
        raws = machine.live_presences(self.now(), most=PRESENCES_MAX)
        self._last_created_ms = machine.outbox.last_created_ms
        arrives_ms = self.world.net.carry(self.index, other, sum(map(len, raws)))
        if arrives_ms is not None:
            self.world.schedule.at(arrives_ms, self.world.net.hosts[other].meet, raws, self.index)

    def lost(self, other: int) -> None:
        """Note that a connection ended."""
        self.syncing.left(other)

    def meet(self, raws: list[bytes], sender: int) -> None:
        """Take in who a new neighbour says is here."""
        if self.machine is not None:
            records = tuple([self.world.opened(raw) for raw in raws])
            self.tell(ev.PresencesHeard(records, self.world.net.hosts[sender].peer_id))

    def allow_signing(self) -> None:
        """Note that enough was seen to know that nothing is signed twice."""
        if not self.may_sign:
            self.may_sign = True
            self.tell(ev.SigningAllowed())

    # What an adversary overrides.

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Send a message out."""
        trap = self.trap
        net = self.world.net
        self.world.oracle.published(self, data)
        if trap is not None and self.routes and trap(fx.Publish(channel, data), Moment.AMID):
            net.publish(self, channel, data, only=[next(iter(self.routes))])
            self.crash()
            return
        net.publish(self, channel, data)

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return what its model says; None if the run fails."""
        return self.world.models.honest(self, task_id, input_bytes)

    def answer(self, stream: str, asker: int, request: bytes) -> bytes | None:
        """Answer a peer's question; None if it is refused."""
        return self.syncing.answer(stream, asker, request)

    def begun(self) -> None:
        """Do something at the start of a life; nothing, if honest."""

    # How effects are done.

    def _do(self, effect: fx.Effect) -> None:
        kind = type(effect)  # nearly all effects are these two, and a match takes its time
        if kind is fx.Wake:
            self.timers.wake_at(effect.at_ms)  # type: ignore[union-attr]
            return
        if kind is fx.Relayed:
            self._relay(effect.word)  # type: ignore[union-attr]
            return
        match effect:
            case fx.Append(changes):
                self.rows.stage(changes)
                self.world.users.note(self.index, changes)
            case fx.Publish(channel, data):
                self.publish(channel, data)
            case fx.Journal(entry):
                self.journal.append(entry)
            case fx.Infer(task_id, _, input_bytes):
                self.timers.infer(task_id, input_bytes)
            case fx.Work():
                self.timers.work(effect)
            case fx.Reply(token, task_id):
                self.world.users.accepted(token, task_id)
            case fx.Refuse():
                self.world.users.refused(effect)
            case fx.Differs(author):
                self.syncing.differs(author)
            case fx.Halt(reason):
                self._halt(reason)

    def _relay(self, word: fx.Word) -> None:
        if word is fx.Word.ACCEPT and self._relaying is not None:
            message, sender = self._relaying
            self.world.net.spread(self, message, skip=sender)

    def _loaded(self, life: int) -> None:
        if life == self.life and self.machine is not None:
            self.tell(ev.CapabilitiesChanged(self.capabilities))

    def _sign_alone(self, life: int) -> None:
        if life != self.life or self.may_sign:
            return
        if not self.routes:
            self.allow_signing()
        self.world.schedule.after(ALONE_MS, self._sign_alone, life)

    def _make(self, newest_ms: int, presences: Presences | None) -> None:
        self.life += 1
        self.began_ms = self.world.schedule.now_ms
        self.timers.clear()
        self._presences = None
        self.machine = Machine(
            signer=self.signer,
            network=self.world.network,
            rows=self.rows,
            dice=self.dice.bytes,
            settings=self.settings,
            alias=self.name,
            agent="simulated",
            last_created_ms=max(newest_ms, self._last_created_ms),
            presences=presences,
        )
        self.world.trace.step(self.world.schedule.now_ms, self.index, "begins", self.life)
        life = self.life
        self.tell(ev.Started())
        if self.life != life:  # it ended, or its disk refused, with its first word
            return
        self.syncing.begin()
        self.begun()

    def _end(self) -> None:
        self.world.trace.step(self.world.schedule.now_ms, self.index, "ends")
        self.world.net.down(self.index)
        self.syncing.end()
        self.machine = self._presences = None
        self._last_created_ms = 0
        self.life += 1
        self.trap = None

    def _halt(self, reason: str) -> None:
        self.halted = reason
        self.world.trace.step(self.world.schedule.now_ms, self.index, "halts")
        self._end()

    def _sit_out(self, machine: Machine) -> None:
        """Drop the machine, since its write failed, and try to make another."""
        self.world.counts.saw("a full disk stopped a write")
        self._last_created_ms = machine.outbox.last_created_ms
        self._presences = machine.presences
        self.machine = None
        self.world.net.down(self.index)
        self.syncing.end()
        self.life += 1
        self.world.schedule.after(RETRY_MS, self._try_again, self.life)

    def _try_again(self, life: int) -> None:
        if life != self.life or self._presences is None:
            return
        if self.disk_full:
            self.world.schedule.after(RETRY_MS, self._try_again, life)
            return
        presences = self._presences
        self._make(restore(self.rows, self.journal, self.world.network), presences)
        self._loaded(self.life)
        if self.may_sign:
            self.tell(ev.SigningAllowed())
        self.world.net.up(self.index)
