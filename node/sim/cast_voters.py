"""Workers that do not do their work: they answer without a model, lie, or leave others waiting.

Each has a real machine and keeps to the protocol but for what its class says.
"""

from typing import ClassVar

from node.sim.host import Host
from node.sim.models import NEGATIVE, POSITIVE, other, result
from protocol.ids import TaskId
from protocol.statements import Result

LIE = b"lie"  # what a constant liar says; nobody else does
PPM = 1_000_000


class Voter(Host):
    """A worker whose votes are not what an honest model says.

    Attributes:
        wrong_ppm: How often it says the label that is not the true one.
        lie_ppm: How often it says `LIE`.
    """

    is_honest = False
    wrong_ppm: ClassVar[int] = 0
    lie_ppm: ClassVar[int] = 0


class Lazy(Voter):
    """Says "positive" to everything."""

    cast = "lazy"
    wrong_ppm = PPM // 2

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return the one answer."""
        del task_id, input_bytes
        return result(POSITIVE)


class Random(Voter):
    """Throws a coin."""

    cast = "random"
    wrong_ppm = PPM // 2

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return either label."""
        del task_id, input_bytes
        return result(self.dice.pick((POSITIVE, NEGATIVE)))


class ConstantLiar(Voter):
    """Says the same wrong thing to everything."""

    cast = "constant liar"
    lie_ppm = PPM

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return the lie."""
        del task_id, input_bytes
        return result(LIE)


class ColludingLiar(Voter):
    """Knows the truth, and says the other label, as all of its kind do."""

    cast = "colluding liar"
    wrong_ppm = PPM

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return the wrong label."""
        del task_id
        return result(other(self.world.models.truth(input_bytes)))


CAST: dict[str, type[Host]] = {
    kind.cast: kind for kind in (Lazy, Random, ConstantLiar, ColludingLiar)
}
