"""Counters, totals and digest of a log while one fold changes them.

Rows that many tasks share are read and written once a fold, not once a task.
"""

from functools import lru_cache

from consensus import layout
from consensus.contributions import Counters
from consensus.layout import Judged, Totals
from consensus.rows import Draft
from consensus.state_digest import digest_of, fault_term, pair_term, task_term
from consensus.verdict import State
from protocol.canonical import pack
from protocol.ids import PublicKey, TaskId

# What is taken back was put in before, mostly not long ago, and by every node of a simulation.
_TERMS_REMEMBERED_MAX = 4_096  # some 400 bytes each
_task_term = lru_cache(maxsize=_TERMS_REMEMBERED_MAX)(task_term)
_pair_term = lru_cache(maxsize=_TERMS_REMEMBERED_MAX)(pair_term)


class Sums:
    """What a fold adds to the sums of the log.

    Attributes:
        records: How many records more the log holds.
    """

    __slots__ = ("_counts", "_digest", "_draft", "_faults", "_pairs", "records")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.records = 0
        self._digest = 0
        self._counts = [0] * len(State)
        self._pairs: dict[bytes, list[int]] = {}  # submitter + worker -> what each counter gains
        self._faults: dict[PublicKey, int] = {}

    def move(self, task_id: TaskId, submitter: PublicKey, old: Judged | None, new: Judged) -> None:
        """Take back what was counted for a task and count it anew; None: it was unknown."""
        if old is not None:
            self._counts[old.state] -= 1
            self._mark(submitter, old, -1)
        self._counts[new.state] += 1
        self._mark(submitter, new, 1)
        if old is None:
            self._digest += _task_term(task_id, new.state, new.answer)
        elif (old.state, old.answer) != (new.state, new.answer):
            self._digest += _task_term(task_id, new.state, new.answer)
            self._digest -= _task_term(task_id, old.state, old.answer)

    def write(self) -> None:
        """Put every changed sum into the draft."""
        for pair, gains in self._pairs.items():
            if any(gains):
                self._write_pair(pair, gains)
        for submitter, gain in self._faults.items():
            if gain:
                self._write_faults(submitter, gain)
        before = layout.read_totals(self._draft.get(layout.TOTALS))
        counts, digest = before.counts, before.digest
        if any(self._counts):
            counts = [count + gain for count, gain in zip(counts, self._counts, strict=True)]
        if self._digest:
            digest = int.from_bytes(digest_of(digest + self._digest))
        after = Totals(before.records + self.records, counts, digest)
        self._draft.put(layout.TOTALS, layout.pack_totals(after))

    def _mark(self, submitter: PublicKey, judged: Judged, sign: int) -> None:
        if judged.state is State.VOID:
            self._faults[submitter] = self._faults.get(submitter, 0) + sign
        for worker, mark in layout.marked(judged):
            self._pairs.setdefault(submitter + worker, [0, 0, 0, 0])[mark] += sign

    def _write_pair(self, pair: bytes, gains: list[int]) -> None:
        key = layout.PAIR + pair
        before = layout.read_counters(self._draft.get(key))
        after = Counters(*[count + gain for count, gain in zip(before, gains, strict=True)])
        submitter, worker = PublicKey(pair[:32]), PublicKey(pair[32:])
        self._digest += _pair_term(submitter, worker, after)
        self._digest -= _pair_term(submitter, worker, before)
        if any(after):
            self._draft.put(key, pack(after))
        else:
            self._draft.delete(key)

    def _write_faults(self, submitter: PublicKey, gain: int) -> None:
        key = layout.FAULT + submitter
        before = layout.read_faults(self._draft.get(key))
        after = before + gain
        self._digest += fault_term(submitter, after) - fault_term(submitter, before)
        if after:
            self._draft.put(key, pack(after))
        else:
            self._draft.delete(key)
