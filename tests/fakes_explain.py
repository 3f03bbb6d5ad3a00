"""An Explainer that knows one task, one worker and one record, and a Differ that knows bo."""

from dataclasses import replace

from node.errors import RequestRefused
from node.explain.diff_views import DiffView, LoneRecordView, LoneTaskView
from node.explain.views import (
    AttemptWhyView,
    CountView,
    ExplanationView,
    JurorView,
    RecordWhyView,
    SaidView,
    StatementView,
    StepView,
    TaskWhyView,
    WaitedView,
)
from node.explain.worker_views import (
    GrowthView,
    MarkedView,
    PairView,
    PointsHistoryView,
    WorkerDetailView,
    WorkerWhyView,
)
from node.views import StandingView, WorkerView

AN = WorkerView("an", "12D3KooWAnAnAnAnAnAnAnAnAnAnAnAnAnAnAnAnAnAnAnAn1")
BO = WorkerView("bo", "12D3KooWBoBoBoBoBoBoBoBoBoBoBoBoBoBoBoBoBoBoBoBo2")
TASK_ID = "11" * 32
RECORD_ID = "22" * 32


def a_task_why(text: str = "what a day") -> TaskWhyView:
    """Return a seated task that waits for bo."""
    return TaskWhyView(
        task_id=TASK_ID,
        text=text,
        task_type="sentiment",
        model="cd" * 32,
        submitter=AN,
        mine=True,
        created_ms=1_700_000_000_000,
        attempt=0,
        state="seated",
        answer=None,
        rule="within_reach",
        because=("seats 3, so the quorum is 3 // 2 + 1 = 2",),
        seats=3,
        quorum=2,
        jury_sizes=(2,),
        counts=(CountView("positive", False, 1),),
        most=1,
        unopened=1,
        near_ties=0,
        near_ties_needed=1,
        faults=0,
        jurors=(JurorView(BO, "ef" * 32, None, False, None, 0, None, "not_yet_absent", "waits"),),
        attempts=(
            AttemptWhyView("00" * 32, 0, 3, "split", False),
            AttemptWhyView(TASK_ID, 1, 3, "seated", False),
        ),
        records=(
            SaidView("task", RECORD_ID, AN, 1_700_000_000_000),
            SaidView("commit", "33" * 32, BO, 1_700_000_000_051),
            SaidView("commit", "", AN, None),
        ),
        records_looked=12,
        next=(
            StepView("opening", "bo~oBoBo2 did not open yet", 0.0, (BO,)),
            StepView("retry", "then", 3.25, ()),
        ),
        missing=(WaitedView(BO, True, 2.5, 1), WaitedView(AN, False, None, 0)),
    )


def a_detail(worker: WorkerView = BO) -> WorkerDetailView:
    """Return a worker with two points."""
    return WorkerDetailView(
        worker_id=worker.worker_id,
        peer_id=worker.peer_id,
        key="ab" * 32,
        agent="aimarket/0.1",
        standing=StandingView(worker.worker_id, 2, worker.peer_id, 2, 1, 0, 0, 0, 1, 0.207),
        rank=1,
        ranked=3,
        live=True,
        connected=True,
        heard_s_ago=1.5,
        capabilities=("sentiment cdcdcdcd",),
        load=0,
        addresses=("/ip4/192.0.2.7/tcp/7460",),
        state_digest="fe" * 32,
    )


def a_worker_why() -> WorkerWhyView:
    """Return why that is."""
    return WorkerWhyView(
        worker=a_detail(),
        pairs=(PairView(AN, 2, 1, 0, 0, 3, 1_833_333, 1_222_222),),
        pairs_left_out=4,
        agreeing_ppm=1_222_222,
        total_ppm=1_833_333,
        spread_ppm=5,
        bound_ppm=207_000,
        faults=0,
        reputation_ppm=207_000,
        arithmetic=("A = 1222222, N = 1833333",),
        recent=(
            MarkedView(
                TASK_ID, AN, "final", "agreed", 1, 1_700_000_000_000, "what a day", "positive"
            ),
        ),
        looked=7,
        because=("points = 2",),
    )


def a_record_why() -> RecordWhyView:
    """Return what a record says."""
    return RecordWhyView(
        record_id=RECORD_ID,
        author=AN,
        created_ms=1_700_000_000_000,
        size_bytes=321,
        statements=(StatementView("task", "asks 3 seats", TASK_ID, False),),
        in_journal=True,
        because=("this node signed it",),
    )


class FakeExplainer:
    """Knows what is above, by its full name; a test may change `task`."""

    def __init__(self) -> None:
        self.task = a_task_why()
        self.asked: list[str] = []

    async def explain(self, what: str) -> ExplanationView:
        """Explain what is known."""
        self.asked.append(what)
        if what == TASK_ID:
            return ExplanationView("task", task=self.task)
        if what == RECORD_ID:
            return ExplanationView("record", record=a_record_why())
        if what == "bo":
            return ExplanationView("worker", worker=a_worker_why())
        raise RequestRefused(404, "unknown", f"{what}: no worker is called so")

    def worker(self, who: str) -> WorkerDetailView:
        """Show bo."""
        self.asked.append(who)
        if who != "bo":
            raise RequestRefused(409, "ambiguous", f"{who}: could be worker bo or worker Bo")
        return a_detail()

    async def points_history(self, *, tasks: int, limit: int) -> PointsHistoryView:
        """Tell of three points of bo, and how much was asked for."""
        self.asked.append(f"{limit} of {tasks}")
        growth = GrowthView(BO, 3, (1_700_000_000_000, 1_700_000_000_500), (2, 3))
        return PointsHistoryView(2, True, (growth,))


EQUAL = DiffView(
    peer=BO,
    state_digest="ab" * 32,
    peer_state_digest="ab" * 32,
    same_state=True,
    records=12,
    peer_records=12,
    complete=True,
    only_here_count=0,
    only_there_count=0,
    only_here=(),
    only_there=(),
    tasks=(),
    verdict="equal",
    because=("bo~oBoBo2 holds the same records and computes the same state",),
)
DIFFERENT = replace(
    EQUAL,
    peer_state_digest="cd" * 32,
    same_state=False,
    peer_records=13,
    only_here_count=1,
    only_there_count=30,
    only_here=(LoneRecordView(RECORD_ID, AN, 1_700_000_000_000, ("task",), (TASK_ID,)),),
    only_there=(LoneRecordView("44" * 32, None, None, (), ()),),
    tasks=(LoneTaskView(TASK_ID, None, 1, 0),),
    verdict="differ",
    because=("bo~oBoBo2 lacks 1 record, this node lacks 30 records",),
)


class FakeDiffer:
    """Compares with bo; a test may change what comes of it."""

    def __init__(self, found: DiffView = EQUAL) -> None:
        self.found = found

    async def diff(self, peer: str) -> DiffView:
        """Answer for bo alone."""
        if peer != "bo":
            raise RequestRefused(404, "unknown_peer", f"{peer} is not connected")
        return self.found
