"""Workers that do not do their work: they answer without a model, lie, or leave others waiting.

Each has a real machine and keeps to the protocol but for what its class says.
"""

from typing import ClassVar

from consensus.rows import Changes
from node.core import effects as fx
from node.core.own import Entry, Opening, entry_changes
from node.sim.disk import SimRows
from node.sim.host import Host
from node.sim.models import NEGATIVE, POSITIVE, other, result
from protocol.gossip import unpack_gossip
from protocol.ids import RecordId, TaskId
from protocol.statements import Commit, Result, Reveal, Statement

LIE = b"lie"  # what a constant liar says; nobody else does
PPM = 1_000_000
SLOW_MS = 8_000  # more than a commit window, less than jurors have to open
AWAY_MS = (3_000, 30_000)  # for how long a crasher is gone


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


class Withholder(Voter):
    """Commits, and never opens: it forgets at once what would."""

    cast = "withholder"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.rows = _Forgetful(self.world.shared, keeps_undo=self.world.keeps_undo)


class Crasher(Voter):
    """Dies when a task has just become its own to settle, and comes back later.

    Half the times it dies after its commitment left, else with its opened answer written down and
    not sent; it keeps what it promised, only late.
    """

    cast = "crasher"

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Send a message out and die, or die first, or live on."""
        kinds: set[type[Statement]] = set()
        if channel is fx.Channel.RECORDS:
            for raw in unpack_gossip(data):
                kinds.update(type(one) for one in self.world.opened(raw).statements)
        if Reveal in kinds and self.dice.chance(PPM // 2):
            self._die("a juror died before its opened answer left")
            return
        super().publish(channel, data)
        if Commit in kinds and self.dice.chance(PPM // 2):
            self._die("a worker died after its commitment left")

    def _die(self, how: str) -> None:
        self.world.counts.saw(how)
        self.crash()
        self.world.schedule.after(self.dice.between(*AWAY_MS), self.boot)


class SlowWorker(Host):
    """Is honest, and takes longer than anybody waits for at first."""

    cast = "slow"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.run_ms = SLOW_MS


class FlakyModel(Host):
    """Is honest, but half of its runs fail."""

    cast = "flaky"

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return the truth, or nothing."""
        return None if self.dice.chance(PPM // 2) else super().run(task_id, input_bytes)


class _Forgetful(SimRows):
    """Rows that lose what opens an own commitment."""

    def stage(self, changes: Changes) -> None:
        """Write all rows but those."""
        super().stage({key: value for key, value in changes.items() if key[:1] != _OPENING})


def _opening_family() -> bytes:
    """Return the first letter of the rows in which a machine keeps what opens its commitments."""
    opening = Opening(TaskId(bytes(32)), b"", result(LIE))
    return next(iter(entry_changes(Entry(b"", (), (opening,), ()), RecordId(b""))))[:1]


_OPENING = _opening_family()

CAST: dict[str, type[Host]] = {
    kind.cast: kind
    for kind in (
        Lazy,
        Random,
        ConstantLiar,
        ColludingLiar,
        Withholder,
        Crasher,
        SlowWorker,
        FlakyModel,
    )
}
