"""Tasks of others that we may run: a bounded table in which no submitter can crowd out the rest."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from protocol.ids import PublicKey, TaskId
from protocol.statements import Capability

# Asking of 4,096 submitters whether they are here takes 1 ms; a full table is asked for each task.
ALL_HERE_FOR_MS = 1_000


class Stage(Enum):
    """How far our own run of a task is."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"


@dataclass(slots=True)
class Job:
    """A task of somebody else that we may run.

    Attributes:
        task_id: Which task.
        submitter: Whose.
        capability: What it takes.
        seats: How many jurors are asked for.
        first_ms: When we first saw it.
        committed: Who has sealed an answer, as far as we know and care.
        stage: How far our run is.
        runs: How often we began one.
        not_before_ms: When a run that failed may be tried again.
        front: Whose turn it was at first sight; None before we looked.
        counted: Whether missed turns were counted; once, however long the task waits.
    """

    task_id: TaskId
    submitter: PublicKey
    capability: Capability
    seats: int
    first_ms: int
    committed: set[PublicKey]
    stage: Stage = Stage.WAITING
    runs: int = 0
    not_before_ms: int = 0
    front: tuple[PublicKey, ...] | None = None
    counted: bool = False


class Jobs:
    """At most `most` jobs, `each_most` of one submitter.

    When the table is full, a job that waits for a submitter who is not here makes room.
    """

    def __init__(self, *, most: int, each_most: int) -> None:
        self._most = most
        self._each_most = each_most
        self._jobs: dict[TaskId, Job] = {}
        self._of = OrderedDict[PublicKey, dict[TaskId, None]]()
        self._all_here_until_ms = 0  # till then nobody is looked for who is not here

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_half_empty(self) -> bool:
        """Answer whether tasks that found no room should be looked for again."""
        return len(self._jobs) <= self._most // 2

    def has_room_again(self, submitter: PublicKey) -> bool:
        """Answer whether half of a submitter's share is free."""
        return self.is_half_empty and len(self._of.get(submitter, ())) <= self._each_most // 2

    def find(self, task_id: TaskId) -> Job | None:
        """Return the job of a task."""
        return self._jobs.get(task_id)

    def ids(self) -> list[TaskId]:
        """Return the tasks of all jobs, oldest first."""
        return list(self._jobs)

    def of(self, submitter: PublicKey) -> Iterator[TaskId]:
        """Walk a submitter's jobs as they are now, oldest first."""
        return iter(list(self._of.get(submitter, ())))

    @property
    def is_full(self) -> bool:
        """Answer whether there is no room."""
        return len(self._jobs) >= self._most

    def evict_absent(self, is_live: Callable[[PublicKey], bool], now_ms: int) -> bool:
        """Forget a waiting job of a submitter who is not here; answer whether there was one.

        Where there was none, nobody is looked for again for a second.
        """
        if now_ms < self._all_here_until_ms:
            return False
        for _ in range(len(self._of)):
            submitter = next(iter(self._of))
            waiting = None if is_live(submitter) else self._find_waiting(submitter)
            if waiting is not None:
                self.drop(waiting)
                return True
            self._of.move_to_end(submitter)  # so that the next walk goes on where this one ended
        self._all_here_until_ms = now_ms + ALL_HERE_FOR_MS
        return False

    def _find_waiting(self, submitter: PublicKey) -> TaskId | None:
        tasks = self._of[submitter]
        return next((one for one in tasks if self._jobs[one].stage is Stage.WAITING), None)

    def is_crowded_by(self, submitter: PublicKey) -> bool:
        """Answer whether a submitter has all the room it gets."""
        return len(self._of.get(submitter, ())) >= self._each_most

    def add(self, job: Job) -> None:
        """Take a job in; the caller has asked whether there is room."""
        self._jobs[job.task_id] = job
        self._of.setdefault(job.submitter, {})[job.task_id] = None

    def drop(self, task_id: TaskId) -> None:
        """Forget a job."""
        job = self._jobs.pop(task_id)
        tasks = self._of[job.submitter]
        del tasks[task_id]
        if not tasks:
            del self._of[job.submitter]
