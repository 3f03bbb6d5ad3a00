"""Jurors that break the order of commit, jury and reveal, or open what they never sealed."""

from typing import NamedTuple

from consensus.log import commits_of
from node.core import events as ev
from node.sim.forge import Forger
from node.sim.models import other, result
from protocol.ids import Commitment, PublicKey, TaskId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Result, Reveal

COMMITS_LOOKED_AT = 16
LOOK_MS = 250  # between two looks for a commitment to copy
LOOKS_MAX = 20
LATE_MS = 40_000  # long after everybody stopped to wait

# What it may do with a task it is to run. Of these the first never count, whatever else happens.
NEVER_COUNTED = ("bare", "after", "salt", "answer", "copy", "withhold")
TRICKS = (*NEVER_COUNTED, "early", "late", "twice")


class _Sealed(NamedTuple):
    commitment: Commitment
    salt: bytes
    said: Result


class Cheat(Forger):
    """Has a machine that knows when it is its turn, and plays every turn by hand.

    Attributes:
        tricks: What it does with each task.
    """

    cast = "cheat"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.tricks: dict[TaskId, str] = {}
        self._sealed: dict[TaskId, _Sealed] = {}
        self._copied: dict[TaskId, PublicKey] = {}

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Take its turn by hand; to the machine the run failed."""
        if task_id in self.tricks:
            return None
        trick = self.tricks[task_id] = self.dice.pick(TRICKS)
        self.world.counts.saw(f"a cheat's trick: {trick}")
        said = result(self.world.models.truth(input_bytes))
        commitment, salt = self.a_seal(task_id, said)
        self._sealed[task_id] = _Sealed(commitment, salt, said)
        if trick == "bare":
            self.show(self.sign(Reveal(task_id, said, salt)))
        elif trick == "copy":
            self._copy(task_id, LOOKS_MAX)
        elif trick != "after":
            self.show(self.sign(Commit(task_id, commitment)))
        if trick == "early":
            self.show(self.sign(Reveal(task_id, said, salt)))
        return None

    def tell(self, event: ev.Event) -> None:
        """Look for juries and reveals in what comes."""
        super().tell(event)
        if isinstance(event, ev.Received):
            for record in event.records:
                self._look_at(record)

    def _look_at(self, record: Verified) -> None:
        for said in record.statements:
            if isinstance(said, Jury):
                self._see_jury(said)
            elif isinstance(said, Reveal) and self._copied.get(said.task_id) == record.author:
                del self._copied[said.task_id]
                self.show(self.sign(said))

    def _see_jury(self, jury: Jury) -> None:
        task_id = jury.task_id
        trick, sealed = self.tricks.get(task_id), self._sealed.pop(task_id, None)
        if sealed is None:
            return
        is_seated = any(seat.juror == self.key for seat in jury.seats)
        reveal = Reveal(task_id, sealed.said, sealed.salt)
        contrary = result(other(sealed.said.answer.value))
        match trick:
            case "after":
                self.show(self.sign(Commit(task_id, sealed.commitment)))
                self.show(self.sign(reveal))
            case "salt":
                self.show(self.sign(Reveal(task_id, sealed.said, self.dice.bytes(32))))
            case "answer":
                self.show(self.sign(Reveal(task_id, contrary, sealed.salt)))
            case "twice" if is_seated:
                self.show(self.sign(Reveal(task_id, contrary, sealed.salt), reveal))
            case "late" if is_seated:
                self.world.schedule.after(LATE_MS, self._open_late, self.life, reveal)

    def _open_late(self, life: int, reveal: Reveal) -> None:
        if life == self.life:
            self.world.counts.saw("a late reveal")
            self.show(self.sign(reveal))

    def _copy(self, task_id: TaskId, looks: int) -> None:
        """Commit to what somebody else committed to, as soon as anybody has."""
        for author, commitment in commits_of(self.rows, task_id, limit=COMMITS_LOOKED_AT):
            if author != self.key:
                self._copied[task_id] = author
                self.show(self.sign(Commit(task_id, commitment)))
                return
        if looks > 0:
            self.world.schedule.after(LOOK_MS, self._copy_later, self.life, task_id, looks - 1)

    def _copy_later(self, life: int, task_id: TaskId, looks: int) -> None:
        if life == self.life:
            self._copy(task_id, looks)
