"""What an explanation consists of: plain frozen data, ready to become JSON.

Every `because` is a list of sentences for people; the fields beside it hold the same for programs.
"""

from dataclasses import dataclass

from node.core.steps import StepKind
from node.explain.worker_views import WorkerWhyView
from node.views import TaskState, WorkerView


@dataclass(frozen=True, slots=True)
class SaidView:
    """One statement about a task, and the record that holds it.

    Attributes:
        kind: `task`, `commit`, `jury`, `reveal` or `retry`.
        record_id: 64 hex digits; empty if the record was not found among those looked at.
        author: Who signed it.
        created_ms: The author's clock, Unix milliseconds; None if the record was not found.
    """

    kind: str
    record_id: str
    author: WorkerView
    created_ms: int | None


@dataclass(frozen=True, slots=True)
class CountView:
    """How many jurors opened one answer.

    Attributes:
        answer: The value as text, or the error kind.
        error: Whether the task type refused the input; such answers reach no quorum.
        jurors: How many.
    """

    answer: str
    error: bool
    jurors: int


@dataclass(frozen=True, slots=True)
class JurorView:
    """One seat, and what its juror earned.

    Attributes:
        worker: Who sits on it.
        commitment: The sealed answer it is held to, 64 hex digits.
        answer: What it opened; None if nothing.
        error: Whether that is an error kind.
        margin: The lead it reports over the next answer, 0 to 1.
        points: 1 or 0.
        mark: `agreed`, `dissented`, `excused` or `absent`; None where nothing is counted.
        reason: One word for why; see consensus.grounds.
        because: The same in words.
    """

    worker: WorkerView
    commitment: str
    answer: str | None
    error: bool
    margin: float | None
    points: int
    mark: str | None
    reason: str
    because: str


@dataclass(frozen=True, slots=True)
class AttemptWhyView:
    """One task of a chain of retries.

    Attributes:
        counts: Whether the answer of the chain is that of this attempt.
    """

    task_id: str
    attempt: int
    seats: int
    state: TaskState
    counts: bool


@dataclass(frozen=True, slots=True)
class StepView:
    """Something a task waits for, or that will happen to it.

    Attributes:
        kind: What kind of thing it is: `workers` too few can run it, `sealing` some have not sealed
            an answer yet, `stand_by` which others may start, `early` when an answer counts that was
            sealed before its turn, `window` the commit window ends, `jury` its jury is signed,
            `opening` jurors have not opened, `retry` it is tried again, `given_up` nothing more is
            done for it, `running` this node runs it or will, `wait` anything else comes first.
        text: In words, names included.
        in_s: Seconds until then; 0 is now, None where nobody can know.
        workers: Whom it is about.
    """

    kind: StepKind
    text: str
    in_s: float | None
    workers: tuple[WorkerView, ...]


@dataclass(frozen=True, slots=True)
class WaitedView:
    """Somebody a task waits for.

    Attributes:
        worker: Who.
        live: Whether it says it is here.
        heard_s_ago: Seconds since it was last heard; None if never.
        load: Runs that wait there, as it last said.
    """

    worker: WorkerView
    live: bool
    heard_s_ago: float | None
    load: int


@dataclass(frozen=True, slots=True)
class TaskWhyView:
    """Why a task is as it is, and what comes next.

    Attributes:
        task_id: 64 hex digits.
        text: The input as text; None if it is not UTF-8.
        task_type: The name of the task type.
        model: The model digest in hex, empty for types without a model.
        submitter: Who asked.
        mine: Whether this node asked.
        created_ms: The submitter's clock, Unix milliseconds.
        attempt: 0 at first.
        state: open, seated, final, split or void.
        answer: The verdict as text; None unless final.
        rule: The rule that applied; see consensus.grounds.
        because: That rule in words, with the arithmetic.
        seats: How many jurors were asked for.
        quorum: How many must agree.
        jury_sizes: The seats of each jury that is kept: none, one or two numbers.
        counts: What was opened, most first.
        most: How many opened the value that most did.
        unopened: Seats that nothing opens yet.
        near_ties: How many of those who agree were nearly undecided.
        near_ties_needed: How many of them excuse whoever dissents.
        faults: What the submitter is charged, 0 or 1.
        jurors: The seats of the one jury.
        attempts: The chain, oldest first.
        records: What was said, in the order of the life of a task.
        records_looked: How many records of the log were looked at to find these.
        next: What it waits for and what happens next; empty once final.
        missing: Whom it waits for.
    """

    task_id: str
    text: str | None
    task_type: str
    model: str
    submitter: WorkerView
    mine: bool
    created_ms: int
    attempt: int
    state: TaskState
    answer: str | None
    rule: str
    because: tuple[str, ...]
    seats: int
    quorum: int
    jury_sizes: tuple[int, ...]
    counts: tuple[CountView, ...]
    most: int
    unopened: int
    near_ties: int
    near_ties_needed: int
    faults: int
    jurors: tuple[JurorView, ...]
    attempts: tuple[AttemptWhyView, ...]
    records: tuple[SaidView, ...]
    records_looked: int
    next: tuple[StepView, ...]
    missing: tuple[WaitedView, ...]


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement of a record.

    Attributes:
        kind: `profile`, `task`, `commit`, `jury` or `reveal`.
        text: What it says, in words.
        task_id: The task it is about, 64 hex digits; empty for a profile.
        known: Whether this node knows that task.
    """

    kind: str
    text: str
    task_id: str
    known: bool


@dataclass(frozen=True, slots=True)
class RecordWhyView:
    """What a record says, and where it is.

    Attributes:
        record_id: 64 hex digits.
        author: Who signed it.
        created_ms: The author's clock, Unix milliseconds.
        size_bytes: How long it is, packed.
        statements: What it says.
        in_journal: Whether this node signed it, so that its journal holds it too.
        because: Where it is held, in words.
    """

    record_id: str
    author: WorkerView
    created_ms: int
    size_bytes: int
    statements: tuple[StatementView, ...]
    in_journal: bool
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """Why something is as it is; one of the three is told.

    Attributes:
        kind: `task`, `worker` or `record`.
    """

    kind: str
    task: TaskWhyView | None = None
    worker: WorkerWhyView | None = None
    record: RecordWhyView | None = None
