"""The worker's part: run what our rank gives us, seal the answer, open it once we are seated."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from consensus.log import commits_of, find_task, juries_of, undecided
from consensus.verdict import SubmittedTask
from node.core.alarms import Alarm
from node.core.assignment import MISSES_MAX, WINDOWS_MAX, delay_ms, due_count, may_start, ranked
from node.core.effects import Infer
from node.core.jobs import Job, Jobs, Stage
from node.core.outbox import Draftee
from node.core.own import Opening, find_opening, find_slot, statement_slot, unopened
from node.core.parts import Parts
from node.core.presences import Heard
from node.core.turn import Turn
from protocol.ids import Commitment, PublicKey, TaskId
from protocol.sealing import SALT_BYTES, commitment_of
from protocol.statements import Capability, Commit, Jury, Kind, Result, Reveal

ROLE = "worker"
RUNS_PER_JOB_MAX = 3
# The log is looked through in pieces, so that whoever piles up undecided tasks stalls nobody.
LOOK = Alarm("look", TaskId(b""))
LOOK_TASKS_MAX = 256
LOOK_EVERY_MS = 100
CONSIDERED_PER_TURN_MAX = 128
# Considering a job ranks all who may run it. A key takes 1.2 us (measured), so this is some 40 ms.
RANKED_PER_TURN_MAX = 32_000
# A submitter that is gone for ever must not keep us asking for its jury for ever.
JURY_GIVEN_UP_MS = 600_000
SEALED_MAX = 4_096


class Worker:
    """Undecided tasks of others that are ours to run, and the model runs they led to."""

    def __init__(self, parts: Parts) -> None:
        self.capabilities: tuple[Capability, ...] = ()
        self._rests = False
        self._me = parts.me
        self._network = parts.network
        self._settings = parts.settings
        self._presences = parts.presences
        self._outbox = parts.outbox
        self._alarms = parts.alarms
        self._dice = parts.dice
        self._jobs = Jobs(
            most=parts.settings.jobs_max, each_most=parts.settings.jobs_per_submitter_max
        )
        self._queue: deque[TaskId] = deque()
        self._later = OrderedDict[TaskId, None]()  # to be considered, some at each turn
        self._running = 0
        self._missed: dict[PublicKey, int] = {}
        self._look_after: TaskId | None = None  # where looking through the log goes on
        self._left_out = False  # whether some task found no room since the last look
        self._sealed: dict[TaskId, int] = {}  # our commits without a jury, and since when

    @property
    def load(self) -> int:
        """Return how many runs wait or go on."""
        return len(self._queue) + self._running

    @property
    def is_resting(self) -> bool:
        """Answer whether nothing is begun or sealed, for want of room on the disk."""
        return self._rests

    def find(self, task_id: TaskId) -> Job | None:
        """Return what we know of a task of somebody else that we may run."""
        return self._jobs.find(task_id)

    def waits_for(self, now_ms: int) -> TaskId | None:
        """Return the oldest task whose jury we should have heard of, if any is still due."""
        while self._sealed:
            task_id, since_ms = next(iter(self._sealed.items()))
            if now_ms - since_ms < JURY_GIVEN_UP_MS and len(self._sealed) <= SEALED_MAX:
                return task_id if now_ms - since_ms >= self._settings.commit_window_ms else None
            del self._sealed[task_id]
        return None

    def resume(self, turn: Turn) -> None:
        """Open every answer of ours that was seated before a restart, decided since or not."""
        for task_id in unopened(turn.rows):
            submitted = find_task(turn.rows, task_id)
            if submitted is not None:
                juries = juries_of(turn.rows, task_id, submitted.author)
                for jury in juries:
                    self.see_jury(turn, submitted.author, jury)
                if not juries:
                    self._sealed[task_id] = turn.now.ms

    def serve(self, turn: Turn, capabilities: tuple[Capability, ...]) -> None:
        """Take note of what we can run now, and look at what waits for it."""
        self.capabilities = capabilities
        if capabilities:
            self._look_after = TaskId(b"")
            self.look(turn)

    def rest(self, turn: Turn, is_wanted: bool) -> None:
        """Begin and seal nothing while no jury could be stored; then take up what waits."""
        self._rests = is_wanted
        if not is_wanted:
            self.serve(turn, self.capabilities)
            self.consider_soon(turn, self._jobs.ids())

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
        if self._jobs.find(task_id) or self._outbox.find(slot) or find_slot(turn.rows, slot):
            return
        if self._jobs.is_crowded_by(submitted.author) or not self._has_room(turn):
            self._left_out = True
            return
        known = commits_of(turn.rows, task_id, limit=self._settings.commits_per_task_max)
        committed = {author for author, _ in known}
        self._jobs.add(
            Job(task_id, submitted.author, task.capability, task.seats, turn.now.ms, committed)
        )
        self.consider_soon(turn, [task_id])

    def see_commit(self, author: PublicKey, task_id: TaskId) -> None:
        """Note that somebody sealed an answer."""
        self._missed.pop(author, None)
        job = self._jobs.find(task_id)
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
        self._sealed.pop(jury.task_id, None)
        job = self._jobs.find(jury.task_id)
        if job is not None:
            job.committed.update(seat.juror for seat in jury.seats)
            if turn.now.ms >= job.first_ms + self._settings.step_ms:
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

    def see_presences(self, turn: Turn, authors: Iterable[PublicKey]) -> None:
        """Look again at the tasks of submitters that are back."""
        for author in authors:
            self.consider_soon(turn, self._jobs.of(author))

    def consider_soon(self, turn: Turn, task_ids: Iterable[TaskId]) -> None:
        """Consider some jobs after those that wait for it, in this turn as far as that may go."""
        for task_id in task_ids:
            self._later.setdefault(task_id)
        self._consider_later(turn)

    def consider(self, turn: Turn, task_id: TaskId) -> None:
        """Start a job whose turn has come, or set the alarm for when to look again."""
        job = self._jobs.find(task_id)
        if job is None or job.stage is not Stage.WAITING or self._rests:
            return
        now_ms, settings = turn.now.ms, self._settings
        ranking, rank, start_ms = self.turn_of(job, now_ms)
        if job.front is None:
            job.front = tuple(ranking[: job.seats])
        if now_ms < start_ms:
            self._alarms.set(Alarm(ROLE, task_id), start_ms)
            return
        windows = (now_ms - job.first_ms) // settings.commit_window_ms
        if windows > 0:
            self._count_misses(job)
        if not self.is_needed(job, ranking, rank, now_ms):
            if windows < WINDOWS_MAX:
                next_ms = job.first_ms + (windows + 1) * settings.commit_window_ms
                self._alarms.set(Alarm(ROLE, task_id), next_ms)
            else:
                self._drop(turn, job)  # commits only grow in number: we are not needed any more
            return
        if not self._presences.is_live(job.submitter, now_ms):
            return  # its next word wakes us
        if rank >= job.seats:
            self._count_misses(job)  # a stand-by steps in for those whose turn it was
        job.stage = Stage.QUEUED
        self._queue.append(task_id)
        self._feed(turn)

    def turn_of(self, job: Job, now_ms: int) -> tuple[list[PublicKey], int, int]:
        """Return who may run a job, in rank; which of them we are, from 0; when we may start."""
        ranking = self._ranking(job, now_ms)
        rank = ranking.index(self._me)
        wait_ms = delay_ms(rank, seats=job.seats, step_ms=self._settings.step_ms)
        return ranking, rank, max(job.first_ms + wait_ms, job.not_before_ms)

    def is_needed(self, job: Job, ranking: list[PublicKey], rank: int, now_ms: int) -> bool:
        """Answer whether too few have sealed an answer for us to stay out."""
        settings, waited_ms = self._settings, now_ms - job.first_ms
        due = due_count(waited_ms, seats=job.seats, step_ms=settings.step_ms)
        return may_start(
            before=ranking[:rank],
            due=ranking[:due],
            committed=job.committed,
            seats=job.seats,
            windows=waited_ms // settings.commit_window_ms,
        )

    def inferred(self, turn: Turn, task_id: TaskId, result: Result | None) -> None:
        """Seal the answer of a run that ended, if it is still wanted."""
        self._running -= 1
        job = self._jobs.find(task_id)
        if job is not None and job.stage is Stage.RUNNING:
            if result is not None and self._rests:
                job.stage = Stage.WAITING
            elif result is not None:
                self._commit(turn, job, result)
            elif job.runs < RUNS_PER_JOB_MAX:
                # A failed run commits nothing. A stand-by steps in; we try again later.
                job.stage = Stage.WAITING
                job.not_before_ms = turn.now.ms + self._settings.commit_window_ms
                self._alarms.set(Alarm(ROLE, task_id), job.not_before_ms)
            else:
                self._drop(turn, job)
        self._feed(turn)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return how full each table is, and how full it may be."""
        settings = self._settings
        return {
            "jobs": (len(self._jobs), settings.jobs_max),
            "workers that missed a turn": (len(self._missed), settings.authors_max),
            "sealed answers without a jury": (len(self._sealed), SEALED_MAX + settings.jobs_max),
        }

    def _commit(self, turn: Turn, job: Job, result: Result) -> None:
        opening = Opening(job.task_id, self._dice(SALT_BYTES), result)
        commit = Commit(job.task_id, self._commitment(opening))
        slot = statement_slot(Kind.COMMIT, job.task_id)
        self._outbox.add(turn, Draftee(commit, slot, opening=opening))
        self._sealed[job.task_id] = turn.now.ms
        self._drop(turn, job)

    def _feed(self, turn: Turn) -> None:
        """Hand queued jobs to the models, as many as may run at once."""
        while self._queue and self._running < self._settings.runs_in_flight_max:
            job = self._jobs.find(self._queue.popleft())
            if job is None or job.stage is not Stage.QUEUED:
                continue
            submitted = find_task(turn.rows, job.task_id)
            assert submitted is not None, "a job's task is in the log"
            job.stage = Stage.RUNNING
            job.runs += 1
            self._running += 1
            turn.effects.append(Infer(job.task_id, job.capability, submitted.task.input))

    def _ranking(self, job: Job, now_ms: int) -> list[PublicKey]:
        """Return all who may run a job, in the order in which it is theirs; we are among them."""
        workers = dict[PublicKey, Heard | None](self._presences.crowd(job.capability, now_ms))
        workers[self._me] = None
        workers.pop(job.submitter, None)
        order = ranked(job.task_id, workers)
        late = {worker for worker, misses in self._missed.items() if misses >= MISSES_MAX}
        if late:
            on_time = [worker for worker in order if worker not in late]
            order = on_time + [worker for worker in order if worker in late]
        return order

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
        self._jobs.drop(job.task_id)
        self._alarms.clear(Alarm(ROLE, job.task_id))
        if self._left_out and self._jobs.has_room_again(job.submitter):
            self._left_out = False
            self._look_after = TaskId(b"")
        if self._look_after is not None and self._jobs.is_half_empty:
            self._alarms.set(LOOK, turn.now.ms)

    def look(self, turn: Turn) -> None:
        """Go on with what was too much for one turn: jobs to consider, then the log."""
        self._consider_later(turn)
        if self._look_after is None or self._later:
            return
        for seen, task_id in enumerate(undecided(turn.rows, after=self._look_after)):
            if seen == LOOK_TASKS_MAX:
                self._alarms.set(LOOK, turn.now.ms + LOOK_EVERY_MS)
                return
            if not self._has_room(turn):
                return  # goes on once there is room
            submitted = find_task(turn.rows, task_id)
            if submitted is not None:
                self.see_task(turn, submitted)
            self._look_after = task_id
        self._look_after = None

    def _has_room(self, turn: Turn) -> bool:
        if not self._jobs.is_full:
            return True
        self._left_out = True  # whoever makes way, or finds no room, is looked for again
        now_ms = turn.now.ms
        return self._jobs.evict_absent(lambda one: self._presences.is_live(one, now_ms), now_ms)

    def _consider_later(self, turn: Turn) -> None:
        """Consider what waits for it, as far as one turn may go: one job in any case."""
        while self._later and turn.ranked < RANKED_PER_TURN_MAX:
            task_id, _ = self._later.popitem(last=False)
            turn.ranked += self._cost(turn, task_id)
            self.consider(turn, task_id)
        if self._later:
            self._alarms.set(LOOK, turn.now.ms + 1)

    def _cost(self, turn: Turn, task_id: TaskId) -> int:
        """Return how many keys considering a task ranks; what few or none cost is rounded up."""
        job, least = self._jobs.find(task_id), RANKED_PER_TURN_MAX // CONSIDERED_PER_TURN_MAX
        if job is None or job.stage is not Stage.WAITING:
            return least
        return max(least, len(self._presences.crowd(job.capability, turn.now.ms)))

    def _commitment(self, opening: Opening) -> Commitment:
        return commitment_of(
            self._network.network_id, opening.task_id, self._me, opening.salt, opening.result
        )
