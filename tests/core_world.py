"""A market in memory: real machines, a network that does as the test says, and one clock.

Not the simulator: a bench on which a test drives one machine among made-up strangers, or a few
machines among each other, event by event.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import TypeVar

from consensus.log import find_record, find_verdict, record_ids
from consensus.verdict import State
from node.core import effects as fx
from node.core import events as ev
from node.core.effects import Channel, Effect, Publish, Word
from node.core.events import Event, Inferred, Now, PresencesHeard, Received, Submit, Token, Via
from node.core.machine import Machine
from node.core.settings import Settings
from node.restore import restore
from protocol.gossip import unpack_gossip
from protocol.ids import PeerId, TaskId
from protocol.params import Network
from protocol.record import Verified, open_record
from protocol.statements import Capability, Statement
from protocol.work import find_work
from tests.builders import MODEL, NETWORK, NOON_MS, a_presence, a_record, a_result, signer
from tests.fakes_store import MemoryLog

SENTIMENT = Capability("sentiment", MODEL)
WORK_TRIES_MAX = 1_000_000
WAKES_AT_ONCE_MAX = 100  # a machine that is woken more often without a pause spins
S = TypeVar("S", bound=Statement)

opened = lru_cache(maxsize=65_536)(open_record)


@dataclass
class Node:
    """One machine with its disk; without a machine it is down."""

    name: str
    settings: Settings
    log: MemoryLog = field(default_factory=MemoryLog)
    journal: list[bytes] = field(default_factory=list)
    machine: Machine | None = None
    alias: str = ""
    fuse: int | None = None  # after so many effects more it is killed
    life: int = 0  # what an earlier life ordered is not delivered
    wake_ms: int | None = None
    wakes_at_once: int = 0
    skew_ms: int = 0
    works_ms: int = 0  # when the work that was ordered so far is done
    rolls: Iterator[int] = field(default_factory=count)
    effects: list[Effect] = field(default_factory=list)
    published: list[Verified] = field(default_factory=list)

    def dice(self, size: int) -> bytes:
        """Return bytes that never come again, in this life or another."""
        return hashlib.sha256(f"{self.name} {next(self.rolls)}".encode()).digest()[:size]


class World:
    """Machines by name, what travels between them, and the time; a test replaces its callables."""

    def __init__(
        self, *names: str, network: Network = NETWORK, settings: Settings | None = None
    ) -> None:
        self.now_ms = 1_000_000
        self.network = network
        self.nodes = {name: Node(name, settings or Settings()) for name in names}
        # What a worker answers to an input: a label, `!` and an error kind, "" for a failed run,
        # None for never.
        self.answer: Callable[[str, str], str | None] = lambda _name, _text: "positive"
        self.work_ms = 20  # for each record, one after the other
        self.run_ms: Callable[[str], int] = lambda _name: 50
        self.delay_ms: Callable[[str, str], int] = lambda _from, _to: 10
        self.is_lost: Callable[[str, str, Verified], bool] = lambda _from, _to, _record: False
        self.replies: dict[Token, TaskId] = {}
        self.refusals: dict[Token, fx.Refuse] = {}
        self.words: dict[Token, Word] = {}
        self.halts: dict[str, str] = {}
        self.spoken: list[Verified] = []  # all that anybody published, in order
        self._tokens = count(1)
        self._order = count()
        self._heap: list[tuple[int, int, Callable[[], object]]] = []

    def start(
        self,
        *names: str,
        capabilities: tuple[Capability, ...] = (SENTIMENT,),
        sign: bool = True,
        adopts: bool = False,
    ) -> None:
        """Start these, or all that are down, from their disks; everybody meets everybody."""
        for name in names or [name for name in self.nodes if name not in self.up()]:
            node = self.nodes[name]
            assert node.machine is None, f"{name} is up"
            newest_ms = restore(node.log, node.journal, self.network)
            node.machine = Machine(
                signer=signer(name),
                network=self.network,
                rows=node.log,
                dice=node.dice,
                settings=node.settings,
                alias=node.alias,
                agent="test",
                last_created_ms=newest_ms,
                adopts=adopts,
            )
            self.tell(name, ev.Started())
            self.tell(name, ev.CapabilitiesChanged(capabilities))
            for other in self.up():
                self._exchange_presences(name, other)
            if sign:
                self.tell(name, ev.SigningAllowed())

    def kill(self, name: str, *, lose_rows: bool = False) -> None:
        """End a node at once; its journal stays, and its rows unless told otherwise."""
        node = self.nodes[name]
        node.machine, node.wake_ms, node.fuse = None, None, None
        node.life += 1
        node.log.crash()
        if lose_rows:
            node.log = MemoryLog()

    def up(self) -> list[str]:
        """Return who is running."""
        return [name for name, node in self.nodes.items() if node.machine is not None]

    def tell(self, name: str, event: Event) -> list[Effect]:
        """Hand one event to a machine and do what it asks, until its fuse burns down."""
        node = self.nodes[name]
        if node.machine is None:
            return []
        node.wake_ms = None
        effects = node.machine.handle(event, self.now(name))
        _check_order(effects)
        for effect in effects:
            if node.fuse == 0:
                self.kill(name)
                break
            if node.fuse is not None:
                node.fuse -= 1
            node.effects.append(effect)
            self._do(node, effect)
        return effects

    def submit(
        self, name: str, text: str = "what a day", *, request_id: str = "r", seats: int | None = 3
    ) -> Token:
        """Ask as a user; the token leads to the reply or the refusal."""
        token = Token(next(self._tokens))
        self.tell(name, Submit(request_id, SENTIMENT, text.encode(), seats, token))
        return token

    def ask(self, name: str, text: str = "what a day", *, seats: int | None = 3) -> TaskId:
        """Submit a task, and let it be signed."""
        token = self.submit(name, text, request_id=f"request {next(self._tokens)}", seats=seats)
        while token not in self.replies:
            self.run(1)
        return self.replies[token]

    def cancel(self, name: str, task_id: TaskId) -> Token:
        """Give a task up as a user."""
        token = Token(next(self._tokens))
        self.tell(name, ev.Cancel(task_id, token))
        return token

    def hear(self, name: str, *records: Verified, via: Via = Via.GOSSIP) -> Word | None:
        """Hand over records as one message of their author; return the word to the mesh."""
        token = Token(next(self._tokens)) if via is Via.GOSSIP else None
        self.tell(name, Received(records, via, PeerId("a peer"), token))
        return None if token is None else self.words.get(token)

    def meet(self, name: str, *strangers: str, ttl_ms: int = 600_000) -> None:
        """Let people who have no machine say that they are here."""
        for stranger in strangers:
            presence = a_presence(ttl_ms=ttl_ms)
            record = a_record(stranger, presence, created_ms=NOON_MS + self.now_ms)
            self.tell(name, PresencesHeard((record,), PeerId(stranger)))

    def now(self, name: str) -> Now:
        """Return the moment as a node sees it."""
        return Now(self.now_ms, NOON_MS + self.now_ms + self.nodes[name].skew_ms)

    def run(self, ms: int) -> None:
        """Let time pass, and happen what is due."""
        until_ms = self.now_ms + ms
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, _, happen = heapq.heappop(self._heap)
            if at_ms > self.now_ms:
                self.now_ms = at_ms
                for node in self.nodes.values():
                    node.wakes_at_once = 0
            happen()
        self.now_ms = until_ms

    def at(self, at_ms: int, happen: Callable[[], object]) -> None:
        """Have something happen at a moment, or now if that is past."""
        heapq.heappush(self._heap, (max(at_ms, self.now_ms), next(self._order), happen))

    def sync(self) -> None:
        """Make the logs of all running nodes equal, in steps of a few records."""
        moved = True
        while moved:
            moved = False
            for name in self.up():
                for other in self.up():
                    moved = self._pull(name, other) or moved

    def _pull(self, name: str, other: str) -> bool:
        mine, theirs = self.nodes[name].log, self.nodes[other].log
        before = {found for _, found in record_ids(mine)}
        news = [found for _, found in record_ids(theirs) if found not in before]
        for at in range(0, len(news), 5):
            raws = [find_record(theirs, found) for found in news[at : at + 5]]
            batch = tuple(opened(raw, self.network) for raw in raws if raw is not None)
            self.tell(name, Received(batch, Via.SYNC, PeerId(other)))
        return before != {found for _, found in record_ids(mine)}

    def said(self, name: str, kind: type[S]) -> list[S]:
        """Return every statement of a kind that a node published, in order."""
        return [
            statement
            for record in self.nodes[name].published
            for statement in record.statements
            if isinstance(statement, kind) and record.author == signer(name).public_key
        ]

    def state(self, name: str, task_id: TaskId) -> State | None:
        """Return how far a node sees a task."""
        verdict = find_verdict(self.nodes[name].log, task_id)
        return None if verdict is None else verdict.state

    def _do(self, node: Node, effect: Effect) -> None:
        match effect:
            case fx.Journal(entry):
                node.journal.append(entry)
            case fx.Append(changes):
                node.log.stage(changes)
                node.log.flush()
            case Publish(channel, data):
                self._publish(node, channel, data)
            case fx.Infer():
                self._infer(node, effect)
            case fx.Work():
                self._work(node, effect)
            case fx.Relayed(token, word):
                self.words[token] = word
            case fx.Reply(token, task_id):
                self.replies[token] = task_id
            case fx.Refuse():
                self.refusals[effect.token] = effect
            case fx.Wake(at_ms):
                node.wake_ms = at_ms
                self.at(at_ms, lambda: self._wake(node, at_ms))
            case fx.Halt(reason):
                self.halts[node.name] = reason
                self.kill(node.name)

    def _wake(self, node: Node, at_ms: int) -> None:
        if node.wake_ms == at_ms:
            node.wakes_at_once += 1
            assert node.wakes_at_once < WAKES_AT_ONCE_MAX, f"{node.name} spins"
            self.tell(node.name, ev.Woke())

    def _publish(self, node: Node, channel: Channel, data: bytes) -> None:
        records = tuple(opened(raw, self.network) for raw in unpack_gossip(data))
        assert all((one.presence is not None) == (channel is Channel.PRESENCE) for one in records)
        node.published += records
        self.spoken += records
        for other in self.nodes:
            kept = tuple(one for one in records if not self.is_lost(node.name, other, one))
            if other != node.name and kept:
                at_ms = self.now_ms + self.delay_ms(node.name, other)
                self.at(at_ms, partial(self._deliver, node.name, other, kept))

    def _deliver(self, sender: str, name: str, records: tuple[Verified, ...]) -> None:
        token, peer = Token(next(self._tokens)), PeerId(sender)
        if records[0].presence is not None:
            self.tell(name, PresencesHeard(records, peer, token))
        else:
            self.tell(name, Received(records, Via.GOSSIP, peer, token))

    def _infer(self, node: Node, run: fx.Infer) -> None:
        label, life = self.answer(node.name, run.input_bytes.decode()), node.life
        if label is not None:
            event = Inferred(run.task_id, a_result(label) if label else None)
            at_ms = self.now_ms + self.run_ms(node.name)
            self.at(at_ms, lambda: self.tell(node.name, event) if node.life == life else None)

    def _work(self, node: Node, asked: fx.Work) -> None:
        work, life = find_work(asked.record, start=0, tries=WORK_TRIES_MAX), node.life
        assert work is not None, "more tries than chance needs"
        event = ev.Worked(asked.ticket, work)
        node.works_ms = max(node.works_ms, self.now_ms) + self.work_ms
        self.at(node.works_ms, lambda: self.tell(node.name, event) if node.life == life else None)

    def _exchange_presences(self, name: str, other: str) -> None:
        for giver, taker in ((name, other), (other, name)):
            machine = self.nodes[giver].machine
            if machine is not None and giver != taker:
                raws = machine.live_presences(self.now(giver), most=2_048)
                records = tuple(opened(raw, self.network) for raw in raws)
                self.tell(taker, PresencesHeard(records, PeerId(giver)))


def _check_order(effects: list[Effect]) -> None:
    """Every Journal, then one Append at most, then the rest: what the disk must hold first."""
    order = ["Journal", "Append"]
    places = [(order.index(n) if n in order else 2) for n in [type(e).__name__ for e in effects]]
    assert places == sorted(places)
    assert places.count(1) <= 1
