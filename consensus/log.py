"""The log, read by what it means: every question anybody asks of the rows."""

from collections.abc import Iterator, Sequence
from itertools import islice

from consensus import layout
from consensus.contributions import Counters, Pair
from consensus.rows import Rows
from consensus.state_digest import digest_of
from consensus.verdict import State, SubmittedTask, Verdict, is_retry, judge
from protocol.ids import Commitment, Digest, PublicKey, RecordId, TaskId
from protocol.statements import Jury, Profile, Result

_KEY_END = b"\xff" * 32
CHAIN_MAX = 64  # attempts looked at; honest submitters sign five at most


class RowEvidence:
    """Rows as the evidence that `judge` asks for: point lookups only."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def juries_of(self, task_id: TaskId, author: PublicKey) -> tuple[Jury, ...]:
        """Return the juries this author signed for the task: at most the two the join keeps."""
        return juries_of(self._rows, task_id, author)

    def find_opening(
        self, task_id: TaskId, juror: PublicKey, commitment: Commitment
    ) -> Result | None:
        """Return what the juror revealed to open this commitment."""
        return find_opening(self._rows, task_id, juror, commitment)

    def has_commit(self, task_id: TaskId, juror: PublicKey, commitment: Commitment) -> bool:
        """Answer whether the juror itself committed to this."""
        return has_commit(self._rows, task_id, juror, commitment)

    def has_retry(self, task: SubmittedTask) -> bool:
        """Answer whether the submitter validly tried the task again."""
        kin = layout.kin_of(task.author, task.task, task.task.attempt + 1)
        return self._rows.get(layout.KIN + task.task_id + kin) is not None


def find_record(rows: Rows, record_id: RecordId) -> bytes | None:
    """Return a record as it travels."""
    return rows.get(layout.RECORD + record_id)


def records_named(rows: Rows, prefix: bytes, *, limit: int) -> list[bytes]:
    """Return up to `limit` records whose id begins so, as they travel."""
    return [raw for _, raw in islice(rows.scan(layout.RECORD + prefix), limit)]


def has_record(rows: Rows, record_id: RecordId) -> bool:
    """Answer whether the log holds a record."""
    return rows.get(layout.RECORD + record_id) is not None


def record_count(rows: Rows) -> int:
    """Return how many records the log holds."""
    return layout.read_totals(rows.get(layout.TOTALS)).records


def record_ids(
    rows: Rows, *, after: tuple[int, bytes] | None = None
) -> Iterator[tuple[int, RecordId]]:
    """Walk (created_ms, record id) ascending, beginning above `after`."""
    start = b"" if after is None else layout.order_key(*after)
    for key, _ in rows.scan(layout.ORDER, after=start):
        yield int.from_bytes(key[1:9]), RecordId(key[9:])


def find_task(rows: Rows, task_id: TaskId) -> SubmittedTask | None:
    """Return a task and who submitted it."""
    value = rows.get(layout.TASK + task_id)
    return None if value is None else layout.read_task(task_id, value)


def newest_tasks(
    rows: Rows, *, limit: int, after: tuple[int, TaskId] | None = None
) -> list[TaskId]:
    """Return up to `limit` known tasks, the newest first; equal moments ascending by id.

    Args:
        rows: The log.
        limit: The most to return.
        after: The (created_ms, id) of the last task of the page before.
    """
    start = b"" if after is None else layout.newest_key(*after)
    found: list[TaskId] = []
    if limit <= 0:
        return found
    for key, _ in rows.scan(layout.NEWEST, after=start):
        found.append(TaskId(key[9:]))
        if len(found) == limit:
            break
    return found


def undecided(rows: Rows, *, after: TaskId | None = None) -> Iterator[TaskId]:
    """Walk the known tasks that are open, seated or split, ascending by id, above `after`."""
    start = b"" if after is None else layout.UNDECIDED + after
    for key, _ in rows.scan(layout.UNDECIDED, after=start):
        yield TaskId(key[1:])


def has_commit(rows: Rows, task_id: TaskId, juror: PublicKey, commitment: Commitment) -> bool:
    """Answer whether the juror itself committed to this."""
    return rows.get(layout.COMMIT + task_id + juror + commitment) is not None


def find_commit(rows: Rows, task_id: TaskId, juror: PublicKey) -> Commitment | None:
    """Return what a key committed to; of several the smallest."""
    for key, _ in rows.scan(layout.COMMIT + task_id + juror):
        return Commitment(key[65:])
    return None


def commits_of(rows: Rows, task_id: TaskId, *, limit: int) -> list[tuple[PublicKey, Commitment]]:
    """Return who committed to what, ascending by key; of one key's several the smallest.

    A key that piles up commitments is stepped over, so it cannot crowd others out of the limit.
    """
    prefix = layout.COMMIT + task_id
    found: list[tuple[PublicKey, Commitment]] = []
    after: bytes | None = b""
    while after is not None and len(found) < limit:
        start, after, last = after, None, b""
        for key, _ in rows.scan(prefix, after=start):
            juror = key[33:65]
            if juror == last:
                after = prefix + juror + _KEY_END
                break
            last = juror
            found.append((PublicKey(juror), Commitment(key[65:])))
            if len(found) == limit:
                break
    return found


def juries_of(rows: Rows, task_id: TaskId, author: PublicKey) -> tuple[Jury, ...]:
    """Return the juries an author signed for a task: at most the two the join keeps."""
    value = rows.get(layout.JURY + task_id + author)
    if value is None:
        return ()
    return tuple(layout.jury_of(task_id, kept) for kept in layout.read_juries(value))


def find_opening(
    rows: Rows, task_id: TaskId, juror: PublicKey, commitment: Commitment
) -> Result | None:
    """Return what a juror revealed to open a commitment."""
    value = rows.get(layout.OPENING + task_id + juror + commitment)
    return None if value is None else layout.read_result(value)


def find_verdict(rows: Rows, task_id: TaskId) -> Verdict | None:
    """Return the verdict on a task, or None while the task itself is unknown."""
    task = find_task(rows, task_id)
    return None if task is None else judge(task, RowEvidence(rows))


def retries_of(rows: Rows, task_id: TaskId) -> tuple[TaskId, ...]:
    """Return the first valid retries of a known task, ascending by id; there may be several."""
    task = find_task(rows, task_id)
    if task is None:
        return ()
    kin = layout.kin_of(task.author, task.task, task.task.attempt + 1)
    found = islice(rows.scan(layout.CHILD + task_id + kin), CHAIN_MAX)
    return tuple(TaskId(key[65:]) for key, _ in found)


def chain_of(rows: Rows, task_id: TaskId) -> tuple[TaskId, ...]:
    """Return all attempts of one piece of work, the first one first, ascending by (attempt, id).

    A retry whose parent is unknown, or that is not a valid retry of it, is its own first. An
    unknown task has no chain. Of a submitter who signs retries without end, the first
    `CHAIN_MAX` count.
    """
    task = find_task(rows, task_id)
    if task is None:
        return ()
    while task.task.retry_of:  # ends: the attempt falls by one at each step
        parent = find_task(rows, TaskId(task.task.retry_of))
        if parent is None or not is_retry(task, parent):
            break
        task = parent
    chain: list[TaskId] = []
    attempt = [task.task_id]
    while attempt and len(chain) < CHAIN_MAX:
        chain += attempt
        children = (child for parent_id in attempt for child in retries_of(rows, parent_id))
        attempt = sorted(islice(children, CHAIN_MAX))
    return tuple(chain[:CHAIN_MAX])


def chain_answer(rows: Rows, chain: Sequence[TaskId]) -> tuple[TaskId, Verdict] | None:
    """Return the last final attempt of a chain with its verdict, or None while none is final."""
    for attempt_id in reversed(chain):
        verdict = find_verdict(rows, attempt_id)
        if verdict is not None and verdict.state is State.FINAL:
            return attempt_id, verdict
    return None


def find_profile(rows: Rows, author: PublicKey) -> Profile | None:
    """Return how an author wishes to be called."""
    value = rows.get(layout.PROFILE + author)
    return None if value is None else layout.read_profile(value)[1]


def pairs_of(rows: Rows) -> dict[Pair, Counters]:
    """Return every pair's counters, ascending by (submitter, worker)."""
    return dict(each_pair(rows))


def each_pair(rows: Rows) -> Iterator[tuple[Pair, Counters]]:
    """Walk what `pairs_of` returns, as it is at the call."""
    return (
        ((PublicKey(key[1:33]), PublicKey(key[33:])), layout.read_counters(value))
        for key, value in rows.scan(layout.PAIR)
    )


def faults_of(rows: Rows) -> dict[PublicKey, int]:
    """Return the faults of every submitter that has any, ascending by key."""
    return dict(each_fault(rows))


def each_fault(rows: Rows) -> Iterator[tuple[PublicKey, int]]:
    """Walk what `faults_of` returns, as it is at the call."""
    return (
        (PublicKey(key[1:]), layout.read_faults(value)) for key, value in rows.scan(layout.FAULT)
    )


def state_digest(rows: Rows) -> Digest:
    """Return the digest of all verdicts and scores."""
    return digest_of(layout.read_totals(rows.get(layout.TOTALS)).digest)


def task_counts(rows: Rows) -> dict[State, int]:
    """Return how many known tasks are in each state."""
    counts = layout.read_totals(rows.get(layout.TOTALS)).counts
    return dict(zip(State, counts, strict=True))
