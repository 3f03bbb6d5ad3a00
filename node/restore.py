"""Making the database agree with the signing journal, which alone decides what we have said."""

from collections.abc import Iterable

from consensus.incremental import fold
from consensus.log import find_record, has_record
from node.core.own import Entry, entry_changes, find_slot, read_entry, used_slots
from node.errors import StoreDamaged
from node.ports import Log
from protocol.errors import ProtocolError
from protocol.ids import RecordId, sha256
from protocol.params import Network
from protocol.record import Verified, decode_record, signed_bytes, verify


def restore(log: Log, entries: Iterable[bytes], network: Network) -> int:
    """Put every record of the journal that the database lacks back into it.

    Args:
        log: The rows; flushed before this returns.
        entries: The journal, oldest first.
        network: Whose records they are.

    Returns:
        The date of our newest record, Unix milliseconds; 0 if there is none.

    Raises:
        StoreDamaged: An entry is whole, but not what this program wrote.
    """
    newest_ms = 0
    for number, data in enumerate(entries):
        try:
            entry = read_entry(data, network.params)
            record = decode_record(entry.record, network)
            is_lost = not has_record(log, record.record_id)
            if is_lost:  # the journal's own checksums cover what is not checked again
                verify(record)
        except ProtocolError as error:
            raise StoreDamaged(f"journal entry {number}: {error}") from error
        newest_ms = max(newest_ms, record.created_ms)
        if is_lost:
            log.stage(fold(log, [Verified(record)], network).changes)
        if any(find_slot(log, slot) is None for slot in entry.slots):
            log.stage(entry_changes(entry, record.record_id))
    log.flush()
    return newest_ms


def unjournaled(log: Log, entries: Iterable[bytes], network: Network) -> list[Entry]:
    """Return what the database knows this key to have signed and the journal does not.

    The journal is on the disk before the database, so this is never what a crash leaves: the
    journal was put back from a copy, or cut. The
    rows that open its commits are in the database, and stay there.

    Args:
        log: The rows, nothing staged.
        entries: The journal, oldest first.
        network: Whose records they are.

    Raises:
        StoreDamaged: An entry is whole, but not what this program wrote.
    """
    known: set[bytes] = set()
    for number, data in enumerate(entries):
        try:
            known.add(sha256(signed_bytes(read_entry(data, network.params).record)))
        except ProtocolError as error:
            raise StoreDamaged(f"journal entry {number}: {error}") from error
    strange: dict[RecordId, list[bytes]] = {}
    for slot, record_id in used_slots(log):
        if record_id not in known:
            strange.setdefault(record_id, []).append(slot)
    found = ((find_record(log, record_id), slots) for record_id, slots in strange.items())
    return [Entry(raw, tuple(slots), (), ()) for raw, slots in found if raw is not None]
