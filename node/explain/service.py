"""Explains to the local user, out of the node's log and what its machine intends."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import trio

from consensus.leaderboard import Standing
from consensus.log import find_record, find_task, state_digest
from consensus.story import Story
from node.errors import RequestRefused
from node.explain.find import Found, Kind, find_one
from node.explain.points import Growth, newest_judged
from node.explain.record import record_why
from node.explain.task import task_why
from node.explain.views import ExplanationView, RecordWhyView, TaskWhyView
from node.explain.worker import worker_detail, worker_why
from node.explain.worker_views import PointsHistoryView, WorkerDetailView, WorkerWhyView
from node.market import Doors
from node.show import capability_text
from protocol.ids import PublicKey, RecordId, TaskId
from protocol.record import decode_record

LOOKED_PER_SLICE = 500  # records; measured: 6 ms of the loop
LOOKED_MAX = 20_000  # 0.24 s in all; what is not found by then is told without its record
JUDGED_PER_SLICE = 500  # tasks; measured: 2 ms of the loop, 6 ms for juries of 31


class NodeExplainer:
    """Implements `node.explain.port.Explainer`."""

    def __init__(self, doors: Doors, board: Callable[[], Sequence[Standing]]) -> None:
        """Take the doors.

        Args:
            doors: What the node is made of.
            board: Returns the leaderboard as this node computes it.
        """
        self._doors = doors
        self._board = board
        self._growing = trio.Lock()

    async def explain(self, what: str) -> ExplanationView:
        """Explain a task, a worker or a record."""
        found = self._find(what, set(Kind))
        if found.kind is Kind.TASK:
            return ExplanationView("task", task=await self._task(TaskId(found.name)))
        if found.kind is Kind.RECORD:
            return ExplanationView("record", record=self._record(RecordId(found.name)))
        return ExplanationView("worker", worker=self._worker(PublicKey(found.name)))

    def worker(self, who: str) -> WorkerDetailView:
        """Show one worker."""
        return self._detail(PublicKey(self._find(who, {Kind.WORKER}).name))

    async def points_history(self, *, tasks: int, limit: int) -> PointsHistoryView:
        """Show how the points of the best workers grew, for one asker at a time.

        Scores and tasks are taken up at one moment, so that they fit each other.
        """
        log = self._doors.log
        async with self._growing:
            best, newest = self._board()[:limit], newest_judged(log, tasks=tasks)
            growth = Growth(standing.key for standing in best)
            for begin in range(0, len(newest.judged), JUDGED_PER_SLICE):
                await trio.lowlevel.checkpoint()
                growth.take(newest.judged[begin : begin + JUDGED_PER_SLICE])
            return growth.told(log, best, newest)

    def _find(self, what: str, kinds: set[Kind]) -> Found:
        doors = self._doors
        known = {standing.key for standing in self._board()}
        known |= set(doors.machine.presences.live(doors.clock.now().ms))
        known |= {peer.public_key for peer in doors.net.peers()} | {doors.machine.me}
        return find_one(what, doors.log, known, kinds=kinds)

    async def _task(self, task_id: TaskId) -> TaskWhyView:
        doors = self._doors
        submitted = find_task(doors.log, task_id)
        assert submitted is not None, "a task was found"
        story = Story(doors.log, submitted, doors.network)
        while story.looked < LOOKED_MAX and story.look(doors.log, count=LOOKED_PER_SLICE):
            await trio.lowlevel.checkpoint()
        now_ms = doors.clock.now().ms
        return task_why(
            doors.log,
            submitted,
            network=doors.network,
            told=story.told(),
            looked=story.looked,
            steps=doors.machine.outlook.steps(doors.log, submitted, now_ms),
            presences=doors.machine.presences,
            me=doors.machine.me,
            now_ms=now_ms,
        )

    def _worker(self, key: PublicKey) -> WorkerWhyView:
        machine = self._doors.machine
        heard = machine.presences.find(key)
        capabilities = heard.presence.capabilities if heard and heard.presence else ()
        if key == machine.me:
            capabilities = machine.worker.capabilities
        return worker_why(self._doors.log, self._detail(key), key, capabilities)

    def _detail(self, key: PublicKey) -> WorkerDetailView:
        doors = self._doors
        told = worker_detail(
            doors.log,
            key,
            board=self._board(),
            presences=doors.machine.presences,
            connected={peer.public_key for peer in doors.net.peers()},
            now_ms=doors.clock.now().ms,
        )
        if key != doors.machine.me:
            return told
        return replace(  # a node does not hear itself
            told,
            live=True,
            heard_s_ago=0.0,
            capabilities=tuple(map(capability_text, doors.machine.worker.capabilities)),
            load=doors.machine.worker.load,
            addresses=doors.net.addresses(),
            state_digest=state_digest(doors.log).hex(),
        )

    def _record(self, record_id: RecordId) -> RecordWhyView:
        doors = self._doors
        raw = find_record(doors.log, record_id)
        if raw is None:  # a jury left the log since
            raise RequestRefused(404, "unknown", f"record {record_id.hex()}: not in this log")
        return record_why(doors.log, decode_record(raw, doors.network), doors.machine.me)
