"""What a task waits for and what happens to it next, and when: read, never changed.

It tells what the roles would do, by the same questions they ask themselves.
"""

from consensus.log import commits_of, find_verdict, juries_of, retries_of
from consensus.rows import Rows
from consensus.verdict import State, SubmittedTask, Verdict, quorum_of
from node.core.assignment import due_count
from node.core.jobs import Job, Stage
from node.core.own import find_opening, find_slot, is_cancelled, retry_slot, statement_slot
from node.core.parts import Parts
from node.core.steps import Step, ascending, count_words, live_words, more_words, without
from node.core.submitter import (
    OwnTask,
    Submitter,
    absent_of,
    is_input_at_fault,
    seats_again,
)
from node.core.worker import Worker
from protocol.ids import TaskId
from protocol.statements import Kind

COMMITS_COUNTED_MAX = 256  # of somebody else's task: enough for any jury


class Outlook:
    """Answers for any task in the log; changes nothing."""

    def __init__(self, parts: Parts, submitter: Submitter, worker: Worker) -> None:
        self._me = parts.me
        self._network = parts.network
        self._settings = parts.settings
        self._presences = parts.presences
        self._outbox = parts.outbox
        self._submitter = submitter
        self._worker = worker

    def steps(self, rows: Rows, submitted: SubmittedTask, now_ms: int) -> list[Step]:
        """Say what a task waits for and what comes next; nothing for a final one.

        Args:
            rows: The log.
            submitted: A task in it.
            now_ms: This moment, by the monotonic clock.
        """
        verdict = find_verdict(rows, submitted.task_id)
        assert verdict is not None, "the task is in the log"
        if verdict.state is State.FINAL:
            return []
        if verdict.state is State.VOID:
            return [Step("given_up", "a void task stays void; what it gave is taken back")]
        if retries_of(rows, submitted.task_id):
            return [Step("retry", "it was tried again: the next attempt goes on")]
        if submitted.author != self._me:
            return [
                *self._foreign(rows, submitted, verdict, now_ms),
                *self._of_submitter(submitted, verdict, now_ms),
            ]
        return self._own(rows, submitted, verdict, now_ms)

    def is_given_up(self, rows: Rows, submitted: SubmittedTask, verdict: Verdict) -> bool:
        """Answer whether the last attempt at an undecided task is known not to be tried again."""
        if is_cancelled(rows, submitted.task_id):
            return True
        if verdict.state is not State.SPLIT:
            return False
        if self._why_given_up(submitted, verdict):
            return True
        task_id = submitted.task_id
        waits = self._outbox.find(retry_slot(task_id)) is not None
        is_under_way = waits or self._submitter.find(task_id) is not None
        return submitted.author == self._me and not is_under_way

    def _own(
        self, rows: Rows, submitted: SubmittedTask, verdict: Verdict, now_ms: int
    ) -> list[Step]:
        task_id, task = submitted.task_id, submitted.task
        if any(is_cancelled(rows, TaskId(one)) for one in (task_id, task.retry_of) if one):
            return [Step("given_up", "it was cancelled here: this node does nothing more for it")]
        own = self._submitter.find(task_id)
        steps: list[Step] = []
        if not self._outbox.signing:
            steps.append(
                Step("wait", "this node may not sign yet: it compares its log with a peer first")
            )
        if self._outbox.find(retry_slot(task_id)) is not None:
            steps.append(Step("retry", "its next attempt waits to be signed", in_ms=0))
        elif own is None and verdict.state is State.SPLIT:
            why = self._why_given_up(submitted, verdict)
            steps.append(
                Step("given_up", why or "too few others came to try it again: it was given up")
            )
        elif own is None:
            steps.append(Step("wait", "this node takes it up once it has started"))
        elif own.seated_ms is None:
            steps += self._sealing(own, now_ms)
        elif verdict.state is State.OPEN:
            steps.append(Step("jury", "its jury is chosen and waits to be signed", in_ms=0))
        elif verdict.state is State.SPLIT:
            steps += self._split(own, submitted, verdict, now_ms)
        else:
            steps += self._opening(own, verdict, now_ms)
        return steps

    def _sealing(self, own: OwnTask, now_ms: int) -> list[Step]:
        """Tell of a task that has no jury yet."""
        settings, quorum, seats = self._settings, quorum_of(own.task.seats), own.task.seats
        elapsed_ms = now_ms - own.since_ms
        steps: list[Step] = []
        live = self._submitter.capable(own, now_ms)
        if len({*live, *own.commits}) < quorum:
            steps.append(
                Step(
                    "workers",
                    f"it needs {quorum} workers; {live_words(len(live))}: start another node",
                )
            )
        due = due_count(elapsed_ms, seats=seats, step_ms=settings.step_ms)
        waited = without([*own.listed[:due], *(live if len(own.listed) < due else ())], own.commits)
        if waited:
            here = f"{len(own.commits)} of {quorum} sealed answers are here"
            steps.append(Step("sealing", f"{here}; {{who}} did not seal one yet", waited, 0))
        ranks = range(due, min(2 * due, len(own.listed)))
        stand_bys = without([own.listed[rank] for rank in ranks], own.commits)
        if stand_bys:
            ranked = f"{ranks.start + 1} to {ranks.stop}" if len(ranks) > 1 else str(ranks.stop)
            words = f"the stand-bys ranked {ranked} may start: {{who}}"
            groups = (
                due // seats
            ).bit_length()  # that may have begun; the next waits as many steps
            steps.append(Step("stand_by", words, stand_bys, settings.step_ms * groups - elapsed_ms))
        eligible, later = self._submitter.turns(own, now_ms)
        for worker, at_ms in later.items():
            early = "the answer of {who}, sealed before its turn, counts"
            steps.append(Step("early", early, (worker,), at_ms - now_ms))
        left_ms = settings.commit_window_ms - elapsed_ms
        in_time = len(eligible) + sum(at_ms - now_ms <= left_ms for at_ms in later.values())
        if left_ms > 0:
            then = "it is seated with what is there"
            if in_time < quorum:
                then = f"it is seated once {more_words(quorum - in_time)} sealed"
            steps.append(Step("window", f"the commit window ends; then {then}", in_ms=left_ms))
        elif len(eligible) < quorum:
            over = "the commit window is over: it is seated once "
            steps.append(Step("window", f"{over}{more_words(quorum - len(eligible))} sealed"))
        return steps

    def _opening(self, own: OwnTask, verdict: Verdict, now_ms: int) -> list[Step]:
        """Tell of a task whose jurors have to open what they sealed."""
        absent = ascending(absent_of(verdict))
        steps = [Step("opening", "{who} did not open yet", absent, 0)]
        quorum, left_ms = quorum_of(own.task.seats), self._submitter.deadline_ms(own) - now_ms
        others = len(self._submitter.capable(own, now_ms, without=absent))
        late = "a late opening still decides"
        if own.task.attempt >= self._network.params.attempts_max:
            tries = own.task.attempt + 1
            steps.append(
                Step("given_up", f"it was tried {tries} times, the most: it stays seated; {late}")
            )
        elif self._submitter.is_behind:
            full = (
                "the disk limit of this node is reached: it is not tried again until there is room"
            )
            steps.append(Step("wait", f"{full}; {late}"))
        elif left_ms > 0:
            condition = f"it is tried again without {{who}} if {quorum} others are live"
            then = (
                "they are" if others >= quorum else f"{count_words(others)}: else it stays seated"
            )
            steps.append(Step("retry", f"{condition}; {then}; {late}", absent, left_ms))
        else:
            wanted = f"it is tried again once {quorum} others that can run {{what}} are live"
            steps.append(Step("retry", f"{wanted}; {count_words(others)}; {late}"))
        return steps

    def _split(
        self, own: OwnTask, submitted: SubmittedTask, verdict: Verdict, now_ms: int
    ) -> list[Step]:
        """Tell of a task whose jury was of two minds, while a larger one may still be had."""
        why = self._why_given_up(submitted, verdict)
        seats = seats_again(own.task, self._network.params)
        if why or seats is None:
            return [Step("given_up", why)]
        others = len(self._submitter.capable(own, now_ms, without=absent_of(verdict)))
        wanted = f"it is tried again with {seats} seats once {quorum_of(seats)} others are live"
        left_ms = self._submitter.deadline_ms(own) - now_ms
        given_up = Step(
            "given_up", "if they are not here by then, it is given up", in_ms=max(0, left_ms)
        )
        return [Step("retry", f"{wanted}; {count_words(others)}"), given_up]

    def _why_given_up(self, submitted: SubmittedTask, verdict: Verdict) -> str:
        """Say why no larger jury is asked; empty if one may be."""
        task, params = submitted.task, self._network.params
        if is_input_at_fault(task, verdict):
            return "the jurors refuse the input alike: it is not tried again"
        if seats_again(task, params) is not None:
            return ""
        if task.attempt >= params.attempts_max:
            return f"it was tried {task.attempt + 1} times, the most: it is not tried again"
        return f"no jury is larger than {params.seats_max} seats: it is not tried again"

    def _foreign(
        self, rows: Rows, submitted: SubmittedTask, verdict: Verdict, now_ms: int
    ) -> list[Step]:
        """Tell what this node does for a task of somebody else."""
        if verdict.state is State.OPEN:
            return [
                *self._workers(rows, submitted, now_ms),
                *self._serving(rows, submitted, now_ms),
            ]
        vote = next((one for one in verdict.votes if one.juror == self._me), None)
        if vote is None or vote.result is not None:
            return []
        if self._outbox.find(statement_slot(Kind.REVEAL, submitted.task_id)) is not None:
            return [Step("opening", "this node's opened answer waits to be signed", in_ms=0)]
        opening = find_opening(rows, submitted.task_id, self._network.params)
        if opening is None:
            return [
                Step(
                    "opening",
                    "this node is seated, and has nothing that opens the answer held to it",
                )
            ]
        return [Step("opening", "this node is seated and opens its answer", in_ms=0)]

    def _workers(self, rows: Rows, submitted: SubmittedTask, now_ms: int) -> list[Step]:
        """Tell whether too few are here to settle a task of somebody else."""
        quorum, capability = quorum_of(submitted.task.seats), submitted.task.capability
        sealed = [one for one, _ in commits_of(rows, submitted.task_id, limit=COMMITS_COUNTED_MAX)]
        live = set(self._presences.capable(capability, now_ms))
        if capability in self._worker.capabilities:
            live.add(self._me)
        live.discard(submitted.author)
        if len({*live, *sealed}) >= quorum:
            return []
        return [
            Step(
                "workers", f"it needs {quorum} workers; {live_words(len(live))}: start another node"
            )
        ]

    def _serving(self, rows: Rows, submitted: SubmittedTask, now_ms: int) -> list[Step]:
        """Tell how far our own run of a task is that has no jury yet."""
        task_id = submitted.task_id
        slot = statement_slot(Kind.COMMIT, task_id)
        if find_slot(rows, slot) is not None:
            return [Step("jury", "this node sealed its answer and opens it once it is seated")]
        if self._outbox.find(slot) is not None:
            return [Step("sealing", "this node's sealed answer waits to be signed", in_ms=0)]
        if submitted.task.capability not in self._worker.capabilities:
            return [Step("wait", "this node cannot run {what}")]
        if self._worker.is_resting:
            return [Step("wait", "the disk limit of this node is reached: it runs nothing")]
        if juries_of(rows, task_id, submitted.author):
            return []
        job = self._worker.find(task_id)
        if job is None:
            return [
                Step(
                    "wait",
                    "this node does not run it: enough others sealed, or it has too much to do",
                )
            ]
        return self._job(job, now_ms)

    def _job(self, job: Job, now_ms: int) -> list[Step]:
        if job.stage is Stage.RUNNING:
            return [Step("running", "this node runs it now", in_ms=0)]
        if job.stage is Stage.QUEUED:
            return [
                Step(
                    "running",
                    f"this node runs it soon; {self._worker.load} runs wait or go on",
                    in_ms=0,
                )
            ]
        ranking, rank, start_ms = self._worker.turn_of(job, now_ms)
        place = f"this node is ranked {rank + 1} of {len(ranking)}"
        if job.runs:
            again = f"a run failed {job.runs} times here; it is tried again"
            return [Step("running", again, in_ms=max(0, job.not_before_ms - now_ms))]
        if not self._presences.is_live(job.submitter, now_ms):
            return [Step("wait", f"{place} and begins once its submitter is back")]
        if now_ms < start_ms:
            return [
                Step(
                    "running",
                    f"{place} and may start then, if still needed",
                    in_ms=start_ms - now_ms,
                )
            ]
        if not self._worker.is_needed(job, ranking, rank, now_ms):
            window_ms = self._settings.commit_window_ms
            left_ms = window_ms - (now_ms - job.first_ms) % window_ms
            return [Step("wait", f"{place}; enough others sealed. It looks again", in_ms=left_ms)]
        return [Step("running", f"{place} and starts now", in_ms=0)]

    def _of_submitter(self, submitted: SubmittedTask, verdict: Verdict, now_ms: int) -> list[Step]:
        """Tell what only the submitter of a task can do."""
        author, task = submitted.author, submitted.task
        quorum, params = quorum_of(task.seats), self._network.params
        if not self._presences.is_live(author, now_ms):
            gone = Step(
                "wait",
                "its submitter {who} is not live: nobody serves it until that is back",
                (author,),
            )
            if verdict.state is not State.OPEN:
                gone = Step(
                    "wait",
                    "its submitter {who} is not live: only that one can try it again",
                    (author,),
                )
            return [gone]
        if verdict.state is State.OPEN:
            wanted = f"its submitter {{who}} seats it once {quorum} or more have sealed"
            return [Step("jury", wanted, (author,))]
        if verdict.state is State.SEATED:
            absent = ascending(absent_of(verdict))
            retried = "its submitter {who} may try it again; a late opening still decides"
            return [
                Step("opening", "{who} did not open yet", absent, 0),
                Step("retry", retried, (author,)),
            ]
        why = self._why_given_up(submitted, verdict)
        seats = seats_again(task, params)
        if why or seats is None:
            return [Step("given_up", why)]
        retried = f"its submitter {{who}} may try it again with {seats} seats"
        return [Step("retry", f"{retried}, if {quorum_of(seats)} others are live", (author,))]
