"""Every row of a log told from its records alone: what a verifier compares a disk with.

The rows that `incremental` keeps up step by step are laid out here from the whole story at once,
one kind after the other, so that neither repeats a mistake of the other.
"""

from collections.abc import Iterable, Iterator, Sequence

from consensus import layout
from consensus.contributions import contribution_of
from consensus.layout import Judged, KeptJury, Totals
from consensus.range_sums import PLACES
from consensus.replay import Heard, MarketState, hear, kept_of, replay
from consensus.rows import Draft
from consensus.verdict import State
from protocol.canonical import pack
from protocol.params import Network
from protocol.reconcile_items import Item
from protocol.reconcile_tree import apply
from protocol.record import Record
from protocol.sealing import opened_commitment, statement_digest
from protocol.statements import Commit, Reveal

Told = dict[bytes, bytes]  # the rows of one kind

_PRESENT = b""


def recount(records: Iterable[Record], network: Network) -> Iterator[tuple[bytes, Told]]:
    """Walk the kinds of rows: the letter their keys begin with, and all rows of that kind.

    One kind is made at a time, for all of them together are larger than the log. The records may
    come in any order, repeated or not.
    """
    kept = kept_of(records)
    state = replay(kept, network)
    heard = hear(kept, network)
    yield layout.RECORD, {layout.RECORD + record.record_id: record.raw for record in kept}
    yield layout.ORDER, _order(kept)
    yield layout.RANGE_SUM, _range_sums(kept)
    yield layout.TASK, _tasks(state)
    yield layout.NEWEST, _newest(state)
    yield layout.UNDECIDED, _undecided(state)
    yield layout.COMMIT, _commits(kept)
    yield layout.JURY, _juries(kept)
    yield layout.OPENING, _openings(kept, network)
    yield layout.KIN, {key[: 1 + 32 + 32]: _PRESENT for key in _children(state, layout.KIN)}
    yield layout.CHILD, dict.fromkeys(_children(state, layout.CHILD), _PRESENT)
    yield layout.JUDGED, _judged(state, heard, network)
    yield layout.PAIR, _pairs(state)
    yield layout.FAULT, {layout.FAULT + key: pack(n) for key, n in state.faults.items()}
    yield layout.PROFILE, _profiles(state)
    yield layout.TOTALS, _totals(state) if kept else {}


def _order(kept: Sequence[Record]) -> Told:
    return {layout.order_key(one.created_ms, one.record_id): _PRESENT for one in kept}


def _range_sums(kept: Sequence[Record]) -> Told:
    draft = Draft(Nothing())
    for record in kept:
        draft.put(layout.order_key(record.created_ms, record.record_id), _PRESENT)
    apply(draft, PLACES, added=[Item(one.created_ms, one.record_id) for one in kept])
    sums = layout.RANGE_SUM
    return {k: v for k, v in draft.changes.items() if v is not None and k.startswith(sums)}


def _tasks(state: MarketState) -> Told:
    return {
        layout.TASK + key: layout.pack_task(one.author, one.task, one.created_ms, one.record_id)
        for key, one in state.tasks.items()
    }


def _newest(state: MarketState) -> Told:
    tasks = state.tasks.items()
    return {layout.newest_key(task.created_ms, key): _PRESENT for key, task in tasks}


def _undecided(state: MarketState) -> Told:
    return {
        layout.UNDECIDED + key: _PRESENT
        for key, verdict in state.verdicts.items()
        if verdict.state not in (State.FINAL, State.VOID)
    }


def _commits(kept: Sequence[Record]) -> Told:
    return {
        layout.COMMIT + said.task_id + record.author + said.commitment: _PRESENT
        for record in kept
        for said in record.statements
        if isinstance(said, Commit)
    }


def _juries(kept: Sequence[Record]) -> Told:
    slots: dict[bytes, list[KeptJury]] = {}
    for record in kept:
        jury = record.jury
        if jury is not None:
            one = layout.keep_jury(
                statement_digest(jury), record.record_id, record.created_ms, jury
            )
            slots.setdefault(layout.JURY + jury.task_id + record.author, []).append(one)
    return {key: layout.pack_juries(sorted(juries)) for key, juries in slots.items()}


def _openings(kept: Sequence[Record], network: Network) -> Told:
    told: Told = {}
    for record in kept:
        author = record.author
        for said in record.statements:
            if isinstance(said, Reveal):
                commitment = opened_commitment(network.network_id, author, said)
                key = layout.OPENING + said.task_id + author + commitment
                told[key] = layout.pack_result(said.result)
    return told


def _children(state: MarketState, letter: bytes) -> Iterator[bytes]:
    for task_id, one in state.tasks.items():
        task = one.task
        if task.retry_of:
            kin = layout.kin_of(one.author, task, task.attempt)
            yield letter + task.retry_of + kin + task_id


def _judged(state: MarketState, heard: Heard, network: Network) -> Told:
    told: Told = {}
    for task_id, verdict in state.verdicts.items():
        if verdict.state is not State.OPEN:
            task = state.tasks[task_id]
            added = contribution_of(task, verdict, heard, network.params.near_tie_ppm)
            seats = b"".join([vote.juror + vote.commitment for vote in verdict.votes])
            marks = layout.pack_marks(added.marks)
            judged = Judged(verdict.state, verdict.answer, marks, seats)
            told[layout.JUDGED + task_id] = layout.pack_judged(judged)
    return told


def _pairs(state: MarketState) -> Told:
    return {
        layout.PAIR + submitter + worker: pack(counters)
        for (submitter, worker), counters in state.pairs.items()
    }


def _profiles(state: MarketState) -> Told:
    return {
        layout.PROFILE + author: layout.pack_profile(statement_digest(profile), profile)
        for author, profile in state.profiles.items()
    }


def _totals(state: MarketState) -> Told:
    states = [verdict.state for verdict in state.verdicts.values()]
    counts = [states.count(one) for one in State]
    totals = Totals(len(state.kept), counts, int.from_bytes(state.digest))
    return {layout.TOTALS: layout.pack_totals(totals)}


class Nothing:
    """An empty log."""

    def get(self, key: bytes) -> None:
        """Return None."""
        del key

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk nothing."""
        del prefix, after
        return iter(())
