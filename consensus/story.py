"""What was said about a task, in which records, in the order of its life.

The rows name the records of tasks and juries. Those of commits and reveals are looked for where
they should be, some at a time: first from the date of the task on, then a while before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice, takewhile

from consensus import layout
from consensus.log import (
    commits_of,
    find_opening,
    find_record,
    find_task,
    has_commit,
    juries_of,
    record_ids,
    retries_of,
)
from consensus.rows import Rows
from consensus.verdict import SubmittedTask
from protocol.ids import Commitment, PublicKey, RecordId
from protocol.params import Network
from protocol.record import decode_record
from protocol.sealing import opened_commitment
from protocol.statements import Commit, Reveal

COMMITS_TOLD_MAX = 64  # beside those of the jury, which are told in any case
CLOCKS_APART_MS = 600_000  # a guess: whose clock is further behind is not found


class Part(Enum):
    """What a statement is in the life of a task, in its order."""

    TASK = "task"
    COMMIT = "commit"
    JURY = "jury"
    REVEAL = "reveal"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Said:
    """One statement about a task.

    Attributes:
        part: What it is.
        author: Who said it.
        record_id: The record that holds it; None while that was not found.
        created_ms: When that record says it was made; None alike.
    """

    part: Part
    author: PublicKey
    record_id: RecordId | None
    created_ms: int | None


_Sealed = tuple[Part, PublicKey, Commitment]


class Story:
    """The statements about one task; `look` finds the records of more and more of them.

    Attributes:
        looked: How many records were looked at.
    """

    def __init__(
        self, rows: Rows, submitted: SubmittedTask, network: Network, *, for_proof: bool = False
    ) -> None:
        """Begin a story.

        Args:
            rows: The log.
            submitted: The task it is about.
            network: What records are read by.
            for_proof: Whether to look for no more than juries pin, and that in the whole log.
        """
        self.looked = 0
        self._submitted = submitted
        self._network = network
        self._first = Said(Part.TASK, submitted.author, submitted.record_id, submitted.created_ms)
        self._juries = tuple(_juries(rows, submitted))
        self._retries = tuple(_retries(rows, submitted))
        self._sealed: dict[_Sealed, Said] = {
            (part, author, commitment): Said(part, author, None, None)
            for part, author, commitment in _sealed(rows, submitted, only_pinned=for_proof)
        }
        self._missing = set(self._sealed)
        self._after: tuple[int, bytes] | None = (submitted.created_ms, b"")
        self._is_before = False
        apart_ms = submitted.created_ms if for_proof else CLOCKS_APART_MS
        self._earliest_ms = max(0, submitted.created_ms - apart_ms)

    @property
    def is_complete(self) -> bool:
        """Answer whether the record of every statement was found."""
        return not self._missing

    def look(self, rows: Rows, *, count: int) -> bool:
        """Look at some records more; answer whether looking on may find anything.

        Args:
            rows: The log, which may have grown.
            count: How many records at most.
        """
        if not self._missing or self._after is None:
            return False
        start_ms = self._submitted.created_ms
        places = record_ids(rows, after=self._after)
        if self._is_before:
            places = takewhile(lambda place: place[0] < start_ms, places)
        seen = 0
        for created_ms, record_id in islice(places, count):
            seen += 1
            self._after = (created_ms, record_id)
            self._read(rows, created_ms, record_id)
            if not self._missing:
                break
        self.looked += seen
        if seen < count and self._missing:
            self._after = None if self._is_before else (self._earliest_ms, b"")
            self._is_before = True
        return bool(self._missing) and self._after is not None

    def told(self) -> tuple[Said, ...]:
        """Return what is known so far: task, commits, juries, reveals, retries; each by date."""
        sealed = sorted(self._sealed.values(), key=_by_date)
        commits = [one for one in sealed if one.part is Part.COMMIT]
        reveals = [one for one in sealed if one.part is Part.REVEAL]
        return (self._first, *commits, *self._juries, *reveals, *self._retries)

    def _read(self, rows: Rows, created_ms: int, record_id: RecordId) -> None:
        name: bytes = self._submitted.task_id
        raw = find_record(rows, record_id)
        if raw is None or name not in raw:
            return
        record = decode_record(raw, self._network)
        for said in record.statements:
            if isinstance(said, Commit):
                part, commitment = Part.COMMIT, said.commitment
            elif isinstance(said, Reveal):
                opened = opened_commitment(self._network.network_id, record.author, said)
                part, commitment = Part.REVEAL, opened
            else:
                continue
            sealed = (part, record.author, commitment)
            if said.task_id == self._submitted.task_id and sealed in self._missing:
                self._missing.discard(sealed)
                self._sealed[sealed] = Said(part, record.author, record_id, created_ms)


def _by_date(said: Said) -> tuple[bool, int, bytes]:
    return said.created_ms is None, said.created_ms or 0, said.author


def _juries(rows: Rows, submitted: SubmittedTask) -> Iterator[Said]:
    author = submitted.author
    for kept in layout.read_juries(rows.get(layout.JURY + submitted.task_id + author)):
        yield Said(Part.JURY, author, RecordId(kept.record_id), kept.created_ms)


def _retries(rows: Rows, submitted: SubmittedTask) -> Iterator[Said]:
    for task_id in retries_of(rows, submitted.task_id):
        again = find_task(rows, task_id)
        assert again is not None, "a retry in the rows is a known task"
        yield Said(Part.RETRY, again.author, again.record_id, again.created_ms)


def _sealed(rows: Rows, submitted: SubmittedTask, *, only_pinned: bool) -> Iterator[_Sealed]:
    """Walk the commits that are told, and the reveals that open what a jury pins."""
    task_id = submitted.task_id
    pinned = {
        (seat.juror, seat.commitment)
        for jury in juries_of(rows, task_id, submitted.author)
        for seat in jury.seats
    }
    for juror, commitment in sorted(pinned):
        if has_commit(rows, task_id, juror, commitment):
            yield Part.COMMIT, juror, commitment
        if find_opening(rows, task_id, juror, commitment) is not None:
            yield Part.REVEAL, juror, commitment
    others = () if only_pinned else commits_of(rows, task_id, limit=COMMITS_TOLD_MAX)
    for worker, commitment in others:
        if (worker, commitment) not in pinned:
            yield Part.COMMIT, worker, commitment
