"""What simulated models say: every input has a true label, and some workers miss it at times."""

from typing import TYPE_CHECKING

from node.sim.dice import Dice
from protocol.ids import TaskId, sha256
from protocol.statements import Answer, AnswerKind, Capability, Result

if TYPE_CHECKING:
    from node.sim.host import Host

POSITIVE, NEGATIVE = b"positive", b"negative"
CAPABILITY = Capability("sentiment", sha256(b"a simulated model"))
_SURE_PPM = 1_000_000


class Models:
    """Every model of the world.

    Attributes:
        runs: How often a run was begun, by task.
    """

    def __init__(self, dice: Dice, *, wrong_ppm: int = 0, jitter_ms: int = 0) -> None:
        """Take what may go wrong.

        Args:
            dice: Decides it.
            wrong_ppm: How often an honest worker's model errs.
            jitter_ms: How much longer than usual a run may take.
        """
        self.runs: dict[TaskId, int] = {}
        self.wrong_ppm = wrong_ppm
        self.jitter_ms = jitter_ms
        self._dice = dice

    def truth(self, input_bytes: bytes) -> bytes:
        """Return the right label of an input; over all inputs both are as frequent."""
        return (POSITIVE, NEGATIVE)[sha256(b"truth", input_bytes)[0] & 1]

    def honest(self, host: "Host", task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return what an honest worker's model says."""
        del host, task_id
        label = self.truth(input_bytes)
        if self.wrong_ppm and self._dice.chance(self.wrong_ppm):
            label = other(label)
        return result(label)

    def began(self, host: "Host", task_id: TaskId) -> None:
        """Count a run."""
        del host
        self.runs[task_id] = self.runs.get(task_id, 0) + 1

    def takes_ms(self, host: "Host", task_id: TaskId) -> int:
        """Return how long a run takes."""
        del task_id
        return host.run_ms + (self._dice.below(self.jitter_ms) if self.jitter_ms else 0)


def other(label: bytes) -> bytes:
    """Return the label that this one is not."""
    return NEGATIVE if label == POSITIVE else POSITIVE


def result(label: bytes) -> Result:
    """Return a run that ended with a label."""
    return Result(Answer(AnswerKind.VALUE, label), _SURE_PPM, _SURE_PPM)
