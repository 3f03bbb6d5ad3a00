"""What a record says, and where it is held."""

from collections.abc import Iterator
from itertools import islice

from consensus.log import find_task
from consensus.rows import Rows
from node.commands_text import shortened
from node.core.own import find_slot, profile_slot, request_slots, retry_slot, statement_slot
from node.explain.views import RecordWhyView, StatementView
from node.explain.words import names_of, percent, quoted
from node.names import worker_view
from node.show import capability_text
from protocol.ids import NetworkId, PublicKey, TaskId, short
from protocol.record import Record
from protocol.sealing import task_id_of
from protocol.statements import Commit, Jury, Kind, Profile, Reveal, Statement, Task

# Of our own requests, whose ids no record repeats, to find the one that a task came of.
REQUESTS_LOOKED_MAX = 20_000
INPUT_SHOWN = 60
TEXT_SHOWN = 64


def record_why(rows: Rows, record: Record, me: PublicKey) -> RecordWhyView:
    """Explain a record of the log.

    Args:
        rows: The log.
        record: The record.
        me: Our own key.
    """
    is_ours = record.author == me
    in_journal = is_ours and any(_is_slot_of(rows, one, record) for one in record.statements)
    return RecordWhyView(
        record_id=record.record_id.hex(),
        author=worker_view(rows, record.author),
        created_ms=record.created_ms,
        size_bytes=len(record.raw),
        statements=tuple(_statements(rows, record)),
        in_journal=in_journal,
        because=tuple(_where(is_ours=is_ours, in_journal=in_journal)),
    )


def task_named(said: Statement, author: PublicKey, network_id: NetworkId) -> TaskId | None:
    """Return the task a statement is about; a profile is about none."""
    if isinstance(said, Task):
        return task_id_of(network_id, author, said)
    return said.task_id if isinstance(said, Commit | Jury | Reveal) else None


def _where(*, is_ours: bool, in_journal: bool) -> Iterator[str]:
    yield "this node's log holds it; its signature was checked when it came"
    if in_journal:
        yield "this node signed it: its journal holds it, and nothing else is signed in its place"
    elif is_ours:
        yield "it is signed with this node's key, and no slot of its journal names it"
    else:
        yield "somebody else signed it, so this node's journal does not hold it"


def _statements(rows: Rows, record: Record) -> Iterator[StatementView]:
    for said in record.statements:
        task_id = task_named(said, record.author, record.network_id)
        yield StatementView(
            kind=type(said).__name__.lower(),
            text=_words(rows, said),
            task_id="" if task_id is None else task_id.hex(),
            known=task_id is not None and find_task(rows, task_id) is not None,
        )


def _words(rows: Rows, said: Statement) -> str:
    match said:
        case Profile(sequence, alias, agent):
            shown = f"{shortened(alias, TEXT_SHOWN)}, running {shortened(agent, TEXT_SHOWN)}"
            return f"wishes to be called {shown} (number {sequence})"
        case Task():
            asked = shortened(said.input.decode(errors="backslashreplace"), INPUT_SHOWN)
            what = shortened(capability_text(said.capability), TEXT_SHOWN)
            again = f", attempt {said.attempt + 1} after {short(said.retry_of)}"
            return f"asks {said.seats} seats for {what} of: {asked}{again if said.retry_of else ''}"
        case Commit(_, commitment):
            return f"seals an answer as {short(commitment)}"
        case Jury(_, seats):
            return f"seats {names_of(rows, (seat.juror for seat in seats))}"
        case Reveal(_, result, _):
            sure, ahead = percent(result.confidence_ppm), percent(result.margin_ppm)
            return f"opens {quoted(result.answer)}, {sure} sure, {ahead} ahead of the next"
        case _:
            raise AssertionError("a presence is never stored")


def _is_slot_of(rows: Rows, said: Statement, record: Record) -> bool:
    """Answer whether our journal says that a statement's slot was used up by this record."""
    match said:
        case Profile(sequence, _, _):
            return find_slot(rows, profile_slot(sequence)) == record.record_id
        case Task() if said.retry_of:
            return find_slot(rows, retry_slot(said.retry_of)) == record.record_id
        case Task():
            used = islice(request_slots(rows), REQUESTS_LOOKED_MAX)
            return any(record_id == record.record_id for record_id in used)
        case Commit(task_id, _):
            slot = statement_slot(Kind.COMMIT, task_id)
        case Jury(task_id, _):
            slot = statement_slot(Kind.JURY, task_id)
        case Reveal(task_id, _, _):
            slot = statement_slot(Kind.REVEAL, task_id)
        case _:
            return False
    return find_slot(rows, slot) == record.record_id
