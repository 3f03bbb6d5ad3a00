"""What an explanation of a worker consists of: plain frozen data, ready to become JSON."""

from dataclasses import dataclass

from node.views import StandingView, TaskState, WorkerView


@dataclass(frozen=True, slots=True)
class WorkerDetailView:
    """What this node knows of one worker.

    Attributes:
        worker_id: The nickname.
        peer_id: The transport identity.
        key: The public key, 64 hex digits.
        agent: The program it says it runs; empty if it never said.
        standing: Its row of the leaderboard; all zero if it has none.
        rank: Its place there from 1; None if it has no row.
        ranked: How many rows there are.
        live: Whether it says it is here; this node itself always is.
        connected: Whether there is a live connection; False for this node itself.
        heard_s_ago: Seconds since it was last heard; None if never since this node started.
        capabilities: `type` or `type model` for each thing it can run.
        load: Runs that wait there.
        addresses: Where it says it can be dialled.
        state_digest: What it last said of its own state, 64 hex digits; else empty.
    """

    worker_id: str
    peer_id: str
    key: str
    agent: str
    standing: StandingView
    rank: int | None
    ranked: int
    live: bool
    connected: bool
    heard_s_ago: float | None
    capabilities: tuple[str, ...]
    load: int
    addresses: tuple[str, ...]
    state_digest: str


@dataclass(frozen=True, slots=True)
class PairView:
    """What a worker did for one submitter, and what that adds to its reputation.

    Attributes:
        submitter: Whose tasks.
        agreed: One point each.
        dissented: Answers that lost.
        excused: Answers that lost to a near tie; they count for nothing.
        absent: Sealed answers never opened.
        runs: n = agreed + dissented + absent.
        weight_ppm: H(n), the sum of 10^6 // i for i = 1 to n.
        agreeing_ppm: H(n) * agreed // n.
    """

    submitter: WorkerView
    agreed: int
    dissented: int
    excused: int
    absent: int
    runs: int
    weight_ppm: int
    agreeing_ppm: int


@dataclass(frozen=True, slots=True)
class MarkedView:
    """A task on whose jury a worker sits.

    Attributes:
        task_id: 64 hex digits.
        submitter: Whose.
        state: How far the task has come.
        mark: `agreed`, `dissented`, `excused` or `absent`; None where nothing is counted.
        points: 1 or 0.
        created_ms: The submitter's clock, Unix milliseconds.
        text: The first characters of the input; None if it is not UTF-8.
        answer: The verdict as text; None unless final.
    """

    task_id: str
    submitter: WorkerView
    state: TaskState
    mark: str | None
    points: int
    created_ms: int
    text: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class WorkerWhyView:
    """Why a worker has the score it has.

    Attributes:
        worker: Who it is, and how it stands.
        pairs: Its counters by submitter, most runs first; at most some hundred of them.
        pairs_left_out: How many more there are.
        agreeing_ppm: A, the sum over all pairs.
        total_ppm: N, the sum of all weights.
        spread_ppm: S.
        bound_ppm: The Wilson bound before faults.
        faults: How often that is halved.
        reputation_ppm: The result.
        arithmetic: The same, line by line.
        recent: The newest tasks it was seated for.
        looked: How many of the newest tasks were looked at to find these.
        because: Why its score is as it is, in words.
    """

    worker: WorkerDetailView
    pairs: tuple[PairView, ...]
    pairs_left_out: int
    agreeing_ppm: int
    total_ppm: int
    spread_ppm: int
    bound_ppm: int
    faults: int
    reputation_ppm: int
    arithmetic: tuple[str, ...]
    recent: tuple[MarkedView, ...]
    looked: int
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrowthView:
    """How the points of one worker grew.

    Attributes:
        worker: Who.
        points: How many it has now.
        at_ms: When each task was submitted that gave it one, by the submitter's clock in Unix
            milliseconds, ascending.
        after: How many points it had after each; the first minus one is what was there before.
    """

    worker: WorkerView
    points: int
    at_ms: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PointsHistoryView:
    """How points grew over the newest tasks of the log.

    Attributes:
        looked: How many tasks were looked at.
        more: Whether the log holds older ones.
        workers: The best of the leaderboard, in its order.
    """

    looked: int
    more: bool
    workers: tuple[GrowthView, ...]
