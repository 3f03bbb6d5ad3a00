"""Operators with many keys: silent, hasty or copying ones, and crowds that are cheap to have."""

from typing import ClassVar

from consensus.log import chain_of, find_verdict
from consensus.verdict import SubmittedTask
from node.core.assignment import ranked
from node.sim.cast_keys import KeyHolder
from node.sim.cast_voters import LIE, PPM
from node.sim.models import NEGATIVE, POSITIVE, other, result
from protocol.ids import Commitment, PublicKey, TaskId
from protocol.sealing import SALT_BYTES, commitment_of, opened_commitment
from protocol.statements import AnswerKind, Commit, Result, Reveal


class SilentSybils(KeyHolder):
    """Keys that say they can run everything, and never commit to anything."""

    cast = "silent"


class HastySybils(KeyHolder):
    """Keys that answer everything at once, whosever turn it is, and all with the wrong label."""

    cast = "hasty"
    keys_held = 3
    wrong_ppm = PPM

    def see_task(self, submitted: SubmittedTask) -> None:
        """Commit with every key, without running a model."""
        wrong = other(self.world.models.truth(submitted.task.input))
        for held in self.held.values():
            if (submitted.task_id, held.key) not in self.sealed:
                self.seal(held, submitted.task_id, result(wrong))


class Crowd(KeyHolder):
    """Keys that answer when it is their turn at first: workers without a machine each.

    They cost a hundredth of a real worker, so that votes can be counted over many. They never
    stand by for another.
    """

    cast = "crowd"
    gathers_ms = 100

    def answers(self, submitted: SubmittedTask) -> Result:
        """Return what all of them say."""
        return result(self.world.models.truth(submitted.task.input))

    def see_task(self, submitted: SubmittedTask) -> None:
        """Commit with those keys that are among the first."""
        machine, task_id = self.machine, submitted.task_id
        if machine is None or submitted.task.capability not in self.offered:
            return
        crowd = machine.presences.crowd(submitted.task.capability, self.now().ms)
        workers = dict.fromkeys(worker for worker in crowd if worker != submitted.author)
        for worker in ranked(task_id, workers)[: submitted.task.seats]:
            held = self.held.get(worker)
            if held is not None and (task_id, worker) not in self.sealed:
                self.world.models.began(self, task_id)
                self.seal(held, task_id, self.answers(submitted))


class CrowdOfLiars(Crowd):
    """The same, and all tell one lie."""

    cast = "lying crowd"
    lie_ppm = PPM

    def answers(self, submitted: SubmittedTask) -> Result:
        """Return the lie."""
        del submitted
        return result(LIE)


class Copycat(KeyHolder):
    """A key that wants points without a model: it copies whatever it can, and else guesses.

    By turns it commits to what another committed to; waits for the first opened answer before it
    commits; tries to open others' commitments with every salt it ever saw; or says "positive". A
    task that is tried again it answers with what was opened before.

    Attributes:
        tried: How often it did each.
        opened_early: How many commitments of others it opened before they did; never any.
    """

    cast = "copycat"
    plans: ClassVar[tuple[str, ...]] = ("replay", "wait", "open", "guess")
    wrong_ppm = PPM // 2

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.tried: dict[str, int] = {}
        self.opened_early = 0
        self._salts: dict[PublicKey, bytes] = {}  # the last one each author used
        self._copied: dict[tuple[TaskId, PublicKey], Commitment] = {}

    def plan_of(self, task_id: TaskId) -> str:
        """Return how it goes about a task."""
        return self.plans[task_id[0] % len(self.plans)]

    def see_task(self, submitted: SubmittedTask) -> None:
        """Answer a task that is tried again with what was opened, and some others with a guess."""
        task_id = submitted.task_id
        if submitted.task.attempt > 0:
            known = self._opened_before(task_id)
            if known is not None:
                self._commit(task_id, known, "earlier attempt")
                return
        if self.plan_of(task_id) == "guess":
            self._commit(task_id, result(POSITIVE), "guess")

    def see_commit(self, author: PublicKey, commit: Commit) -> None:
        """Commit to the same, or try to open it."""
        task_id = commit.task_id
        if author in self.held:
            return
        plan = self.plan_of(task_id)
        if plan == "replay":
            for key, held in self.held.items():
                if (task_id, key) not in self._copied and (task_id, key) not in self.sealed:
                    self._note("replay")
                    self._copied[task_id, key] = commit.commitment
                    self.say(held, commit)
        elif plan == "open" and not self._is_sealed(task_id):
            found = self._open(author, commit)
            self.opened_early += found is not None
            self._commit(task_id, found or result(POSITIVE), "open")

    def see_reveal(self, author: PublicKey, reveal: Reveal) -> None:
        """Commit to an answer that was opened, or open a copied commitment with the same words."""
        if author in self.held:
            return
        self._salts[author] = reveal.salt
        task_id = reveal.task_id
        if self.plan_of(task_id) == "wait":
            self._commit(task_id, reveal.result, "wait")
            return
        opened = opened_commitment(self.world.network.network_id, author, reveal)
        for key, held in self.held.items():
            if self._copied.get((task_id, key)) == opened:
                del self._copied[task_id, key]
                self.say(held, reveal)

    def _commit(self, task_id: TaskId, said: Result, plan: str) -> None:
        if not self._is_sealed(task_id):
            self._note(plan)
            for held in self.held.values():
                self.seal(held, task_id, said)

    def _is_sealed(self, task_id: TaskId) -> bool:
        return any((task_id, key) in self.sealed for key in self.held)

    def _open(self, author: PublicKey, commit: Commit) -> Result | None:
        """Try salts that were used before, and some that a fool would use."""
        salts = [bytes(SALT_BYTES), commit.task_id, author, *self._salts.values()]
        network_id = self.world.network.network_id
        for salt in salts:
            for label in (POSITIVE, NEGATIVE):
                said = result(label)
                sealed = commitment_of(network_id, commit.task_id, author, salt, said)
                if sealed == commit.commitment:
                    return said
        return None

    def _opened_before(self, task_id: TaskId) -> Result | None:
        """Return what most others opened at earlier attempts, if any did."""
        answers: dict[bytes, int] = {}
        for earlier in chain_of(self.rows, task_id):
            verdict = None if earlier == task_id else find_verdict(self.rows, earlier)
            for vote in verdict.votes if verdict else ():
                if vote.juror in self.held:
                    continue
                if vote.result is not None and vote.result.answer.kind is AnswerKind.VALUE:
                    value = vote.result.answer.value
                    answers[value] = answers.get(value, 0) + 1
        return result(max(answers, key=lambda one: (answers[one], one))) if answers else None

    def _note(self, plan: str) -> None:
        self.tried[plan] = self.tried.get(plan, 0) + 1


CAST: dict[str, type[KeyHolder]] = {
    kind.cast: kind for kind in (SilentSybils, HastySybils, Copycat, Crowd, CrowdOfLiars)
}
