"""What a node must remember of its own words: slots, requests and unopened answers.

A slot names something that may be signed once: a request, a retry, or one kind of statement about
one task. The rows here mirror the signing journal; at start they are made again from it, so that
the journal alone decides, whatever became of the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from consensus.rows import Changes, Rows
from protocol.canonical import Reader, pack
from protocol.ids import RecordId, TaskId, sha256
from protocol.params import UINT_END, NetworkParams
from protocol.schema import read_result, result_fields
from protocol.statements import Kind, Result

_SLOT = b"S"
_REQUEST = b"Q"
_OPENING = b"O"
CANCELLED = b"X"  # task id -> nothing
_UINT_MAX = UINT_END - 1


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one of our commitments; written down before the commitment leaves."""

    task_id: TaskId
    salt: bytes
    result: Result


@dataclass(frozen=True, slots=True)
class Asked:
    """A user's request and the task it became."""

    request: bytes
    content: bytes
    task_id: TaskId


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the signing journal.

    Attributes:
        record: The signed record, as it is published.
        slots: What it uses up.
        openings: For each of its commits, what opens it.
        asked: For each of its tasks that a user asked for, the request.
    """

    record: bytes
    slots: tuple[bytes, ...]
    openings: tuple[Opening, ...]
    asked: tuple[Asked, ...]


def request_slot(request: bytes) -> bytes:
    """Name the slot of a user's request."""
    return b"request" + request


def retry_slot(retry_of: bytes) -> bytes:
    """Name the slot of the one retry of a task."""
    return b"retry" + retry_of


def statement_slot(kind: Kind, task_id: TaskId) -> bytes:
    """Name the slot of our one commit, jury or reveal for a task."""
    return bytes([kind]) + task_id


def profile_slot(sequence: int) -> bytes:
    """Name the slot of a profile."""
    return b"profile" + sequence.to_bytes(8)


def find_slot(rows: Rows, slot: bytes) -> RecordId | None:
    """Return the record that used a slot up."""
    value = rows.get(_SLOT + slot)
    return None if value is None else RecordId(value)


def used_slots(rows: Rows) -> Iterator[tuple[bytes, RecordId]]:
    """Walk every slot that is used up, ascending, with the record that did."""
    return ((key[len(_SLOT) :], RecordId(value)) for key, value in rows.scan(_SLOT))


def request_slots(rows: Rows) -> Iterator[RecordId]:
    """Walk the records that used up the slots of our user's requests, ascending by request."""
    return (RecordId(value) for _, value in rows.scan(_SLOT + request_slot(b"")))


def find_asked(rows: Rows, request: bytes) -> Asked | None:
    """Return what a request became."""
    value = rows.get(_REQUEST + request)
    return None if value is None else Asked(request, value[:32], TaskId(value[32:]))


def find_opening(rows: Rows, task_id: TaskId, params: NetworkParams) -> Opening | None:
    """Return what opens our commitment for a task."""
    value = rows.get(_OPENING + task_id)
    if value is None:
        return None
    return Opening(task_id, value[:32], read_result(Reader(value[32:]), params))


def unopened(rows: Rows) -> Iterator[TaskId]:
    """Walk the tasks we committed to and signed no reveal for, ascending by id."""
    for key, _ in rows.scan(_OPENING):
        task_id = TaskId(key[1:])
        if find_slot(rows, statement_slot(Kind.REVEAL, task_id)) is None:
            yield task_id


def is_cancelled(rows: Rows, task_id: TaskId) -> bool:
    """Answer whether the user gave this task up."""
    return rows.get(CANCELLED + task_id) is not None


def cancelled(rows: Rows) -> Iterator[TaskId]:
    """Walk the tasks the user gave up, ascending by id; the journal does not know them."""
    return (TaskId(key[1:]) for key, _ in rows.scan(CANCELLED))


def cancellation(task_id: TaskId) -> Changes:
    """Return the rows that give a task up."""
    return {CANCELLED + task_id: b""}


def entry_changes(entry: Entry, record_id: RecordId) -> Changes:
    """Return the rows that mirror a journal entry, its record aside."""
    changes: Changes = {_SLOT + slot: record_id for slot in entry.slots}
    for opening in entry.openings:
        packed = b"".join(pack(field) for field in result_fields(opening.result))
        changes[_OPENING + opening.task_id] = opening.salt + packed
    for asked in entry.asked:
        changes[_REQUEST + asked.request] = asked.content + asked.task_id
    return changes


def pack_entry(entry: Entry) -> bytes:
    """Lay an entry out for the journal."""
    return pack(
        [
            1,
            entry.record,
            list(entry.slots),
            [[o.task_id, o.salt, *result_fields(o.result)] for o in entry.openings],
            [[a.request, a.content, a.task_id] for a in entry.asked],
        ]
    )


def read_entry(data: bytes, params: NetworkParams) -> Entry:
    """Read an entry of the journal back.

    Raises:
        Malformed: The journal was written by something else.
    """
    reader = Reader(data)
    reader.array("entry", 5, 5)
    reader.uint("entry version", 1)
    record = reader.blob("record", 1, params.record_bytes_max)
    slots = tuple(reader.blob("slot", 1, 64) for _ in _each(reader, "slots"))
    openings = []
    for _ in _each(reader, "openings"):
        reader.array("opening", 5, 5)
        task_id = TaskId(reader.blob("task_id", 32, 32))
        salt = reader.blob("salt", 32, 32)
        openings.append(Opening(task_id, salt, read_result(reader, params)))
    asked = []
    for _ in _each(reader, "asked"):
        reader.array("asked", 3, 3)
        request = reader.blob("request", 32, 32)
        content = reader.blob("content", 32, 32)
        asked.append(Asked(request, content, TaskId(reader.blob("task_id", 32, 32))))
    return Entry(record, slots, tuple(openings), tuple(asked))


def request_key(request_id: str) -> bytes:
    """Turn a user's request id, of any length, into 32 bytes."""
    return sha256(b"aimarket/request/1\0", request_id.encode())


def content_key(fields: Sequence[object]) -> bytes:
    """Digest what a request asked for, to tell a repetition from another request."""
    return sha256(b"aimarket/content/1\0", pack(list(fields)))


def _each(reader: Reader, what: str) -> Iterable[int]:
    return range(reader.array(what, 0, 4_096))
