"""The whole log told from its beginning: slow, obvious, and what `incremental` must equal."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.contributions import Counters, Pair, contribution_of
from consensus.leaderboard import Standing, leaderboard
from consensus.state_digest import digest_of, fault_term, pair_term, task_term
from consensus.verdict import SubmittedTask, Verdict, is_retry, judge
from protocol.ids import Commitment, Digest, PublicKey, RecordId, TaskId
from protocol.params import Network
from protocol.record import Record
from protocol.sealing import opened_commitment, statement_digest, task_id_of
from protocol.statements import Commit, Jury, Profile, Result, Reveal, Task

_Slot = tuple[TaskId, PublicKey]
_Sealed = tuple[TaskId, PublicKey, Commitment]


@dataclass(frozen=True, slots=True)
class MarketState:
    """Everything that follows from a log.

    Attributes:
        kept: The records of the log, the juries that the join drops left out; ascending by id.
        tasks: Every known task.
        verdicts: The verdict on each of them.
        pairs: Counters of every pair that has any.
        faults: Faults of every submitter that has any.
        profiles: How each author wishes to be called.
        digest: The state digest.
        leaderboard: Everybody's standing.
    """

    kept: tuple[RecordId, ...]
    tasks: dict[TaskId, SubmittedTask]
    verdicts: dict[TaskId, Verdict]
    pairs: dict[Pair, Counters]
    faults: dict[PublicKey, int]
    profiles: dict[PublicKey, Profile]
    digest: Digest
    leaderboard: tuple[Standing, ...]


@dataclass(slots=True)
class Heard:
    """All statements of a log, by what they name: the evidence."""

    tasks: dict[TaskId, SubmittedTask] = field(default_factory=dict)
    retries: dict[bytes, list[SubmittedTask]] = field(default_factory=dict)  # by what they retry
    juries: dict[_Slot, list[Jury]] = field(default_factory=dict)
    commits: dict[_Sealed, None] = field(default_factory=dict)
    openings: dict[_Sealed, Result] = field(default_factory=dict)
    profiles: dict[PublicKey, Profile] = field(default_factory=dict)

    def juries_of(self, task_id: TaskId, author: PublicKey) -> list[Jury]:
        """Return the juries this author signed for the task."""
        return self.juries.get((task_id, author), [])

    def find_opening(
        self, task_id: TaskId, juror: PublicKey, commitment: Commitment
    ) -> Result | None:
        """Return what the juror revealed to open this commitment."""
        return self.openings.get((task_id, juror, commitment))

    def has_commit(self, task_id: TaskId, juror: PublicKey, commitment: Commitment) -> bool:
        """Answer whether the juror itself committed to this."""
        return (task_id, juror, commitment) in self.commits

    def has_retry(self, task: SubmittedTask) -> bool:
        """Answer whether the submitter validly tried the task again."""
        # A retry names what it retries, so nothing else can be one.
        return any(is_retry(other, task) for other in self.retries.get(task.task_id, ()))


def replay(records: Iterable[Record], network: Network) -> MarketState:
    """Recount everything from all records, given in any order, repeated or not."""
    kept = kept_of(records)
    heard = hear(kept, network)
    verdicts: dict[TaskId, Verdict] = {}
    pairs: dict[Pair, list[int]] = {}
    faults: dict[PublicKey, int] = {}
    for task in heard.tasks.values():
        verdict = judge(task, heard)
        verdicts[task.task_id] = verdict
        added = contribution_of(task, verdict, heard, network.params.near_tie_ppm)
        if added.faults:
            faults[task.author] = faults.get(task.author, 0) + added.faults
        for vote, mark in zip(verdict.votes, added.marks, strict=False):  # a void task has none
            if mark is not None:
                pairs.setdefault((task.author, vote.juror), [0, 0, 0, 0])[mark] += 1
    counters = {pair: Counters(*pairs[pair]) for pair in sorted(pairs)}
    faults = {key: faults[key] for key in sorted(faults)}
    terms = [task_term(key, verdict.state, verdict.answer) for key, verdict in verdicts.items()]
    terms += [pair_term(*pair, counted) for pair, counted in counters.items()]
    terms += [fault_term(key, count) for key, count in faults.items()]
    return MarketState(
        kept=tuple(record.record_id for record in kept),
        tasks=heard.tasks,
        verdicts=verdicts,
        pairs=counters,
        faults=faults,
        profiles=heard.profiles,
        digest=digest_of(sum(terms)),
        leaderboard=leaderboard(counters, faults),
    )


def kept_of(records: Iterable[Record]) -> list[Record]:
    """Leave out repetitions and the juries that the join drops, and sort the rest by id."""
    slots: dict[_Slot, dict[Digest, list[Record]]] = {}
    kept: list[Record] = []
    for record in {record.record_id: record for record in records}.values():
        if record.jury is None:
            kept.append(record)
        else:
            slot = slots.setdefault((record.jury.task_id, record.author), {})
            slot.setdefault(statement_digest(record.jury), []).append(record)
    for slot in slots.values():
        for digest in sorted(slot)[:2]:
            kept.append(min(slot[digest], key=lambda record: record.record_id))
    return sorted(kept, key=lambda record: record.record_id)


def hear(records: Iterable[Record], network: Network) -> Heard:
    """Gather what the records of a log say; the join has left out what it drops."""
    heard = Heard()
    network_id = network.network_id
    best: dict[PublicKey, tuple[int, Digest]] = {}
    for record in sorted(records, key=lambda record: (record.created_ms, record.record_id)):
        author = record.author
        for statement in record.statements:
            match statement:
                case Task():
                    task_id = task_id_of(network_id, author, statement)
                    submitted = SubmittedTask(
                        task_id, author, statement, record.created_ms, record.record_id
                    )
                    if task_id not in heard.tasks:
                        heard.tasks[task_id] = submitted
                        heard.retries.setdefault(statement.retry_of, []).append(submitted)
                case Jury(task_id, _):
                    heard.juries.setdefault((task_id, author), []).append(statement)
                case Commit(task_id, commitment):
                    heard.commits[task_id, author, commitment] = None
                case Reveal(task_id, result, _):
                    commitment = opened_commitment(network_id, author, statement)
                    heard.openings[task_id, author, commitment] = result
                case Profile(sequence, _, _):
                    rank = (sequence, statement_digest(statement))
                    if author not in best or rank > best[author]:
                        best[author] = rank
                        heard.profiles[author] = statement
                case _:
                    raise AssertionError("a presence is never stored")
    return heard
