"""Where a simulated host is ended: between two effects of its machine, each point by name."""

from collections.abc import Callable
from dataclasses import dataclass

from node.core import effects as fx
from node.core.own import read_entry
from node.sim.host import Host, Moment
from protocol.statements import Statement


@dataclass(frozen=True, slots=True)
class Point:
    """One boundary of an effect.

    Attributes:
        name: What is called so.
        kind: Around which effects; None for any.
        moment: Where; None for any.
    """

    name: str
    kind: type[fx.Effect] | None
    moment: Moment | None

    def is_here(self, effect: fx.Effect, moment: Moment) -> bool:
        """Answer whether a boundary is one of this name."""
        if isinstance(effect, fx.Publish) and effect.channel is fx.Channel.PRESENCE:
            return self.kind is None  # a presence is neither written down nor missed
        is_kind = self.kind is None or isinstance(effect, self.kind)
        return is_kind and self.moment in (None, moment)


BEFORE_JOURNAL = Point("before the journal", fx.Journal, Moment.BEFORE)
AFTER_JOURNAL = Point("after the journal", fx.Journal, Moment.AFTER)
AFTER_APPEND = Point("after the rows", fx.Append, Moment.AFTER)
BEFORE_PUBLISH = Point("before it is published", fx.Publish, Moment.BEFORE)
AMID_PUBLISH = Point("amid a publish", fx.Publish, Moment.AMID)
AFTER_PUBLISH = Point("after it was published", fx.Publish, Moment.AFTER)
BEFORE_REPLY = Point("before the user is answered", fx.Reply, Moment.BEFORE)
AFTER_REPLY = Point("after the user was answered", fx.Reply, Moment.AFTER)
AFTER_INFER = Point("after a run began", fx.Infer, Moment.AFTER)
ANYWHERE = Point("anywhere", None, None)
POINTS = (
    BEFORE_JOURNAL,
    AFTER_JOURNAL,
    AFTER_APPEND,
    BEFORE_PUBLISH,
    AMID_PUBLISH,
    AFTER_PUBLISH,
    BEFORE_REPLY,
    AFTER_REPLY,
    AFTER_INFER,
    ANYWHERE,
)


class Trap:
    """Ends a host once, at a boundary, and knows what that cost it.

    Attributes:
        is_sprung: Whether it has.
    """

    def __init__(
        self,
        host: Host,
        point: Point,
        *,
        skips: int = 0,
        says: type[Statement] | None = None,
        ends: Callable[[Host], None] | None = None,
    ) -> None:
        """Set it.

        Args:
            host: Whom it ends; still to be given to it as its `trap`.
            point: At which boundary.
            skips: How often it is passed unharmed first.
            says: If given, only where the host is about to say, or says, such a statement.
            ends: Told just before the host ends.
        """
        self.is_sprung = False
        self._host = host
        self._point = point
        self._skips = skips
        self._says = says
        self._is_said = says is None  # by the turn whose effects are being done
        self._ends = ends
        self._owes = False  # whether something is in the journal that nobody has heard

    def __call__(self, effect: fx.Effect, moment: Moment) -> bool:
        """Answer whether the host ends here."""
        if self._says is not None and isinstance(effect, fx.Journal):
            self._is_said = self._says in self._statements(effect)
        if self._point.is_here(effect, moment) and self._is_said:
            if self._skips == 0:
                self._spring(effect, moment)
                return True
            self._skips -= 1
        if isinstance(effect, fx.Journal):
            self._owes = self._owes or moment is Moment.AFTER
        elif isinstance(effect, fx.Publish) and effect.channel is fx.Channel.RECORDS:
            self._owes = self._owes and moment is not Moment.AFTER
        return False

    def _statements(self, effect: fx.Journal) -> list[type[Statement]]:
        world = self._host.world
        record = world.opened(read_entry(effect.entry, world.network.params).record)
        return [type(statement) for statement in record.statements]

    def _spring(self, effect: fx.Effect, moment: Moment) -> None:
        saw = self._host.world.counts.saw
        self.is_sprung = True
        saw(f"a crash {self._point.name}")
        if isinstance(effect, fx.Journal):
            if moment is Moment.BEFORE:
                saw("a crash before the journal was written")
            else:
                self._owes = True
        if self._owes and (not isinstance(effect, fx.Publish) or moment is Moment.BEFORE):
            saw("a crash between journal and publish")
        if self._ends is not None:
            self._ends(self._host)
