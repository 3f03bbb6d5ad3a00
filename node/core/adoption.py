"""Taking back what this key said where its journal cannot tell: by the operator's word only.

A directory that was rolled back, or whose journal lost its end, does not know what it may still
sign. Its operator, who knows that no second copy runs, has it learn that from its peers: each own
record met is written into the journal as if it had been signed here, and its slots are used up.
Only when nothing more has come for a while does the node sign again.
"""

from collections.abc import Sequence

from node.core.alarms import ADOPTION, Alarms
from node.core.effects import Adopted
from node.core.outbox import Outbox
from node.core.own import (
    Entry,
    entry_changes,
    find_slot,
    pack_entry,
    profile_slot,
    retry_slot,
    statement_slot,
)
from node.core.turn import Turn
from protocol.ids import findable
from protocol.record import Verified
from protocol.statements import Commit, Jury, Kind, Profile, Reveal, Statement, Task

# From the first whole comparison, or the last own record, to signing: some rounds with other peers.
SETTLE_MS = 30_000


class Adoption:
    """Goes on from the start of a node that was told to adopt until it signs."""

    def __init__(self, *, outbox: Outbox, alarms: Alarms, is_wanted: bool) -> None:
        self.is_going_on = is_wanted
        self._outbox = outbox
        self._alarms = alarms
        self._may_end = False

    def take(self, turn: Turn, records: Sequence[Verified]) -> None:
        """Write own records down that came from elsewhere; nothing else may use their slots."""
        if not records:
            return
        for record in records:
            slots = slots_of(record)
            fresh = tuple(slot for slot in slots if find_slot(turn.rows, slot) is None)
            for slot in slots:
                self._outbox.forget(slot)
            entry = Entry(record.raw, fresh, (), ())
            turn.entries.append(pack_entry(entry))
            turn.rows.update(entry_changes(entry, record.record_id))
            self._outbox.note_date(record.created_ms)
        if self._may_end:
            self._wait(turn)

    def may_end(self, turn: Turn) -> None:
        """Note that this node has seen what its peers know, or has none; more may still come."""
        self._may_end = True
        self._wait(turn)

    def end(self, turn: Turn) -> None:
        """Go over to signing: an own record that is met from now on stops the node again."""
        self.is_going_on = self._may_end = False
        turn.effects.append(Adopted())

    def _wait(self, turn: Turn) -> None:
        self._alarms.set(ADOPTION, turn.now.ms + SETTLE_MS)


def met_elsewhere(record: Verified) -> str:
    """Say why a node must stop that met a record of its own."""
    met = f"record {findable(record.record_id)} of this key was met"
    return f"{met}, but its journal does not know it"


def slots_of(record: Verified) -> list[bytes]:
    """Return what a record uses up, as far as it tells."""
    return [slot for one in record.statements if (slot := _slot_of(one)) is not None]


def _slot_of(statement: Statement) -> bytes | None:
    """Return what a statement uses up; a first attempt has only its request, unknown here."""
    match statement:
        case Commit(task_id, _):
            return statement_slot(Kind.COMMIT, task_id)
        case Jury():
            return statement_slot(Kind.JURY, statement.task_id)
        case Reveal():
            return statement_slot(Kind.REVEAL, statement.task_id)
        case Profile(sequence, _, _):
            return profile_slot(sequence)
        case Task() if statement.retry_of:
            return retry_slot(statement.retry_of)
        case _:
            return None
