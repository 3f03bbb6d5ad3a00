"""How points grew over the newest tasks: read from the log, so equal logs tell the same."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from consensus import layout
from consensus.contributions import Mark
from consensus.leaderboard import Standing
from consensus.rows import Rows
from consensus.verdict import State
from node.explain.worker_views import GrowthView, PointsHistoryView
from node.names import worker_view
from protocol.ids import PublicKey
from protocol.params import UINT_END


class Judged(NamedTuple):
    """One judged task, as its row has it.

    Attributes:
        created_ms: The submitter's clock, Unix milliseconds.
        row: See `consensus.layout.Judged`.
    """

    created_ms: int
    row: bytes


class Newest(NamedTuple):
    """The newest tasks of a log at one moment.

    Attributes:
        looked: How many.
        has_more: Whether the log holds older ones.
        judged: Those that are judged, the newest first.
    """

    looked: int
    has_more: bool
    judged: Sequence[Judged]


def newest_judged(rows: Rows, *, tasks: int) -> Newest:
    """Take up so many of the newest tasks at once, as rows that are not read yet."""
    walk = rows.scan(layout.NEWEST)
    looked, judged = 0, []
    for key, _ in islice(walk, tasks):
        looked += 1
        row = rows.get(layout.JUDGED + key[9:])
        if row is not None:
            judged.append(Judged(UINT_END - int.from_bytes(key[1:9]), row))
    return Newest(looked, next(walk, None) is not None, judged)


class Growth:
    """The moments at which some workers were given their points."""

    def __init__(self, workers: Iterable[PublicKey]) -> None:
        """Begin with nothing looked at."""
        self._at_ms: dict[PublicKey, list[int]] = {worker: [] for worker in workers}

    def take(self, judged: Iterable[Judged]) -> None:
        """Look at some tasks, in any order; a final one gives whoever agreed a point."""
        for created_ms, row in judged:
            task = layout.read_judged(row)
            if task.state is not State.FINAL:
                continue
            for juror, mark in layout.marked(task):
                if mark == Mark.AGREED and juror in self._at_ms:
                    self._at_ms[juror].append(created_ms)

    def told(self, rows: Rows, best: Sequence[Standing], newest: Newest) -> PointsHistoryView:
        """Return what was found.

        Args:
            rows: The log, for the names.
            best: The rows of the leaderboard at the moment the tasks were taken up.
            newest: These tasks, all of them looked at.
        """
        return PointsHistoryView(
            newest.looked,
            newest.has_more,
            tuple(self._growth(rows, standing) for standing in best),
        )

    def _growth(self, rows: Rows, standing: Standing) -> GrowthView:
        at_ms = sorted(self._at_ms[standing.key])
        before = standing.points - len(at_ms)
        after = range(before + 1, standing.points + 1)
        named = worker_view(rows, standing.key)
        return GrowthView(named, standing.points, tuple(at_ms), tuple(after))
