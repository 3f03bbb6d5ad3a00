"""A certificate: signed records that prove a chain of tasks, and what they are said to come to.

What it holds and what it must rest on is said here; `consensus.certify` writes one out of a log,
`consensus.certificate_check` holds one against its own records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consensus.jury_join import JURIES_KEPT_MAX
from consensus.log import CHAIN_MAX
from consensus.verdict import Evidence, State, SubmittedTask, judge
from protocol.ids import Commitment, NetworkId, PublicKey, TaskId
from protocol.params import Network
from protocol.record import Record
from protocol.sealing import opened_commitment, statement_digest, task_id_of
from protocol.statements import AnswerKind, Commit, Jury, Kind, Result, Reveal, Statement, Task

ATTEMPTS_MAX = CHAIN_MAX - 1  # from `CHAIN_MAX` on a log leaves attempts out of a chain
# A task, its juries, a commit and a reveal for each seat; 31 is what networks allow unless told.
RECORDS_MAX = ATTEMPTS_MAX * (1 + JURIES_KEPT_MAX + 2 * 31)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a juror opened.

    Attributes:
        error: Whether the task type refused the input; `value` is then the error kind.
        value: The answer, at most `answer_bytes_max` bytes.
        confidence_ppm: What the juror said of its own certainty.
        margin_ppm: The lead over the next answer.
    """

    error: bool
    value: bytes
    confidence_ppm: int
    margin_ppm: int


@dataclass(frozen=True, slots=True)
class Juror:
    """One seat.

    Attributes:
        key: Who sits on it.
        commitment: The sealed answer it is held to.
        committed: Whether a record of the juror itself seals it.
        opened: What opens it, or None.
    """

    key: PublicKey
    commitment: Commitment
    committed: bool
    opened: Opened | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One task of the chain.

    Attributes:
        task_id: Its name.
        attempt: 0 at first.
        seats: How many were asked for.
        state: How far it has come.
        answer: The agreed value; None unless final.
        jurors: Ascending by key; none while open, none when void.
    """

    task_id: TaskId
    attempt: int
    seats: int
    state: State
    answer: bytes | None
    jurors: tuple[Juror, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What the records come to.

    Attributes:
        submitter: Who asked; all attempts have one author.
        state: That of the attempt that decides the chain.
        answer: The agreed value; None unless final.
        decided_by: That attempt: the last final one, else the last.
        attempts: The chain, ascending by (attempt, task id).
    """

    submitter: PublicKey
    state: State
    answer: bytes | None
    decided_by: TaskId
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A claim and what it rests on; nothing of it is checked yet.

    Attributes:
        network: The parameters and the id they are said to have.
        task_id: The first attempt of the chain.
        claim: What is said to follow.
        records: Signed records as they travel, ascending by id.
    """

    network: Network
    task_id: TaskId
    claim: Claim
    records: tuple[bytes, ...]


class Need(NamedTuple):
    """One statement that a claim rests on.

    Attributes:
        kind: TASK, JURY, COMMIT or REVEAL.
        task_id: What it is about.
        author: Who must have signed it.
        name: The digest of a jury, the commitment of a commit or reveal; empty for a task.
    """

    kind: Kind
    task_id: TaskId
    author: PublicKey
    name: bytes


def claim_of(chain: Sequence[SubmittedTask], evidence: Evidence) -> Claim:
    """Say what a chain, oldest first, comes to by some evidence."""
    attempts = tuple([_attempt_of(task, evidence) for task in chain])
    final = [one for one in attempts if one.state is State.FINAL]
    decides = final[-1] if final else attempts[-1]
    return Claim(chain[0].author, decides.state, decides.answer, decides.task_id, attempts)


def needs_of(chain: Sequence[SubmittedTask], evidence: Evidence) -> set[Need]:
    """Return every statement that the claim of a chain rests on."""
    needs: set[Need] = set()
    for task in chain:
        task_id = task.task_id
        needs.add(Need(Kind.TASK, task_id, task.author, b""))
        for jury in evidence.juries_of(task_id, task.author):
            needs.add(Need(Kind.JURY, task_id, task.author, statement_digest(jury)))
        for juror in _attempt_of(task, evidence).jurors:
            if juror.committed:
                needs.add(Need(Kind.COMMIT, task_id, juror.key, juror.commitment))
            if juror.opened is not None:
                needs.add(Need(Kind.REVEAL, task_id, juror.key, juror.commitment))
    return needs


def needs_met(record: Record, needs: set[Need]) -> set[Need]:
    """Return which of some needs a record meets."""
    return {need for _, need in said_in(record, record.network_id) if need in needs}


def said_in(record: Record, network_id: NetworkId) -> Iterator[tuple[Statement, Need | None]]:
    """Walk the statements of a record, each with the need it can meet."""
    author = record.author
    for said in record.statements:
        match said:
            case Task():
                task_id = task_id_of(network_id, author, said)
                yield said, Need(Kind.TASK, task_id, author, b"")
            case Jury(task_id, _):
                yield said, Need(Kind.JURY, task_id, author, statement_digest(said))
            case Commit(task_id, commitment):
                yield said, Need(Kind.COMMIT, task_id, author, commitment)
            case Reveal(task_id, _, _):
                opens = opened_commitment(network_id, author, said)
                yield said, Need(Kind.REVEAL, task_id, author, opens)
            case _:
                yield said, None


def _attempt_of(task: SubmittedTask, evidence: Evidence) -> Attempt:
    verdict = judge(task, evidence)
    jurors = [
        Juror(
            key=vote.juror,
            commitment=vote.commitment,
            committed=evidence.has_commit(task.task_id, vote.juror, vote.commitment),
            opened=None if vote.result is None else _opened_result(vote.result),
        )
        for vote in verdict.votes
    ]
    return Attempt(
        task_id=task.task_id,
        attempt=task.task.attempt,
        seats=task.task.seats,
        state=verdict.state,
        answer=verdict.answer if verdict.state is State.FINAL else None,
        jurors=tuple(jurors),
    )


def _opened_result(result: Result) -> Opened:
    answer = result.answer
    is_error = answer.kind is AnswerKind.ERROR
    return Opened(is_error, answer.value, result.confidence_ppm, result.margin_ppm)
