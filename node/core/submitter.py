"""The submitter's part: ask, seat a jury by rank, and try again when jurors fail us."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from consensus.log import (
    chain_of,
    commits_of,
    find_commit,
    find_task,
    find_verdict,
    juries_of,
    retries_of,
    undecided,
)
from consensus.verdict import State, SubmittedTask, Verdict, quorum_of
from node.core.alarms import Alarm
from node.core.assignment import delay_ms, ranked
from node.core.outbox import Draftee
from node.core.own import is_cancelled, retry_slot, statement_slot
from node.core.parts import Parts
from node.core.turn import Turn
from protocol.ids import Commitment, PublicKey, TaskId
from protocol.params import NetworkParams
from protocol.statements import AnswerKind, Jury, Kind, Presence, Seat, Task

ROLE = "submitter"
NONCE_BYTES = 16
MISSED_AFTER_MS = 1_000  # gossip is faster; what is not here by then may have been lost


@dataclass(slots=True)
class OwnTask:
    """A task of ours that is not settled.

    Attributes:
        task_id: Its id.
        task: What was asked.
        since_ms: When the commit window began.
        listed: The workers it was ranked to, frozen once it holds `seats` keys.
        excluded: Jurors of earlier attempts that have not opened.
        commits: The first commitment seen of each worker.
        seated_ms: When its jury was signed; None before.
        is_split: Whether its jury was of two minds when we last looked.
    """

    task_id: TaskId
    task: Task
    since_ms: int
    listed: list[PublicKey]
    excluded: frozenset[PublicKey]
    commits: dict[PublicKey, Commitment] = field(default_factory=dict)
    seated_ms: int | None = None
    is_split: bool = False


class Submitter:
    """Our own tasks until they are settled."""

    def __init__(self, parts: Parts) -> None:
        self._me = parts.me
        self._network = parts.network
        self._settings = parts.settings
        self._presences = parts.presences
        self._outbox = parts.outbox
        self._alarms = parts.alarms
        self._dice = parts.dice
        self._tasks: dict[TaskId, OwnTask] = {}
        self._attempts: dict[TaskId, TaskId] = {}  # an earlier one -> the one that goes on
        self.is_behind = False  # then answers may be opened that we do not store

    def __len__(self) -> int:
        return len(self._tasks)

    def find(self, task_id: TaskId) -> OwnTask | None:
        """Return what we know of an unsettled task of ours."""
        return self._tasks.get(task_id)

    def waits_for(self, now_ms: int) -> TaskId | None:
        """Return the oldest own task that lacks sealed or opened answers for a while."""
        for own in self._tasks.values():
            since_ms = own.since_ms if own.seated_ms is None else own.seated_ms
            is_short = own.seated_ms is not None or len(own.commits) < quorum_of(own.task.seats)
            if is_short and now_ms - since_ms >= MISSED_AFTER_MS:
                return own.task_id
        return None

    def resume(self, turn: Turn) -> None:
        """Take our unsettled tasks up again after a restart."""
        for task_id in undecided(turn.rows):
            submitted = find_task(turn.rows, task_id)
            if submitted is not None and submitted.author == self._me:
                self.begin(turn, submitted)

    def begin(self, turn: Turn, submitted: SubmittedTask) -> None:
        """Rank an own task that is in the log and wait for its commits."""
        task_id, task = submitted.task_id, submitted.task
        if task_id in self._tasks:
            return
        if any(is_cancelled(turn.rows, TaskId(one)) for one in (task_id, task.retry_of)):
            return
        own = OwnTask(task_id, task, turn.now.ms, [], self._absentees(turn, task_id))
        own.listed = ranked(task_id, self.capable(own, turn.now.ms))
        if juries_of(turn.rows, task_id, self._me):
            own.seated_ms = turn.now.ms
        self._tasks[task_id] = own
        for earlier in chain_of(turn.rows, task_id) if task.retry_of else ():
            if earlier != task_id:
                self._attempts[earlier] = task_id
        if commits_of(turn.rows, task_id, limit=1):
            for worker in own.listed:  # whoever piles up commits cannot hide theirs from us
                commitment = find_commit(turn.rows, task_id, worker)
                if commitment is not None:
                    own.commits[worker] = commitment
        known = commits_of(turn.rows, task_id, limit=self._settings.commits_per_task_max)
        for author, commitment in known:
            self._note_commit(own, author, commitment)
        self.consider(turn, task_id)

    def see_commit(
        self, turn: Turn, author: PublicKey, task_id: TaskId, commitment: Commitment
    ) -> None:
        """Take a sealed answer in and look whether the jury is complete."""
        own = self._tasks.get(task_id)
        if own is not None and own.seated_ms is None:
            self._note_commit(own, author, commitment)
            self.consider(turn, task_id)

    def see_presences(self, turn: Turn, authors: Sequence[PublicKey]) -> None:
        """Append new workers to every list that is not frozen yet, and look once at each retry."""
        if not self._tasks:
            return
        told: dict[PublicKey, Presence] = {}
        for author in authors:
            heard = self._presences.find(author)
            if heard is not None and heard.presence is not None and author != self._me:
                told[author] = heard.presence
        offered = {capability for presence in told.values() for capability in presence.capabilities}
        for own in list(self._tasks.values()):
            if own.task.capability not in offered:
                continue
            if self._waits_for_workers(own, turn.now.ms):
                self.consider(turn, own.task_id)  # one of them may be what a retry waits for
            elif own.seated_ms is None:
                self._list(own, told, turn.now.ms)

    def _list(self, own: OwnTask, told: dict[PublicKey, Presence], now_ms: int) -> None:
        for author, presence in told.items():
            if len(own.listed) >= own.task.seats:
                return
            if (
                author not in own.listed
                and author not in own.excluded
                and own.task.capability in presence.capabilities
                and self._presences.is_live(author, now_ms)
            ):
                own.listed.append(author)

    def consider(self, turn: Turn, task_id: TaskId) -> None:
        """Do what the moment asks of one task: seat it, settle it, or try again."""
        own = self._tasks.get(task_id)
        if own is None:
            if task_id in self._attempts:
                self._readmit(turn, self._tasks[self._attempts[task_id]])
            return
        if own.seated_ms is None:
            self._seat(turn, own)
            return
        verdict = find_verdict(turn.rows, task_id)
        assert verdict is not None, "an own task is in the log"
        if verdict.state in (State.FINAL, State.VOID) or retries_of(turn.rows, task_id):
            self.forget(task_id)
        elif verdict.state is State.SPLIT:
            own.is_split = True
            if self._retry_split(turn, own, verdict) or turn.now.ms >= self.deadline_ms(own):
                self.forget(task_id)
            else:  # workers that are not here yet, as after a restart, may still come
                self._alarms.set(Alarm(ROLE, task_id), self.deadline_ms(own))
        elif not self._retry_missing(turn, own, verdict):
            window_ms = self._settings.reveal_window_ms
            windows = (turn.now.ms - own.seated_ms) // window_ms
            self._alarms.set(Alarm(ROLE, task_id), own.seated_ms + (windows + 1) * window_ms)

    def waiting_for(self, own: OwnTask, now_ms: int) -> str:
        """Say in words what an own task waits for."""
        quorum = quorum_of(own.task.seats)
        if own.seated_ms is not None:
            return "answers to be opened"
        if not own.listed and not own.commits:
            capable = len(self.capable(own, now_ms))
            return f"{capable} of {quorum} workers"
        return f"{len(own.commits)} of {quorum} sealed answers"

    def turns(self, own: OwnTask, now_ms: int) -> tuple[list[PublicKey], dict[PublicKey, int]]:
        """Return whose sealed answers count by now, in rank; and when those of others will."""
        settings = self._settings
        outside = ranked(own.task_id, [key for key in own.commits if key not in own.listed])
        eligible: list[PublicKey] = []
        later: dict[PublicKey, int] = {}
        for rank, worker in enumerate([*own.listed, *outside]):
            if worker not in own.commits:
                continue
            wait_ms = delay_ms(rank, seats=own.task.seats, step_ms=settings.step_ms)
            if rank >= len(own.listed):
                wait_ms = max(settings.commit_window_ms, wait_ms)
            if now_ms - own.since_ms >= wait_ms:
                eligible.append(worker)
            else:
                later[worker] = own.since_ms + wait_ms
        return eligible, later

    def _seat(self, turn: Turn, own: OwnTask) -> None:
        """Sign the one jury, if the sealed round may close."""
        settings, seats = self._settings, own.task.seats
        elapsed_ms = turn.now.ms - own.since_ms
        eligible, later = self.turns(own, turn.now.ms)
        later_ms = list(later.values())
        enough = len(eligible) >= quorum_of(seats)
        all_in = bool(own.listed) and all(worker in own.commits for worker in own.listed)
        window_over = elapsed_ms >= settings.commit_window_ms
        if len(eligible) >= seats or (enough and (all_in or window_over)):
            jurors = sorted(eligible[:seats])
            jury = Jury(own.task_id, tuple(Seat(juror, own.commits[juror]) for juror in jurors))
            self._outbox.add(turn, Draftee(jury, statement_slot(Kind.JURY, own.task_id)))
            own.seated_ms = turn.now.ms
            at_ms = turn.now.ms + settings.reveal_window_ms
        else:
            if not window_over:
                later_ms.append(own.since_ms + settings.commit_window_ms)
            if not later_ms:
                return  # the next commit wakes us
            at_ms = min(later_ms)
        self._alarms.set(Alarm(ROLE, own.task_id), at_ms)

    def _retry_missing(self, turn: Turn, own: OwnTask, verdict: Verdict) -> bool:
        """Try again without the jurors that never opened, if enough others are here."""
        if turn.now.ms < self.deadline_ms(own) or self.is_behind:
            return False
        absent = absent_of(verdict)
        if not absent:
            return False
        others = self._count_capable(own, turn.now.ms, without=absent)
        if others < quorum_of(own.task.seats):
            return False
        return self._retry(turn, own, own.task.seats)

    def _retry_split(self, turn: Turn, own: OwnTask, verdict: Verdict) -> bool:
        """Ask a larger jury; answer whether nothing more can be done for this task."""
        if is_input_at_fault(own.task, verdict):
            return True
        seats = seats_again(own.task, self._network.params)
        if seats is None:
            return True
        capable = self._count_capable(own, turn.now.ms, without=absent_of(verdict))
        return capable >= quorum_of(seats) and self._retry(turn, own, seats)

    def capable(
        self, own: OwnTask, now_ms: int, *, without: Collection[PublicKey] = ()
    ) -> list[PublicKey]:
        """Return the live others that may run a task: no absentees of earlier attempts."""
        left_out = {self._me, *own.excluded, *without}
        capable = self._presences.capable(own.task.capability, now_ms)
        return [worker for worker in capable if worker not in left_out]

    def _count_capable(self, own: OwnTask, now_ms: int, *, without: Collection[PublicKey]) -> int:
        """Return how many others `capable` names, at no cost for each of a crowd."""
        crowd = self._presences.crowd(own.task.capability, now_ms)
        return len(crowd) - sum([one in crowd for one in {self._me, *own.excluded, *without}])

    def _waits_for_workers(self, own: OwnTask, now_ms: int) -> bool:
        """Answer whether a retry may lack nothing but others who are here."""
        if own.task.attempt >= self._network.params.attempts_max:
            return False  # it was the last
        return own.seated_ms is not None and (own.is_split or now_ms >= self.deadline_ms(own))

    def deadline_ms(self, own: OwnTask) -> int:
        """Return when the reveal window of a seated task ends."""
        assert own.seated_ms is not None, "only a seated task is waited for"
        return own.seated_ms + self._settings.reveal_window_ms

    def _retry(self, turn: Turn, own: OwnTask, seats: int) -> bool:
        task = own.task
        if task.attempt >= self._network.params.attempts_max:
            return False
        again = Task(
            self._dice(NONCE_BYTES),
            task.task_type,
            task.model_digest,
            task.input,
            seats,
            task.attempt + 1,
            own.task_id,
        )
        return self._outbox.add(turn, Draftee(again, retry_slot(own.task_id)))

    def _note_commit(self, own: OwnTask, author: PublicKey, commitment: Commitment) -> None:
        if author == self._me or author in own.excluded or author in own.commits:
            return
        if author in own.listed or len(own.commits) < self._settings.commits_per_task_max:
            own.commits[author] = commitment

    def _absentees(self, turn: Turn, task_id: TaskId) -> frozenset[PublicKey]:
        absent: set[PublicKey] = set()
        for earlier in chain_of(turn.rows, task_id):
            verdict = None if earlier == task_id else find_verdict(turn.rows, earlier)
            if verdict is not None:
                absent |= absent_of(verdict)
        return frozenset(absent)

    def _readmit(self, turn: Turn, own: OwnTask) -> None:
        """Take jurors of earlier attempts in again that have opened after all."""
        absent = self._absentees(turn, own.task_id)
        cured = sorted(own.excluded - absent)
        if not cured:
            return
        own.excluded = absent
        for worker in cured:
            commitment = find_commit(turn.rows, own.task_id, worker)
            if commitment is not None and own.seated_ms is None:
                self._note_commit(own, worker, commitment)
        self.consider(turn, own.task_id)

    def forget(self, task_id: TaskId) -> None:
        """Care for a task no longer."""
        own = self._tasks.pop(task_id, None)
        if own is not None and own.task.retry_of:
            self._attempts = {e: later for e, later in self._attempts.items() if later != task_id}
        self._alarms.clear(Alarm(ROLE, task_id))


def absent_of(verdict: Verdict) -> set[PublicKey]:
    """Return the jurors that have not opened."""
    return {vote.juror for vote in verdict.votes if vote.result is None}


def is_input_at_fault(task: Task, verdict: Verdict) -> bool:
    """Answer whether a quorum of jurors refuses the input alike, so that no retry would help."""
    errors = [
        vote.result.answer.value
        for vote in verdict.votes
        if vote.result is not None and vote.result.answer.kind is AnswerKind.ERROR
    ]
    return any(errors.count(error) >= quorum_of(task.seats) for error in errors)


def seats_again(task: Task, params: NetworkParams) -> int | None:
    """Return how many seats a split task is tried again with; None if it no longer is."""
    seats = min(2 * task.seats + 1, params.seats_max)
    return seats if seats > task.seats and task.attempt < params.attempts_max else None
