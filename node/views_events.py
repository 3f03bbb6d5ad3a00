"""What a node tells those who follow its events: plain frozen data, ready to become JSON."""

from dataclasses import dataclass
from typing import Literal

from node.views import TaskState, WorkerView


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A task came into the log, as yet open.

    Attributes:
        type: Always `task`.
        task_id: 64 hex digits.
        task_type: The name of the task type.
        submitter: Who asked.
        mine: Whether this node asked.
        created_ms: The submitter's clock, Unix milliseconds.
        seats: How many jurors were asked for.
        attempt: 0 at first.
        retry_of: The task that is tried again; empty at first.
    """

    type: Literal["task"]
    task_id: str
    task_type: str
    submitter: WorkerView
    mine: bool
    created_ms: int
    seats: int
    attempt: int
    retry_of: str


@dataclass(frozen=True, slots=True)
class AnswersEvent:
    """Workers sealed their answers to a task, or opened them.

    Attributes:
        type: `commit` or `reveal`.
        task_id: 64 hex digits; the task itself may be unknown yet.
        workers: Whose they are; of many, the first ones.
        count: How many came at once.
    """

    type: Literal["commit", "reveal"]
    task_id: str
    workers: tuple[WorkerView, ...]
    count: int


@dataclass(frozen=True, slots=True)
class JuryEvent:
    """A jury was signed for a task.

    Attributes:
        type: Always `jury`.
        task_id: 64 hex digits; the task itself may be unknown yet.
        by: Who signed it; only the submitter's counts.
        jurors: Who is seated.
    """

    type: Literal["jury"]
    task_id: str
    by: WorkerView
    jurors: tuple[WorkerView, ...]


@dataclass(frozen=True, slots=True)
class VerdictEvent:
    """The verdict on a task changed.

    Attributes:
        type: Always `verdict`.
        task_id: 64 hex digits.
        state: seated, final, split or void.
        answer: The answer as text; None unless final.
    """

    type: Literal["verdict"]
    task_id: str
    state: TaskState
    answer: str | None


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """The user of this node gave a task up."""

    type: Literal["cancel"]
    task_id: str


@dataclass(frozen=True, slots=True)
class ScoresEvent:
    """Points or faults changed; the digest is that of all verdicts and scores."""

    type: Literal["scores"]
    state_digest: str


@dataclass(frozen=True, slots=True)
class PeerEvent:
    """A peer can be talked to from now on, or left."""

    type: Literal["peer"]
    worker: WorkerView
    connected: bool


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """This node became ready or not, read-only or not.

    Attributes:
        type: Always `node`.
        ready: Whether it can take part in full.
        waiting: What it waits for, in words; empty when ready.
        signing: Whether it may sign now.
        read_only: Why nothing can be written, in words; empty while all is well.
        behind: Whether its disk limit is reached.
    """

    type: Literal["node"]
    ready: bool
    waiting: str
    signing: bool
    read_only: str
    behind: bool


@dataclass(frozen=True, slots=True)
class GapEvent:
    """Events are missing here.

    Attributes:
        type: Always `gap`.
        missed: How many; None if nobody can know, as after a restart of the node.
    """

    type: Literal["gap"]
    missed: int | None


EventType = Literal[
    "task", "commit", "jury", "reveal", "verdict", "cancel", "scores", "peer", "node"
]
EventView = (
    TaskEvent
    | AnswersEvent
    | JuryEvent
    | VerdictEvent
    | CancelEvent
    | ScoresEvent
    | PeerEvent
    | NodeEvent
)
