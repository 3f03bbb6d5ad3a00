"""When a simulated host compares its log, and what it answers: the real planner, in virtual time.

`node/sync.py` and `node/sync_answers.py` do the same over real streams; what peers say to each
other are the very bytes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.log import find_record, records_named
from node.core.sync import Outcome, Session, SyncPlanner
from node.exchange import (
    RECORDS_PER_NAME_MAX,
    RECORDS_PER_REQUEST_MAX,
    pack_blobs,
    pack_taken,
    read_blobs,
    read_comparison,
    read_wanted,
)
from node.salted import SaltedItems, salted_pairs
from node.sim.session import (
    COMPARE,
    RECORDS,
    Asking,
    Refused,
    SimSession,
    TooSlow,
    in_memory,
    is_stored,
    opened,
    places,
    told,
)
from node.sync_limits import ANSWERING, FIRST_QUERY_BYTES_MAX, FULL_PAGE_BYTES
from protocol.errors import ProtocolError
from protocol.ids import PeerId, PublicKey
from protocol.reconcile import initiate, respond
from protocol.reconcile_wire import VERSION

if TYPE_CHECKING:
    from node.sim.host import Host


class Syncing:
    """The sync of one host: when, with whom, and the one session that goes on."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._planner: SyncPlanner | None = None
        self._salted: SaltedItems | None = None
        self._step = 0  # counts questions; an answer to an earlier one is too late
        self._session: SimSession | None = None
        self._look_ms = -1
        self.hung_up: dict[int, None] = {}  # peers that sent what is wrong
        self.drags_ms = 0  # how much later than it could an answer leaves; liars take their time

    @property
    def planner(self) -> SyncPlanner:
        """Return who decides."""
        assert self._planner is not None, "a host that is up plans"
        return self._planner

    def begin(self) -> None:
        """Begin a life with nobody known."""
        self._planner = SyncPlanner(self._host.dice.below, self._now_ms())
        self._look_ms = -1  # a life that ended while it was told something may have set it
        self._look_soon()

    def end(self) -> None:
        """End a life; a session that goes on is broken off."""
        self._step += 1
        self._session = self._planner = None
        self._look_ms = -1

    def came(self, peer: int, *, outbound: bool) -> None:
        """Note a new connection."""
        self.planner.came(self._id(peer), self._now_ms(), outbound=outbound)
        self._look_soon()

    def left(self, peer: int) -> None:
        """Note that a connection ended."""
        if self._planner is not None:
            self._planner.left(self._id(peer))

    def differs(self, author: PublicKey) -> None:
        """Note that an author's presence tells of another log."""
        index = self._host.world.index_of.get(author)
        if index is not None and self._planner is not None:
            self._planner.differs(self._id(index))
            self._look_soon()

    def answer(self, stream: str, asker: int, request: bytes) -> bytes | None:
        """Answer a question honestly; None if it is none, or cannot be answered."""
        if self._planner is None:
            return None
        self._planner.asked(self._id(asker), self._now_ms())
        try:
            if stream == COMPARE:
                return self._answer_comparison(request)
            if stream == RECORDS:
                return self._answer_records(request)
            return self._take_push(asker, request)
        except ProtocolError as error:
            if stream not in (COMPARE, RECORDS):
                self._hang_up(asker, str(error))
            return None

    def _look_soon(self) -> None:
        self._look_at(self._host.world.schedule.now_ms + 1)

    def _look_at(self, at_ms: int) -> None:
        if self._look_ms < 0 or at_ms < self._look_ms:
            self._look_ms = at_ms
            self._host.world.schedule.at(at_ms, self._look, self._host.life, at_ms)

    def _look(self, life: int, at_ms: int) -> None:
        host = self._host
        if life != host.life or at_ms != self._look_ms or host.machine is None:
            return
        self._look_ms = -1
        now_ms = host.world.schedule.now_ms
        if host.paused_until_ms > now_ms:
            self._look_at(host.paused_until_ms)
            return
        if self._session is None and host.world.net.air.sync:
            waits_for_ms = host.machine.waits_for_ms(host.now())
            session = self.planner.next(self._now_ms(), waits_for_ms=waits_for_ms)
            if session is not None:
                self._start(session)
        later_ms = host.clock.moment(self.planner.look_at_ms(self._now_ms()))
        self._look_at(max(now_ms + 1, min(later_ms, now_ms + host.world.look_ms)))

    def _start(self, session: Session) -> None:
        run = SimSession(self._host, session)
        self._session = run
        self._go_on(run, next)

    def _go_on(self, run: SimSession, move: Callable[[Asking], tuple[str, bytes, int]]) -> None:
        """Let a session go on until it asks again, or ends."""
        host = self._host
        self._step += 1
        try:
            stream, request, patience_ms = move(run.asking)
        except StopIteration as stopped:
            if self._session is run:
                self._ended(run, stopped.value)
            return
        if self._session is not run:  # what it told the host ended it
            return
        schedule, step, life = host.world.schedule, self._step, host.life
        schedule.after(patience_ms, self._give_up, run, step, life)
        arrives_ms = host.world.net.carry(host.index, run.peer, len(request))
        if arrives_ms is not None:
            schedule.at(arrives_ms, self._asked, run, step, life, stream, request)

    def _asked(self, run: SimSession, step: int, life: int, stream: str, request: bytes) -> None:
        """The question has come to the peer."""
        host = self._host
        peer = host.world.net.hosts[run.peer]
        if peer.paused_until_ms > host.world.schedule.now_ms:
            at_ms = peer.paused_until_ms
            host.world.schedule.at(at_ms, self._asked, run, step, life, stream, request)
            return
        if not peer.is_up:
            return
        answer = peer.answer(stream, host.index, request)
        arrives_ms = host.world.net.carry(run.peer, host.index, len(answer or b""))
        if arrives_ms is not None:
            arrives_ms += peer.syncing.drags_ms
            host.world.schedule.at(arrives_ms, self._answered, run, step, life, answer)

    def _answered(self, run: SimSession, step: int, life: int, answer: bytes | None) -> None:
        if step != self._step or life != self._host.life:
            return
        if self._host.paused_until_ms > self._host.world.schedule.now_ms:
            at_ms = self._host.paused_until_ms
            self._host.world.schedule.at(at_ms, self._answered, run, step, life, answer)
            return
        if answer is None:
            self._go_on(run, lambda asking: asking.throw(Refused()))
        else:
            self._go_on(run, lambda asking: asking.send(answer))

    def _give_up(self, run: SimSession, step: int, life: int) -> None:
        if step == self._step and life == self._host.life and self._session is run:
            self._go_on(run, lambda asking: asking.throw(TooSlow()))

    def _ended(self, run: SimSession, outcome: Outcome) -> None:
        host = self._host
        self._session = None
        sessions = host.world.counts.sessions
        sessions[outcome.value] = sessions.get(outcome.value, 0) + 1
        if outcome is Outcome.MOVED:
            host.world.counts.saw("sync repaired a gap")
        host.world.trace.step(host.world.schedule.now_ms, host.index, outcome.value, run.peer)
        self.planner.ended(outcome, self._now_ms())
        if outcome is Outcome.WRONG:
            self._hang_up(run.peer, "wrong in sync")
        elif outcome in (Outcome.EQUAL, Outcome.MOVED, Outcome.REFUSED) and run.session.is_full:
            host.allow_signing()
        self._look_soon()

    def _hang_up(self, peer: int, reason: str) -> None:
        self.hung_up[peer] = None
        self._host.world.blame(self._host.index, peer, reason)

    def _answer_comparison(self, request: bytes) -> bytes:
        asked = read_comparison(request)
        if asked.salt:
            if self._salted is None or self._salted.salt != asked.salt:
                pairs = salted_pairs(asked.salt, [places(self._host)])
                self._salted = SaltedItems(asked.salt, pairs)
            return respond(self._salted.items, asked.query, ANSWERING)
        items = in_memory(self._host, asked.since_ms)
        is_first = len(asked.query) <= FIRST_QUERY_BYTES_MAX
        if is_first and asked.query == initiate(items, equal_at_best=True):
            return bytes([VERSION])
        return respond(items, asked.query, ANSWERING)

    def _answer_records(self, request: bytes) -> bytes | None:
        salt, names = read_wanted(request)
        rows = self._host.rows
        if salt:
            if self._salted is None or self._salted.salt != salt:
                return None
            found = [find_record(rows, one) for one in self._salted.resolve(names)]
            return pack_blobs(raw for raw in found if raw is not None)
        return pack_blobs(
            raw for name in names for raw in records_named(rows, name, limit=RECORDS_PER_NAME_MAX)
        )

    def _take_push(self, asker: int, request: bytes) -> bytes:
        host = self._host
        raws = read_blobs(
            request,
            count_max=RECORDS_PER_REQUEST_MAX,
            bytes_max=host.world.network.params.record_bytes_max,
        )
        news = [raw for raw in raws if not is_stored(host, raw)]
        told(host, opened(host, news), asker)
        if sum(map(len, news)) >= FULL_PAGE_BYTES and self._planner is not None:
            self._planner.fills(self._id(asker), self._now_ms())
        return pack_taken(len(news))

    def _id(self, peer: int) -> PeerId:
        return self._host.world.net.hosts[peer].peer_id

    def _now_ms(self) -> int:
        return self._host.now().ms
