"""A Market without a network: it keeps the door's promises and remembers what was asked."""

import hashlib
from collections import Counter
from dataclasses import replace

from node.certificate_file import pack_certificate
from node.errors import RequestRefused
from node.explain.diff_views import Differ
from node.explain.port import Explainer
from node.feed import Feed
from node.history import History
from node.log_port import Archive
from node.metering import Family, Histogram, Meter, Sample
from node.news import Reporter
from node.ports import SubmitRequest, TaskQuery
from node.proof_port import Prover
from node.services import Services
from node.show import network_view
from node.views import (
    AnswerView,
    AttemptView,
    LeaderboardView,
    NetworkView,
    PeerView,
    StandingView,
    StatusView,
    SyncView,
    TaskPageView,
    TaskSummaryView,
    TaskView,
    WorkerView,
)
from node.views_events import NodeEvent
from protocol.ids import PublicKey
from tests.builders import NETWORK
from tests.certificates import TASK_ID, a_certificate
from tests.fakes import MemoryRows
from tests.fakes_explain import FakeDiffer, FakeExplainer
from tests.fakes_history import FakeHistory
from tests.fakes_log import FakeArchive

ALICE = WorkerView("alice", "12D3KooWAliceAliceAliceAliceAliceAliceAliceAlice1")
BOB = WorkerView("bob", "12D3KooWBobBobBobBobBobBobBobBobBobBobBobBobBobB2")
CAROLE = WorkerView("carole", "12D3KooWCaroleCaroleCaroleCaroleCaroleCaroleCar3")
DIGEST = "ab" * 32
TEXT_BYTES_MAX = 16 * 1024


def a_task(task_id: str, text: str = "fine", submitter: WorkerView = ALICE) -> TaskView:
    """Return a task nobody has answered."""
    return TaskView(
        task_id=task_id,
        text=text,
        task_type="sentiment",
        model="cd" * 32,
        submitter=submitter,
        mine=submitter == ALICE,
        created_ms=1_700_000_000_000,
        seats=3,
        quorum=2,
        attempt=0,
        state="open",
        chain_state="open",
        settled=False,
        answer=None,
        unreplicated=False,
        cancelled=False,
        waiting="3 of 3 sealed answers",
        committed=(),
        jurors=(),
        missing=(BOB, CAROLE),
        answers=(),
        attempts=(AttemptView(task_id, 0, 3, "open"),),
    )


def decided(task: TaskView, answer: str = "positive") -> TaskView:
    """Return the same task with three equal answers."""
    workers = (ALICE, BOB, CAROLE)
    return replace(
        task,
        state="final",
        chain_state="final",
        settled=True,
        answer=answer,
        waiting="",
        committed=workers,
        jurors=workers,
        missing=(),
        answers=tuple(
            AnswerView(worker, answer, error=False, confidence=0.98, margin=0.9, agrees=True)
            for worker in workers
        ),
        attempts=(AttemptView(task.task_id, 0, 3, "final"),),
    )


def a_summary(task: TaskView) -> TaskSummaryView:
    """Return a task as a listing shows it."""
    return TaskSummaryView(
        task_id=task.task_id,
        text=task.text,
        task_type=task.task_type,
        submitter=task.submitter,
        mine=task.mine,
        created_ms=task.created_ms,
        seats=task.seats,
        attempt=task.attempt,
        retry_of="",
        retried=False,
        state=task.state,
        answer=task.answer,
        cancelled=task.cancelled,
    )


def a_standing(worker: WorkerView, points: int) -> StandingView:
    """Return a row of the leaderboard."""
    return StandingView(
        worker_id=worker.worker_id,
        points=points,
        peer_id=worker.peer_id,
        agreed=points,
        dissented=0,
        excused=0,
        absent=0,
        faults=0,
        submitters=1,
        reputation=0.5,
    )


def a_status() -> StatusView:
    """Return a node that takes part in full."""
    return StatusView(
        worker_id="alice",
        peer_id=ALICE.peer_id,
        version="0.1.0",
        network_id="0f" * 16,
        addresses=(f"/ip4/127.0.0.1/tcp/4001/p2p/{ALICE.peer_id}",),
        ready=True,
        waiting="",
        signing=True,
        read_only="",
        behind=False,
        model="ready",
        capabilities=("sentiment cdcd",),
        peers=2,
        capable={"sentiment": 2},
        records=12,
        tasks={"final": 1},
        state_digest=DIGEST,
        sync=SyncView("idle", "", 0, 0, 3, 12, 4, BOB.peer_id, 2),
        inference_queue=0,
        counters={"dropped": 0},
        uptime_s=5,
    )


class FakeMarket:
    """Keeps tasks in a dictionary, oldest first; a test may change every public attribute.

    Attributes:
        known: The tasks by id.
        requests: What was submitted, in order.
        cancels: The ids that were cancelled.
        queries: What was listed, in order.
        decide_at_once: Whether a submitted task is final immediately.
        failure: Raised by every method, if set.
        standings: The rows of the leaderboard.
        shown: The status.
    """

    def __init__(self) -> None:
        self.known: dict[str, TaskView] = {}
        self.requests: list[SubmitRequest] = []
        self.cancels: list[str] = []
        self.queries: list[TaskQuery] = []
        self.decide_at_once = False
        self.failure: Exception | None = None
        self.standings: tuple[StandingView, ...] = (a_standing(ALICE, 2), a_standing(BOB, 1))
        self.shown = a_status()
        self.same_as_ours = True

    async def submit(self, request: SubmitRequest) -> str:
        """Keep a task."""
        self._fail_if_told()
        if len(request.text.encode()) > TEXT_BYTES_MAX:
            raise RequestRefused(400, "text_too_long", f"more than {TEXT_BYTES_MAX} bytes")
        if request.seats is not None and request.seats % 2 == 0:
            raise RequestRefused(400, "bad_seats", f"seats: {request.seats}, need an odd number")
        self.requests.append(request)
        seed = request.request_id or str(len(self.requests))
        task_id = hashlib.sha256(seed.encode()).hexdigest()
        known = self.known.get(task_id)
        if known is not None and known.text != request.text:
            raise RequestRefused(409, "request_id_reused", "that request id was another task")
        task = a_task(task_id, request.text)
        self.known[task_id] = decided(task) if self.decide_at_once else task
        return task_id

    async def cancel(self, task_id: str) -> None:
        """Mark a task as cancelled."""
        self._fail_if_told()
        task = self.known.get(task_id)
        if task is None:
            raise RequestRefused(404, "unknown_task", "no such task")
        if task.state == "final":
            raise RequestRefused(409, "decided", "it is decided")
        self.cancels.append(task_id)
        self.known[task_id] = replace(task, cancelled=True, settled=True)

    def find_task(self, task_id: str) -> TaskView | None:
        """Return a task by id or prefix."""
        self._fail_if_told()
        if len(task_id) < 8 or any(digit not in "0123456789abcdef" for digit in task_id):
            raise RequestRefused(400, "bad_task_id", "a task id is 8 to 64 hex digits")
        fitting = [known for known in self.known if known.startswith(task_id)]
        if len(fitting) > 1:
            raise RequestRefused(409, "ambiguous", "several tasks begin so")
        return self.known[fitting[0]] if fitting else None

    def tasks(self, query: TaskQuery) -> TaskPageView:
        """Return the newest tasks first; a cursor is the number of those shown before."""
        self._fail_if_told()
        self.queries.append(query)
        if query.cursor is not None and not query.cursor.isdecimal():
            raise RequestRefused(400, "bad_cursor", "cursor: not one that this node gave")
        found = [
            a_summary(task)
            for task in reversed(self.known.values())
            if (task.mine or not query.mine)
            and query.state in (None, task.state)
            and query.task_type in (None, task.task_type)
            and query.submitter in (None, task.submitter.worker_id, task.submitter.peer_id)
        ]
        begin = int(query.cursor or 0)
        end = begin + query.limit
        return TaskPageView(tuple(found[begin:end]), str(end) if end < len(found) else None)

    def leaderboard(self, *, limit: int) -> LeaderboardView:
        """Return the standings."""
        self._fail_if_told()
        return LeaderboardView(ALICE, self.standings[:limit], DIGEST, 12, same_as_ours=True)

    async def leaderboard_of(self, peer: str) -> LeaderboardView:
        """Answer for bob alone."""
        self._fail_if_told()
        if peer not in (BOB.worker_id, BOB.peer_id):
            raise RequestRefused(404, "unknown_peer", "no such peer is connected")
        return LeaderboardView(BOB, self.standings, DIGEST, 12, same_as_ours=self.same_as_ours)

    def peers(self, *, limit: int) -> tuple[PeerView, ...]:
        """Return bob, connected, and carole, heard of."""
        self._fail_if_told()
        known = (
            PeerView("bob", BOB.peer_id, "/ip4/127.0.0.1/tcp/4002", True, True, True,
                     ("sentiment cdcd",), 0, DIGEST, 1.25, True, True, ""),
            PeerView("carole", CAROLE.peer_id, "", False, False, True, ("echo",), 1, "ef" * 32,
                     None, False, False, BOB.peer_id),
        )  # fmt: skip
        return known[:limit]

    def status(self) -> StatusView:
        """Return the status."""
        self._fail_if_told()
        return self.shown

    def network(self) -> NetworkView:
        return network_view(NETWORK)

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            raise self.failure


CONDITION = NodeEvent("node", ready=True, waiting="", signing=True, read_only="", behind=False)


def a_reporter(*, run: str = "cafe0001", kept_max: int = 100) -> Reporter:
    """Return a reporter of a node with an empty log, whose condition never changes."""
    feed = Feed(run, kept_max=kept_max)
    return Reporter(feed, MemoryRows(), me=PublicKey(bytes(32)), condition=lambda: CONDITION)


class FakeMeter:
    """Has two numbers, and remembers what was refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    async def families(self) -> list[Family]:
        """Return how many requests were refused, and how long nothing took."""
        refused = Counter(self.refused)
        return [
            Family(
                "a_refusals",
                "counter",
                "Refused.",
                [Sample({"reason": r}, n) for r, n in refused.items()],
            ),
            Family("a_wait_seconds", "histogram", "Waits.", [Histogram([0.5]).spread(type="echo")]),
        ]

    def note_refusal(self, code: str) -> None:
        """Remember it."""
        self.refused.append(code)


class FakeProver:
    """Proves one task."""

    async def certificate(self, task_id: str) -> bytes:
        """Write the certificate of the task of `tests.certificates`."""
        if not TASK_ID.hex().startswith(task_id):
            raise RequestRefused(404, "unknown_task", "this node knows no such task")
        return pack_certificate(a_certificate())


def services(
    market: FakeMarket,
    reporter: Reporter | None = None,
    explainer: Explainer | None = None,
    differ: Differ | None = None,
    meter: Meter | None = None,
    prover: Prover | None = None,
    archive: Archive | None = None,
    history: History | None = None,
) -> Services:
    """Return all that the RPC serves, around one market."""
    return Services(
        market=market,
        reporter=reporter or a_reporter(),
        explainer=explainer or FakeExplainer(),
        differ=differ or FakeDiffer(),
        meter=meter or FakeMeter(),
        prover=prover or FakeProver(),
        archive=archive or FakeArchive(),
        history=history or FakeHistory(),
    )
