"""One step of the machine while it is being taken."""

from collections.abc import Sequence

from consensus.incremental import Folded, fold
from consensus.rows import Draft, Rows
from node.core.effects import Append, Effect, Journal
from node.core.events import Now
from protocol.params import Network
from protocol.record import Verified


class Turn:
    """Collects what one event leads to; rows written earlier in the turn are read by the rest."""

    __slots__ = ("effects", "entries", "now", "ranked", "rows", "summed")

    def __init__(self, rows: Rows, now: Now) -> None:
        self.rows = Draft(rows)
        self.now = now
        self.entries: list[bytes] = []
        self.effects: list[Effect] = []
        self.ranked = 0  # keys the worker has ranked in this turn
        self.summed = 0  # sums of the log made anew in this turn

    def fold(self, records: Sequence[Verified], network: Network) -> Folded:
        """Store records in the log, with everything that follows from them."""
        folded = fold(self.rows, records, network)
        self.rows.update(folded.changes)
        return folded

    def ended(self) -> list[Effect]:
        """Return the effects in the order the shell must keep."""
        ordered: list[Effect] = [Journal(entry) for entry in self.entries]
        if self.rows.changes:
            ordered.append(Append(self.rows.changes))
        return ordered + self.effects
