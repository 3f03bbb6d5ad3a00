"""What a node says again at its start: nobody can tell whether it was heard before the end."""

from collections.abc import Iterator

from consensus.log import find_record, find_task, undecided
from consensus.rows import Rows
from node.core.own import find_slot, statement_slot
from protocol.ids import PublicKey, RecordId
from protocol.statements import Kind


def own_undecided(rows: Rows, me: PublicKey) -> Iterator[bytes]:
    """Walk our records of undecided tasks, as they were published, each once."""
    said: dict[RecordId, None] = {}
    for task_id in undecided(rows):
        submitted = find_task(rows, task_id)
        if submitted is None:
            continue
        if submitted.author == me:
            said[submitted.record_id] = None
        for kind in (Kind.COMMIT, Kind.JURY, Kind.REVEAL):
            record_id = find_slot(rows, statement_slot(kind, task_id))
            if record_id is not None:
                said[record_id] = None
    for record_id in said:
        raw = find_record(rows, record_id)
        if raw is not None:
            yield raw
