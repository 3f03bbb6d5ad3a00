"""What a node shows its user: plain frozen data, ready to become JSON."""

from dataclasses import dataclass
from typing import Literal

TaskState = Literal["open", "seated", "final", "split", "void"]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """Somebody, by nickname and by key.

    Attributes:
        worker_id: The nickname, or the first 8 hex digits of the key if it has none.
        peer_id: The transport identity, which no other key can have.
    """

    worker_id: str
    peer_id: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One opened answer.

    Attributes:
        worker: Whose it is.
        answer: The value as text; hex if it is not UTF-8.
        error: Whether the task type refused the input; `answer` is then the error kind.
        confidence: 0 to 1.
        margin: The lead over the next answer, 0 to 1.
        agrees: Whether it equals the verdict; None while there is none.
    """

    worker: WorkerView
    answer: str
    error: bool
    confidence: float
    margin: float
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One task of a chain of retries."""

    task_id: str
    attempt: int
    seats: int
    state: TaskState


@dataclass(frozen=True, slots=True)
class TaskView:
    """Everything this node knows about one task.

    Attributes:
        task_id: 64 hex digits.
        text: The input as text; None if it is not UTF-8.
        task_type: The name of the task type.
        model: The model digest in hex, empty for types without a model.
        submitter: Who asked.
        mine: Whether this node asked.
        created_ms: The submitter's clock, Unix milliseconds.
        seats: How many jurors were asked for.
        quorum: How many must agree.
        attempt: 0 at first.
        state: open, seated, final, split or void.
        chain_state: The state of the whole chain of retries, which `answer` belongs to.
        settled: Whether nothing more is to be expected: decided, given up or cancelled.
        answer: The verdict as text, of the last final attempt; None while there is none.
        unreplicated: True if the verdict rests on a single seat.
        cancelled: Whether this node stopped caring for it.
        waiting: What it waits for, in words for people; empty once decided.
        committed: Who sealed an answer.
        jurors: Who was seated; empty before the jury is signed.
        missing: Seated but unopened, or, before the jury, asked but not committed.
        answers: The opened answers of jurors.
        attempts: The chain, oldest first, this task included.
    """

    task_id: str
    text: str | None
    task_type: str
    model: str
    submitter: WorkerView
    mine: bool
    created_ms: int
    seats: int
    quorum: int
    attempt: int
    state: TaskState
    chain_state: TaskState
    settled: bool
    answer: str | None
    unreplicated: bool
    cancelled: bool
    waiting: str
    committed: tuple[WorkerView, ...]
    jurors: tuple[WorkerView, ...]
    missing: tuple[WorkerView, ...]
    answers: tuple[AnswerView, ...]
    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class TaskSummaryView:
    """One task in a listing: this attempt alone; its retries are tasks of their own.

    Attributes:
        task_id: 64 hex digits.
        text: The first characters of the input; None if it is not UTF-8.
        task_type: The name of the task type.
        submitter: Who asked.
        mine: Whether this node asked.
        created_ms: The submitter's clock, Unix milliseconds.
        seats: How many jurors were asked for.
        attempt: 0 at first.
        retry_of: The task that it tries again; empty at first.
        retried: Whether it was tried again.
        state: open, seated, final, split or void.
        answer: The verdict as text; None unless final.
        cancelled: Whether this node stopped caring for it.
    """

    task_id: str
    text: str | None
    task_type: str
    submitter: WorkerView
    mine: bool
    created_ms: int
    seats: int
    attempt: int
    retry_of: str
    retried: bool
    state: TaskState
    answer: str | None
    cancelled: bool


@dataclass(frozen=True, slots=True)
class TaskPageView:
    """One page of a listing.

    Attributes:
        tasks: The newest first; a filtered page may be short, or empty.
        next: The cursor of the next page; None if this was the last.
    """

    tasks: tuple[TaskSummaryView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class StandingView:
    """One row of the leaderboard.

    Attributes:
        worker_id: The nickname.
        points: How often it agreed with a verdict of three or more seats.
        peer_id: The transport identity.
        agreed: The same as points.
        dissented: Opened another answer than the verdict.
        excused: Dissented where those who agreed were nearly undecided themselves.
        absent: Seated, committed, and never opened.
        faults: Own tasks it made void by signing two juries.
        submitters: How many different submitters it agreed for.
        reputation: The lower bound of its agreement rate, 0 to 1.
    """

    worker_id: str
    points: int
    peer_id: str
    agreed: int
    dissented: int
    excused: int
    absent: int
    faults: int
    submitters: int
    reputation: float


@dataclass(frozen=True, slots=True)
class LeaderboardView:
    """A leaderboard as one node computes it.

    Attributes:
        of: Whose computation it is.
        rows: Points and reputation descending.
        state_digest: 64 hex digits over all verdicts and scores.
        records: How many records its log holds.
        same_as_ours: Whether the digest equals ours at this moment.
    """

    of: WorkerView
    rows: tuple[StandingView, ...]
    state_digest: str
    records: int
    same_as_ours: bool


@dataclass(frozen=True, slots=True)
class PeerView:
    """A node we are connected to, or only hear of.

    Attributes:
        worker_id: The nickname.
        peer_id: The transport identity.
        address: Where it is connected; empty if we only hear of it.
        connected: Whether there is a live connection.
        outbound: Whether we dialled it.
        live: Whether it says it is here.
        capabilities: `type` or `type model` for each thing it can run.
        load: Runs that wait there.
        state_digest: What it last said of its own state.
        latency_ms: The round trip of the last probe, as this process saw it; None until measured.
        in_mesh: Whether gossip goes to it and comes from it without being asked for.
        same_state: Whether the state it last told is ours now, or was within the last minute.
        heard_through: The peer id of the neighbour that first brought its newest presence, for
            authors that are not connected; else, or if that is not known, empty.
    """

    worker_id: str
    peer_id: str
    address: str
    connected: bool
    outbound: bool
    live: bool
    capabilities: tuple[str, ...]
    load: int
    state_digest: str
    latency_ms: float | None
    in_mesh: bool
    same_state: bool
    heard_through: str


@dataclass(frozen=True, slots=True)
class SyncView:
    """How far this node's log is on its way to be everybody's.

    Attributes:
        state: `idle`, `comparing` or `moving`.
        peer_id: With whom; empty when idle.
        moved: Records that came or went in this session.
        expected: Of how many, as far as is known.
        sessions: Comparisons of the whole log that were completed.
        fetched: Records that ever came this way.
        pushed: Records that ever went this way.
        level_with: The peer that last had all we had, and we all it had.
        level_s_ago: Whole seconds since; None if never.
    """

    state: str
    peer_id: str
    moved: int
    expected: int
    sessions: int
    fetched: int
    pushed: int
    level_with: str
    level_s_ago: int | None


@dataclass(frozen=True, slots=True)
class NetworkView:
    """What the nodes of one network share.

    Attributes:
        network_id: 32 hex digits, the digest of all the rest.
        name: For people.
        genesis: 32 hex digits.
        public: Whether it is the one network that everybody knows beforehand.
        limits: Every number, by name.
        members: Peer ids of those who may write; empty means anyone.
    """

    network_id: str
    name: str
    genesis: str
    public: bool
    limits: dict[str, int]
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusView:
    """How this node is.

    Attributes:
        worker_id: Its nickname.
        peer_id: Its transport identity.
        version: Of the program.
        network_id: 32 hex digits.
        addresses: Full multiaddrs others can dial.
        ready: Whether it can take part in full.
        waiting: What it waits for, in words; empty when ready.
        signing: Whether it may sign now.
        read_only: Why nothing can be written, in words; empty while all is well.
        behind: Whether its disk limit is reached, so that nothing foreign is stored.
        model: `starting`, `ready`, `restarting` or `off`, and why.
        capabilities: What it can run now.
        peers: Live connections.
        capable: For each task type it serves, how many other live workers can run it.
        records: Records in its log.
        tasks: Tasks by state.
        state_digest: 64 hex digits.
        sync: How far its log is compared with those of others.
        inference_queue: Runs that wait here.
        counters: Dropped frames, refused records and the like, by name.
        uptime_s: Whole seconds since the start.
    """

    worker_id: str
    peer_id: str
    version: str
    network_id: str
    addresses: tuple[str, ...]
    ready: bool
    waiting: str
    signing: bool
    read_only: str
    behind: bool
    model: str
    capabilities: tuple[str, ...]
    peers: int
    capable: dict[str, int]
    records: int
    tasks: dict[str, int]
    state_digest: str
    sync: SyncView
    inference_queue: int
    counters: dict[str, int]
    uptime_s: int
