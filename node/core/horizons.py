"""What the log comes to up to some moments: each summed once, however many presences tell of it.

Most presences of one minute tell of the same moment, and records that old hardly ever arrive.
"""

from collections.abc import Sequence

from consensus.incremental import Folded
from consensus.range_sums import fingerprint_below
from consensus.rows import Rows
from node.core.turn import Turn
from protocol.record import Verified
from protocol.statements import Presence

# Clocks that are a minute apart make two or three; a guess, and a stranger who tells of more
# only makes us sum again.
HORIZONS_MAX = 8
# New sums of one event, 0.4 ms each where the log holds 100,000 records.
SUMS_PER_TURN_MAX = 8


class Horizons:
    """Remembers `fingerprint_below` for a few moments; the oldest answer makes room."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, bytes]] = {}

    def differs(self, turn: Turn, told: Presence | None) -> bool:
        """Answer whether an author's log up to its horizon was not ours.

        No, where that takes one new sum too many for this turn: its author says it again soon.
        """
        if told is None or told.horizon_ms == 0:
            return False
        if told.horizon_ms not in self._known:
            if turn.summed >= SUMS_PER_TURN_MAX:
                return False
            turn.summed += 1
        ours = self.fingerprint_below(turn.rows, told.horizon_ms)
        return ours != (told.count, told.fingerprint)

    def fingerprint_below(self, rows: Rows, horizon_ms: int) -> tuple[int, bytes]:
        """Return how many records are dated before a moment, and their fingerprint, 16 bytes."""
        known = self._known.get(horizon_ms)
        if known is None:
            known = fingerprint_below(rows, horizon_ms)
            if len(self._known) >= HORIZONS_MAX:
                del self._known[next(iter(self._known))]
            self._known[horizon_ms] = known
        return known

    def note(self, records: Sequence[Verified], folded: Folded) -> None:
        """Forget what some records more have changed; called after every fold of these records."""
        if folded.dropped:  # the date of what left the log is not told
            self._known.clear()
        elif folded.stored and self._known:
            stored = set(folded.stored)
            oldest_ms = min([one.created_ms for one in records if one.record_id in stored])
            if oldest_ms < max(self._known):
                self._known = {at: sums for at, sums in self._known.items() if at <= oldest_ms}
