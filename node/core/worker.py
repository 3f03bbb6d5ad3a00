"""The worker's part: run what our rank gives us, seal the answer, open it once we are seated."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from consensus.log import commits_of, find_task, juries_of, undecided
from consensus.verdict import SubmittedTask
from node.core.alarms import Alarm, Alarms
from node.core.assignment import MISSES_MAX, WINDOWS_MAX, delay_ms, may_start, order_of
from node.core.effects import Infer
from node.core.outbox import Draftee, Outbox
from node.core.own import Opening, find_opening, find_slot, statement_slot, unopened
from node.core.presences import Presences
from node.core.settings import Settings
from node.core.turn import Turn
from protocol.ids import Commitment, PublicKey, TaskId
from protocol.params import Network
from protocol.sealing import SALT_BYTES, commitment_of
from protocol.statements import Capability, Commit, Jury, Kind, Result, Reveal

ROLE = "worker"
RUNS_PER_JOB_MAX = 3


class Stage(Enum):
    """How far our own run of a task is."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"


@dataclass(slots=True)
class Job:
    """A task of somebody else that we may run."""

    task_id: TaskId
    submitter: PublicKey
    capability: Capability
    seats: int
    first_ms: int
    committed: set[PublicKey]
    stage: Stage = Stage.WAITING
    runs: int = 0
    not_before_ms: int = 0
    front: tuple[PublicKey, ...] | None = None  # whose turn it was at first; set once
    counted: bool = False  # a turn is missed once, however long the task waits


class Worker:
    """Undecided tasks of others, at most `jobs_max`, and the model runs they led to."""

    def __init__(
        self,
        *,
        me: PublicKey,
        network: Network,
        settings: Settings,
        presences: Presences,
        outbox: Outbox,
        alarms: Alarms,
        dice: Callable[[int], bytes],
    ) -> None:
        self.capabilities: tuple[Capability, ...] = ()
        self._me = me
        self._network = network
        self._settings = settings
        self._presences = presences
        self._outbox = outbox
        self._alarms = alarms
        self._dice = dice
        self._jobs: dict[TaskId, Job] = {}
        self._queue: deque[TaskId] = deque()
        self._running = 0
        self._missed: dict[PublicKey, int] = {}
        self._overflowed = False

    @property
    def load(self) -> int:
        """Return how many runs wait or go on."""
        return len(self._queue) + self._running

    def resume(self, turn: Turn) -> None:
        """Open every answer of ours that was seated before a restart, decided since or not."""
        for task_id in unopened(turn.rows):
            submitted = find_task(turn.rows, task_id)
            if submitted is not None:
                for jury in juries_of(turn.rows, task_id, submitted.author):
                    self.see_jury(turn, submitted.author, jury)

    def serve(self, turn: Turn, capabilities: tuple[Capability, ...]) -> None:
        """Take note of what we can run now, and look at what waits for it."""
        self.capabilities = capabilities
        if capabilities:
            self._look_through_log(turn)

    def see_task(self, turn: Turn, submitted: SubmittedTask) -> None:
        """Look at a task for the first time."""
        task, task_id = submitted.task, submitted.task_id
        juries = juries_of(turn.rows, task_id, submitted.author)
        if juries:  # heard before their task, so nobody has looked at them yet
            for jury in juries:
                self.see_jury(turn, submitted.author, jury)
            return
        if submitted.author == self._me or task.capability not in self.capabilities:
            return
        slot = statement_slot(Kind.COMMIT, task_id)
        if task_id in self._jobs or self._outbox.find(slot) or find_slot(turn.rows, slot):
            return
        if len(self._jobs) >= self._settings.jobs_max:
            self._overflowed = True
            return
        known = commits_of(turn.rows, task_id, limit=self._settings.commits_per_task_max)
        self._jobs[task_id] = Job(
            task_id,
            submitted.author,
            task.capability,
            task.seats,
            turn.now.ms,
            {author for author, _ in known},
        )
        self.consider(turn, task_id)

    def see_commit(self, author: PublicKey, task_id: TaskId) -> None:
        """Note that somebody sealed an answer."""
        self._missed.pop(author, None)
        job = self._jobs.get(task_id)
        if job is None:
            return
        is_listed = job.front is not None and author in job.front
        if len(job.committed) < self._settings.commits_per_task_max or is_listed:
            job.committed.add(author)

    def see_jury(self, turn: Turn, author: PublicKey, jury: Jury) -> None:
        """Open our answer if we are seated; a task with a jury needs no further run."""
        submitted = find_task(turn.rows, jury.task_id)
        if submitted is None or submitted.author != author:
            return
        job = self._jobs.get(jury.task_id)
        if job is not None:
            job.committed.update(seat.juror for seat in jury.seats)
            self._count_misses(job)
            self._drop(turn, job)
        pinned = next((seat.commitment for seat in jury.seats if seat.juror == self._me), None)
        if pinned is None:
            return
        opening = find_opening(turn.rows, jury.task_id, self._network.params)
        if opening is None or self._commitment(opening) != pinned:
            return
        reveal = Reveal(jury.task_id, opening.result, opening.salt)
        self._outbox.add(turn, Draftee(reveal, statement_slot(Kind.REVEAL, jury.task_id)))

    def see_presence(self, turn: Turn, author: PublicKey) -> None:
        """Look again at the tasks of a submitter that is back."""
        for task_id in [job.task_id for job in self._jobs.values() if job.submitter == author]:
            self.consider(turn, task_id)

    def consider(self, turn: Turn, task_id: TaskId) -> None:
        """Start a job whose turn has come, or set the alarm for when to look again."""
        job = self._jobs.get(task_id)
        if job is None or job.stage is not Stage.WAITING:
            return
        now_ms, settings = turn.now.ms, self._settings
        ranking = self._ranking(job, now_ms)
        rank = ranking.index(self._me)
        if job.front is None:
            job.front = tuple(ranking[: job.seats])
        start_ms = job.first_ms + delay_ms(rank, seats=job.seats, step_ms=settings.step_ms)
        start_ms = max(start_ms, job.not_before_ms)
        if now_ms < start_ms:
            self._alarms.set(Alarm(ROLE, task_id), start_ms)
            return
        windows = (now_ms - job.first_ms) // settings.commit_window_ms
        needed = may_start(
            before=ranking[:rank],
            everyone=ranking,
            committed=job.committed,
            seats=job.seats,
            windows=windows,
        )
        if windows > 0:
            self._count_misses(job)
        if not needed:
            if windows < WINDOWS_MAX:
                next_ms = job.first_ms + (windows + 1) * settings.commit_window_ms
                self._alarms.set(Alarm(ROLE, task_id), next_ms)
            return
        if not self._presences.is_live(job.submitter, now_ms):
            return  # its next word wakes us
        job.stage = Stage.QUEUED
        self._queue.append(task_id)
        self._feed(turn)

    def inferred(self, turn: Turn, task_id: TaskId, result: Result | None) -> None:
        """Seal the answer of a run that ended, if it is still wanted."""
        self._running -= 1
        job = self._jobs.get(task_id)
        if job is not None and job.stage is Stage.RUNNING:
            if result is not None:
                self._commit(turn, job, result)
            elif job.runs < RUNS_PER_JOB_MAX:
                # A failed run commits nothing. A stand-by steps in; we try again later.
                job.stage = Stage.WAITING
                job.not_before_ms = turn.now.ms + self._settings.commit_window_ms
                self._alarms.set(Alarm(ROLE, task_id), job.not_before_ms)
            else:
                self._drop(turn, job)
        self._feed(turn)

    def _commit(self, turn: Turn, job: Job, result: Result) -> None:
        opening = Opening(job.task_id, self._dice(SALT_BYTES), result)
        commit = Commit(job.task_id, self._commitment(opening))
        slot = statement_slot(Kind.COMMIT, job.task_id)
        self._outbox.add(turn, Draftee(commit, slot, opening=opening))
        self._drop(turn, job)

    def _feed(self, turn: Turn) -> None:
        """Hand queued jobs to the models, as many as may run at once."""
        while self._queue and self._running < self._settings.runs_in_flight_max:
            job = self._jobs.get(self._queue.popleft())
            if job is None or job.stage is not Stage.QUEUED:
                continue
            submitted = find_task(turn.rows, job.task_id)
            assert submitted is not None, "a job's task is in the log"
            job.stage = Stage.RUNNING
            job.runs += 1
            self._running += 1
            turn.effects.append(Infer(job.task_id, job.capability, submitted.task.input))

    def _ranking(self, job: Job, now_ms: int) -> list[PublicKey]:
        workers = set(self._presences.capable(job.capability, now_ms)) | {self._me}
        workers.discard(job.submitter)

        def place(worker: PublicKey) -> tuple[bool, bytes]:
            return self._missed.get(worker, 0) >= MISSES_MAX, order_of(job.task_id, worker)

        return sorted(workers, key=place)

    def _count_misses(self, job: Job) -> None:
        if job.counted or job.front is None:
            return
        job.counted = True
        for worker in job.front:
            if worker not in job.committed and worker != self._me:
                self._missed[worker] = self._missed.get(worker, 0) + 1
        while len(self._missed) > self._settings.authors_max:
            del self._missed[next(iter(self._missed))]

    def _drop(self, turn: Turn, job: Job) -> None:
        del self._jobs[job.task_id]
        self._alarms.clear(Alarm(ROLE, job.task_id))
        if self._overflowed and len(self._jobs) <= self._settings.jobs_max // 2:
            self._look_through_log(turn)

    def _look_through_log(self, turn: Turn) -> None:
        self._overflowed = False
        for task_id in list(undecided(turn.rows)):
            submitted = find_task(turn.rows, task_id)
            if submitted is not None:
                self.see_task(turn, submitted)
            if self._overflowed:
                return

    def _commitment(self, opening: Opening) -> Commitment:
        return commitment_of(
            self._network.network_id, opening.task_id, self._me, opening.salt, opening.result
        )
