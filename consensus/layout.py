"""Where each row of the log lies and how its value reads: the one place that knows.

Keys begin with one lower-case letter; a node's own rows begin with anything else. Numbers in keys
are big-endian, so that byte order is number order. Values are msgpack, or the bytes themselves.
"""

from functools import lru_cache
from typing import NamedTuple

import msgpack

from consensus.contributions import Counters, Mark
from consensus.verdict import State, SubmittedTask
from protocol.canonical import pack
from protocol.ids import Commitment, Digest, PublicKey, RecordId, TaskId, sha256
from protocol.params import UINT_END
from protocol.statements import Answer, AnswerKind, Jury, Profile, Result, Seat, Task

RECORD = b"r"  # record id -> the packed record
ORDER = b"o"  # created_ms, record id -> nothing
RANGE_SUM = b"x"  # see protocol.reconcile_tree
TASK = b"t"  # task id -> see `pack_task`
NEWEST = b"n"  # created_ms counted down, task id -> nothing
UNDECIDED = b"u"  # task id -> nothing: open, seated or split
COMMIT = b"c"  # task id, juror, commitment -> nothing
JURY = b"j"  # task id, author -> see `pack_juries`
OPENING = b"e"  # task id, juror, commitment -> see `pack_result`
KIN = b"k"  # parent id, kin of the child -> nothing: there is such a child
CHILD = b"y"  # parent id, kin of the child, child id -> nothing
JUDGED = b"v"  # task id -> see `Judged`; open tasks have none
PAIR = b"p"  # submitter, worker -> counters
FAULT = b"f"  # submitter -> faults
PROFILE = b"a"  # author -> digest, sequence, alias, agent
TOTALS = b"s"  # -> see `Totals`

_UNMARKED = 255
# A row is read again and again while its task is undecided, and by every node of a simulation. A
# task is at most 16 KiB and as much again once it is read, all others are at most 4 KiB.
_ROWS_REMEMBERED_MAX = 256
_COUNTERS_REMEMBERED_MAX = 4_096  # some 200 bytes each
_SEAT_BYTES = 64


class Judged(NamedTuple):
    """What was counted for a task, kept so that it can be taken back.

    Attributes:
        state: Never open.
        answer: Empty unless final.
        marks: One byte for each seat: a `Mark`, or 255.
        seats: Juror and commitment, 64 bytes for each seat; empty when void.
    """

    state: State
    answer: bytes
    marks: bytes
    seats: bytes


class KeptJury(NamedTuple):
    """A jury that the join keeps.

    Attributes:
        digest: SHA-256 of the packed statement.
        record_id: The smallest id of the records that say so.
        created_ms: When that record says it was made.
        seats: Juror and commitment, 64 bytes for each seat.
    """

    digest: bytes
    record_id: bytes
    created_ms: int
    seats: bytes


class Totals(NamedTuple):
    """What is counted over the whole log.

    Attributes:
        records: How many records it holds.
        counts: How many known tasks are in each state, in the order of `State`.
        digest: The state digest, as a number.
    """

    records: int
    counts: list[int]
    digest: int


def order_key(created_ms: int, record_id: bytes) -> bytes:
    """Return the key of the row that puts a record in the order of the sync."""
    return ORDER + created_ms.to_bytes(8) + record_id


def newest_key(created_ms: int, task_id: bytes) -> bytes:
    """Return the key of the row that lists a task, the newest first."""
    return NEWEST + (UINT_END - created_ms).to_bytes(8) + task_id


def kin_of(author: PublicKey, task: Task, attempt: int) -> bytes:
    """Name everything that a valid retry shares with its siblings, 32 bytes.

    With it in the key, whether a task was validly tried again is one lookup, however many invalid
    retries strangers pile up.
    """
    return sha256(pack([author, task.task_type, task.model_digest, task.input, attempt]))


def pack_task(author: PublicKey, task: Task, created_ms: int, record_id: RecordId) -> bytes:
    """Pack the row of a task."""
    return pack(
        (
            author,
            created_ms,
            record_id,
            task.nonce,
            task.task_type,
            task.model_digest,
            task.input,
            task.seats,
            task.attempt,
            task.retry_of,
        )
    )


@lru_cache(maxsize=_ROWS_REMEMBERED_MAX)
def read_task(task_id: TaskId, value: bytes) -> SubmittedTask:
    """Read the row of a task."""
    author, created_ms, record_id, *fields = msgpack.unpackb(value)
    return SubmittedTask(task_id, author, Task(*fields), created_ms, record_id)


def pack_result(result: Result) -> bytes:
    """Pack the row of an opening."""
    answer = result.answer
    return pack((answer.kind, answer.value, result.confidence_ppm, result.margin_ppm))


@lru_cache(maxsize=_ROWS_REMEMBERED_MAX)
def read_result(value: bytes) -> Result:
    """Read the row of an opening; jurors of one task tend to say the same words."""
    kind, answer, confidence_ppm, margin_ppm = msgpack.unpackb(value)
    return Result(Answer(_ANSWER_KINDS[kind], answer), confidence_ppm, margin_ppm)


def keep_jury(digest: Digest, record_id: RecordId, created_ms: int, jury: Jury) -> KeptJury:
    """Lay out one jury as the row of its slot holds it."""
    seats = b"".join([seat.juror + seat.commitment for seat in jury.seats])
    return KeptJury(digest, record_id, created_ms, seats)


@lru_cache(maxsize=_ROWS_REMEMBERED_MAX)
def read_juries(value: bytes | None) -> tuple[KeptJury, ...]:
    """Read the row of a slot: at most two juries, ascending by digest."""
    return () if value is None else tuple([KeptJury(*one) for one in msgpack.unpackb(value)])


def pack_juries(kept: list[KeptJury]) -> bytes:
    """Pack the row of a slot."""
    return pack(kept)


@lru_cache(maxsize=_ROWS_REMEMBERED_MAX)
def jury_of(task_id: TaskId, kept: KeptJury) -> Jury:
    """Turn a kept jury back into the statement."""
    seats = kept.seats
    return Jury(
        task_id,
        tuple(
            Seat(PublicKey(seats[at : at + 32]), Commitment(seats[at + 32 : at + 64]))
            for at in range(0, len(seats), _SEAT_BYTES)
        ),
    )


@lru_cache(maxsize=_ROWS_REMEMBERED_MAX)
def read_judged(value: bytes) -> Judged:
    """Read the row of a judged task."""
    state, answer, marks, seats = msgpack.unpackb(value)
    return Judged(_STATES[state], answer, marks, seats)


def pack_judged(judged: Judged) -> bytes:
    """Pack the row of a judged task."""
    return pack((judged.state, judged.answer, judged.marks, judged.seats))


def pack_marks(marks: tuple[Mark | None, ...]) -> bytes:
    """Write marks down, one byte each."""
    return bytes([_UNMARKED if mark is None else mark for mark in marks])


def jurors_of(judged: Judged) -> list[PublicKey]:
    """Return who sits on the jury, in the order of the marks; nobody when void."""
    seats = judged.seats
    return [PublicKey(seats[at : at + 32]) for at in range(0, len(seats), _SEAT_BYTES)]


def marked(judged: Judged) -> list[tuple[PublicKey, int]]:
    """Return each juror that bears a mark, and which."""
    seats = judged.seats
    return [
        (PublicKey(seats[at * _SEAT_BYTES : at * _SEAT_BYTES + 32]), mark)
        for at, mark in enumerate(judged.marks)
        if mark != _UNMARKED
    ]


@lru_cache(maxsize=_COUNTERS_REMEMBERED_MAX)
def read_counters(value: bytes | None) -> Counters:
    """Read the row of a pair; a missing one is all zero."""
    return Counters() if value is None else Counters(*msgpack.unpackb(value))


def read_faults(value: bytes | None) -> int:
    """Read the row of a submitter's faults; a missing one is zero."""
    if value is None:
        return 0
    faults: int = msgpack.unpackb(value)
    return faults


def pack_profile(digest: Digest, profile: Profile) -> bytes:
    """Pack the row of a profile."""
    return pack((digest, profile.sequence, profile.alias, profile.agent))


def read_profile(value: bytes) -> tuple[Digest, Profile]:
    """Read the row of a profile, and the digest that decides between two of one sequence."""
    digest, sequence, alias, agent = msgpack.unpackb(value)
    return digest, Profile(sequence, alias, agent)


def pack_totals(totals: Totals) -> bytes:
    """Pack the one row of totals; its digest is reduced already."""
    return pack((totals.records, totals.counts, totals.digest.to_bytes(32)))


def read_totals(value: bytes | None) -> Totals:
    """Read the one row of totals; a missing one is an empty log."""
    if value is None:
        return Totals(0, [0] * len(State), 0)
    records, counts, digest = msgpack.unpackb(value)
    return Totals(records, counts, int.from_bytes(digest))


_ANSWER_KINDS = (AnswerKind.VALUE, AnswerKind.ERROR)  # faster than calling the enum
_STATES = tuple(State)
UNJUDGED = Judged(State.OPEN, b"", b"", b"")  # what stands for the row an open task lacks
