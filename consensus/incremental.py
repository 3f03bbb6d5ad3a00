"""The log as it grows: some records more, and every verdict and score is right again.

Equal to `consensus.replay` on every input, in whatever order, grouping and number the records
come. Everything is indexed on arrival, known task or not; then each task that could have changed
is judged once: its old contribution is taken back and the new one added, all in the same changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from consensus import layout, range_sums
from consensus.contributions import Contribution, contribution_of
from consensus.jury_join import join
from consensus.layout import Judged, KeptJury
from consensus.log import RowEvidence, find_task
from consensus.rows import Changes, Draft, Rows
from consensus.sums import Sums
from consensus.verdict import State, SubmittedTask, Verdict, judge
from protocol.ids import Commitment, PublicKey, RecordId, TaskId
from protocol.params import Network
from protocol.record import Verified
from protocol.sealing import opened_commitment, statement_digest, task_id_of
from protocol.statements import Commit, Jury, Profile, Reveal, Task

_PRESENT = b""
JURIES_REMEMBERED_MAX = 256  # a jury is met at the door and again as it is stored, on every node


@dataclass(frozen=True, slots=True)
class Folded:
    """What some records more come to.

    Attributes:
        changes: The rows to write, all or none.
        stored: Records that were not in the log and now are, in the order given.
        dropped: Records that were in the log and left it by the join of juries.
        rejudged: Known tasks that were judged again, whether or not the verdict changed.
    """

    changes: Changes
    stored: tuple[RecordId, ...]
    dropped: tuple[RecordId, ...]
    rejudged: tuple[TaskId, ...]


def fold(rows: Rows, records: Sequence[Verified], network: Network) -> Folded:
    """Add records to a log; nothing is written, the changes say what to write.

    Raises:
        AssertionError: A Presence, which is never stored.
    """
    step = _Fold(rows.bottom if isinstance(rows, Draft) else rows, network)
    for record in records:
        step.add(record)
    return step.finish()


def would_keep(rows: Rows, record: Verified, network: Network) -> bool:
    """Answer whether a record would add to the log: it is new, and no jury the join drops."""
    del network
    if rows.get(layout.RECORD + record.record_id) is not None:
        return False
    jury = record.jury
    if jury is None:
        return True
    kept = layout.read_juries(rows.get(layout.JURY + jury.task_id + record.author))
    new = kept_of(record, jury)
    return new in join(kept, new)


def kept_of(record: Verified, jury: Jury) -> KeptJury:
    """Return the jury of a record as it competes for its slot."""
    known = _kept(record.record_id)
    if not known:
        digest = statement_digest(jury)
        known.append(layout.keep_jury(digest, record.record_id, record.created_ms, jury))
    return known[0]


@lru_cache(maxsize=JURIES_REMEMBERED_MAX)
def _kept(record_id: RecordId) -> list[KeptJury]:
    """Remember what one record comes to, once that is known: its id stands for all it says."""
    del record_id
    return []


class _Fold:
    """One call of `fold` on its way."""

    __slots__ = (
        "_changes",
        "_draft",
        "_dropped",
        "_moved",
        "_network",
        "_new_tasks",
        "_rows",
        "_stored",
        "_sums",
        "_touched",
    )

    def __init__(self, rows: Rows, network: Network) -> None:
        self._rows = rows
        self._network = network
        self._draft = Draft(rows)
        self._changes = self._draft.changes
        self._sums = Sums(self._draft)
        self._moved = range_sums.Moved()
        # Dictionaries for their order: sets would show theirs in `rejudged`.
        self._stored: dict[RecordId, None] = {}
        self._dropped: dict[RecordId, None] = {}
        self._touched: dict[TaskId, None] = {}
        self._new_tasks: dict[TaskId, SubmittedTask] = {}

    def add(self, record: Verified) -> None:
        record_id = record.record_id
        if self._draft.get(layout.RECORD + record_id) is not None:
            return
        jury = record.jury
        if jury is not None:
            if not self._join(record, jury):
                return
        else:
            self._index(record)
        self._changes[layout.RECORD + record_id] = record.raw
        self._moved.add(record.created_ms, record_id)
        self._stored[record_id] = None
        self._sums.records += 1

    def finish(self) -> Folded:
        rejudged: tuple[TaskId, ...] = ()
        if self._touched:
            evidence = RowEvidence(self._draft)
            rejudged = tuple([one for one in self._touched if self._rejudge(one, evidence)])
        if self._stored:
            self._sums.write()
            self._changes.update(self._moved.changes(self._rows))
        return Folded(self._changes, tuple(self._stored), tuple(self._dropped), rejudged)

    def _index(self, record: Verified) -> None:
        author = record.author
        changes = self._changes
        for statement in record.statements:
            if isinstance(statement, Reveal):
                commitment = opened_commitment(self._network.network_id, author, statement)
                self._touch_if_seated(statement.task_id, author, commitment)
                key = layout.OPENING + statement.task_id + author + commitment
                changes[key] = layout.pack_result(statement.result)
            elif isinstance(statement, Commit):
                self._touch_if_seated(statement.task_id, author, statement.commitment)
                key = layout.COMMIT + statement.task_id + author + statement.commitment
                changes[key] = _PRESENT
            elif isinstance(statement, Task):
                self._index_task(record, statement)
            elif isinstance(statement, Profile):
                self._index_profile(author, statement)
            else:
                raise AssertionError(f"{type(statement).__name__} is never stored like this")

    def _touch_if_seated(self, task_id: TaskId, author: PublicKey, commitment: Commitment) -> None:
        """Note that a pinned commitment has news; anything else cannot change a verdict.

        A task without a row is unknown or open. If its Task or Jury is new in this very fold, that
        touches the task by itself.
        """
        if task_id in self._touched:
            return
        judged = self._rows.get(layout.JUDGED + task_id)
        if judged is not None and author + commitment in judged:
            self._touched[task_id] = None

    def _index_task(self, record: Verified, task: Task) -> None:
        author, created_ms = record.author, record.created_ms
        task_id = task_id_of(self._network.network_id, author, task)
        known = find_task(self._draft, task_id)
        submitted = SubmittedTask(task_id, author, task, created_ms, record.record_id)
        if known is None:
            self._new_tasks[task_id] = submitted
            self._touched[task_id] = None
        elif (known.created_ms, known.record_id) < (created_ms, record.record_id):
            return
        else:
            self._erase(layout.newest_key(known.created_ms, task_id))
        self._changes[layout.TASK + task_id] = layout.pack_task(
            author, task, created_ms, record.record_id
        )
        self._changes[layout.newest_key(created_ms, task_id)] = _PRESENT
        if task.retry_of:
            family = task.retry_of + layout.kin_of(author, task, task.attempt)
            self._changes[layout.KIN + family] = _PRESENT
            self._changes[layout.CHILD + family + task_id] = _PRESENT
            self._touched[TaskId(task.retry_of)] = None

    def _index_profile(self, author: PublicKey, profile: Profile) -> None:
        digest = statement_digest(profile)
        known = self._draft.get(layout.PROFILE + author)
        if known is not None:
            known_digest, known_profile = layout.read_profile(known)
            if (known_profile.sequence, known_digest) >= (profile.sequence, digest):
                return
        self._changes[layout.PROFILE + author] = layout.pack_profile(digest, profile)

    def _join(self, record: Verified, jury: Jury) -> bool:
        """Let a jury compete for its slot; answer whether it is kept."""
        key = layout.JURY + jury.task_id + record.author
        before = layout.read_juries(self._draft.get(key))
        new = kept_of(record, jury)
        after = join(before, new)
        if new not in after:
            return False
        for old in before:
            if old not in after:
                self._drop(old)
        self._changes[key] = layout.pack_juries(after)
        self._touched[jury.task_id] = None
        return True

    def _drop(self, kept: KeptJury) -> None:
        record_id = RecordId(kept.record_id)
        if record_id in self._stored:
            del self._stored[record_id]
        else:
            self._dropped[record_id] = None
        self._erase(layout.RECORD + record_id)
        self._moved.drop(kept.created_ms, record_id)
        self._sums.records -= 1

    def _erase(self, key: bytes) -> None:
        """Take a row back: out of the changes if this fold made it, else out of the log."""
        if self._rows.get(key) is None:
            del self._changes[key]
        else:
            self._changes[key] = None

    def _rejudge(self, task_id: TaskId, evidence: RowEvidence) -> bool:
        is_new = task_id in self._new_tasks
        task = self._new_tasks[task_id] if is_new else find_task(self._draft, task_id)
        if task is None:
            return False
        if is_new and self._draft.get(layout.JURY + task_id + task.author) is None:
            # By far the most common: a task that arrives before its jury is open.
            self._sums.move(task_id, task.author, None, layout.UNJUDGED)
            self._changes[layout.UNDECIDED + task_id] = _PRESENT
            return True
        verdict = judge(task, evidence)
        contribution = contribution_of(task, verdict, evidence, self._network.params.near_tie_ppm)
        value = self._rows.get(layout.JUDGED + task_id)
        old = None if value is None else layout.read_judged(value)
        new = _judged(verdict, contribution)
        if old == new and not is_new:
            return True
        self._sums.move(task_id, task.author, None if is_new else old or layout.UNJUDGED, new)
        if verdict.state is not State.OPEN:
            self._changes[layout.JUDGED + task_id] = layout.pack_judged(new)
        undecided = layout.UNDECIDED + task_id
        if verdict.state not in (State.FINAL, State.VOID):
            if is_new:
                self._changes[undecided] = _PRESENT
        elif not is_new:
            self._changes[undecided] = None
        return True


def _judged(verdict: Verdict, contribution: Contribution) -> Judged:
    seats = b"".join([vote.juror + vote.commitment for vote in verdict.votes])
    return Judged(verdict.state, verdict.answer, layout.pack_marks(contribution.marks), seats)
