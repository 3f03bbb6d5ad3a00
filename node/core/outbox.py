"""Our own words on their way out: gathered, signed, written down, then published.

A statement is signed only when it leaves, with all that gathered meanwhile, since gossip costs by
the message and not by the byte. An author publishes at most one message per
`max(batch_ms, batch_ms_per_author * authors heard lately)`, and never waits longer than
`batch_ms_max`; the first after a pause goes at once. Where the network asks for work, a message has
one new record, whose work was done before.
"""

from collections import deque
from dataclasses import dataclass, field

from node.core.alarms import OUTBOX, Alarms
from node.core.effects import Channel, Publish, Reply
from node.core.events import Token
from node.core.own import Asked, Entry, Opening, entry_changes, find_slot, pack_entry
from node.core.pace import Recent
from node.core.sealer import Order, Sealer
from node.core.settings import Settings
from node.core.turn import Turn
from protocol.canonical import pack
from protocol.gossip import pack_gossip
from protocol.keys import Signer
from protocol.params import GOSSIP_BYTES_MAX, GOSSIP_RECORDS_MAX, Network
from protocol.record import Verified
from protocol.schema import fields_of
from protocol.statements import Jury, Statement

# A record's bytes beside its statements: six fields, a signature and headers, rounded up.
_RECORD_BYTES = 192
_CROWD_SPAN_MS = 10_000
_REGULAR_MS = 1_000  # as long as anybody waits in a crowd: by then whoever works has spoken again


@dataclass(slots=True)
class Draftee:
    """One statement that waits to be signed.

    Attributes:
        statement: What is to be said.
        slot: What it uses up; nothing else may be signed for it.
        opening: For a commit, what opens it.
        asked: For a user's task, the request.
        tokens: Who waits to hear that it is safe.
    """

    statement: Statement
    slot: bytes
    opening: Opening | None = None
    asked: Asked | None = None
    tokens: list[Token] = field(default_factory=list)
    size: int = 0


class Outbox:
    """Statements that wait for the next message, and records that wait to be said again.

    Attributes:
        signing: Whether this key may sign.
        sealer: Signs what leaves here, and our presences.
        last_created_ms: The date of our newest record, presences included.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network: Network,
        settings: Settings,
        alarms: Alarms,
        last_created_ms: int,
    ) -> None:
        self.signing = False
        self.sealer = Sealer(signer, network)
        self._network = network
        self._settings = settings
        self._alarms = alarms
        self._waiting: deque[Draftee] = deque()
        self._slots: dict[bytes, Draftee] = {}
        self._again: deque[bytes] = deque()
        self._worked: list[Draftee] = []  # those in the record whose work is being done
        self._order: Order | None = None
        self._next_ms = 0
        self.last_created_ms = last_created_ms
        self._crowd = Recent(_CROWD_SPAN_MS, regular_ms=_REGULAR_MS)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._worked)

    @property
    def is_full(self) -> bool:
        """Answer whether users must wait before they ask for more."""
        return len(self) >= self._settings.outbox_max

    def add(self, turn: Turn, draftee: Draftee) -> bool:
        """Queue a statement; answer False if its slot is used up, or spoken for."""
        if draftee.slot in self._slots or find_slot(turn.rows, draftee.slot) is not None:
            return False
        draftee.size = len(pack(fields_of(draftee.statement)))
        self._slots[draftee.slot] = draftee
        self._waiting.append(draftee)
        return True

    def find(self, slot: bytes) -> Draftee | None:
        """Return what waits for a slot."""
        return self._slots.get(slot)

    def forget(self, slot: bytes) -> None:
        """Drop what waits for a slot, if anything does: it was used up elsewhere."""
        draftee = self._slots.pop(slot, None)
        if draftee is None:
            return
        if draftee in self._worked:  # the others need another record
            self._waiting.extendleft(reversed(self._worked))
            self._worked, self._order = [], None
        self._waiting.remove(draftee)

    def note_work(self, ticket: int, work: int) -> None:
        """Take in what work was found, if it is that of the record which waits for it."""
        if self._order is not None and self._order.ticket == ticket:
            self._order.work = work

    def say_again(self, raw: bytes) -> None:
        """Publish one of our stored records once more, byte for byte."""
        self._again.append(raw)

    def heard(self, author: bytes, now_ms: int) -> None:
        """Note an author of gossip, to know how crowded the network is."""
        self._crowd.add(author, now_ms)

    def created_ms(self, turn: Turn) -> int:
        """Date our next record: our clock, but always later than the last."""
        self.last_created_ms = max(turn.now.wall_ms, self.last_created_ms + 1)
        return self.last_created_ms

    def note_date(self, created_ms: int) -> None:
        """Date our next record later than this one of ours."""
        self.last_created_ms = max(self.last_created_ms, created_ms)

    def flush(self, turn: Turn) -> list[Verified]:
        """Sign and publish what waits, if it may leave now; return the new records."""
        if self.sealer.needs_work:
            self._order_work(turn)
        if not self._again and not self._can_seal:
            return []
        if turn.now.ms < self._next_ms:
            self._alarms.set(OUTBOX, self._next_ms)
            return []
        message: list[bytes] = []
        room = GOSSIP_BYTES_MAX - 8
        while self._again and len(message) < GOSSIP_RECORDS_MAX:
            if len(self._again[0]) + 4 > room:
                break
            room -= len(self._again[0]) + 4
            message.append(self._again.popleft())
        sealed: list[Verified] = []
        while self._can_seal and len(message) < GOSSIP_RECORDS_MAX:
            record = self._seal_next(turn, room)
            if record is None:
                break
            room -= len(record.raw) + 4
            message.append(record.raw)
            sealed.append(record)
        if message:
            turn.effects.append(Publish(Channel.RECORDS, pack_gossip(message)))
            self._crowd.add(self.sealer.public_key, turn.now.ms)
            crowd_ms = self._settings.batch_ms_per_author * self._crowd.count(turn.now.ms)
            pause_ms = min(max(self._settings.batch_ms, crowd_ms), self._settings.batch_ms_max)
            self._next_ms = turn.now.ms + pause_ms
        if self._again or self._can_seal:
            self._alarms.set(OUTBOX, self._next_ms)
        return sealed

    @property
    def _can_seal(self) -> bool:
        """Answer whether something waits for nothing but its turn."""
        if self.sealer.needs_work:
            return self._order is not None and self._order.work is not None
        return bool(self._waiting) and self.signing

    def _order_work(self, turn: Turn) -> None:
        """Have the work of the next record done, unless that of one is being done."""
        if self._order is None and self._waiting and self.signing:
            group = self._next_group(GOSSIP_BYTES_MAX - 8)
            if group:
                said = [draftee.statement for draftee in group]
                self._order = self.sealer.order(turn, said, self.created_ms(turn))
                self._worked = group

    def _seal_next(self, turn: Turn, room: int) -> Verified | None:
        """Seal the next record and write it down, if there is room for it in the message."""
        if self._order is None:
            group = self._next_group(room)
            if not group:
                return None
            said = [draftee.statement for draftee in group]
            return self._write_down(turn, group, self.sealer.seal(said, self.created_ms(turn)))
        if sum(draftee.size for draftee in self._worked) + _RECORD_BYTES > room:
            return None
        group, order = self._worked, self._order
        self._worked, self._order = [], None
        return self._write_down(turn, group, self.sealer.seal_order(order))

    def _next_group(self, room: int) -> list[Draftee]:
        """Take the statements of the next record off the queue: one jury, or many others."""
        params = self._network.params
        room = min(room, params.record_bytes_max) - _RECORD_BYTES
        group: list[Draftee] = []
        while self._waiting and len(group) < params.statements_max:
            first = self._waiting[0]
            alone = isinstance(first.statement, Jury)
            if first.size > room or (alone and group):
                break
            room -= first.size
            group.append(self._waiting.popleft())
            if alone:
                break
        return group

    def _write_down(self, turn: Turn, group: list[Draftee], record: Verified) -> Verified:
        for draftee in group:
            assert find_slot(turn.rows, draftee.slot) is None, "a slot is signed once"
            del self._slots[draftee.slot]
        entry = Entry(
            record.raw,
            tuple(draftee.slot for draftee in group),
            tuple(d.opening for d in group if d.opening is not None),
            tuple(d.asked for d in group if d.asked is not None),
        )
        turn.entries.append(pack_entry(entry))
        turn.rows.update(entry_changes(entry, record.record_id))
        for draftee in group:
            if draftee.asked is not None:
                task_id = draftee.asked.task_id
                turn.effects.extend(Reply(token, task_id) for token in draftee.tokens)
        return record
