"""The doors of whoever explains: what they promise, and nothing of how they keep it."""

from typing import Protocol

from node.explain.views import ExplanationView
from node.explain.worker_views import PointsHistoryView, WorkerDetailView


class Explainer(Protocol):
    """Tells why things are as they are; it only reads."""

    async def explain(self, what: str) -> ExplanationView:
        """Explain a task, a worker or a record.

        Args:
            what: An id of a task or record, or its first 8 hex digits or more; or a worker, by
                nickname, peer id, `nickname~end`, address, or the first digits of its key.

        Raises:
            RequestRefused: 400 if it is empty or too long, 404 with what was tried, 409 with the
                candidates if it fits several.
        """
        ...

    def worker(self, who: str) -> WorkerDetailView:
        """Show one worker, named in any of the ways of `explain`.

        Raises:
            RequestRefused: As `explain` does.
        """
        ...

    async def points_history(self, *, tasks: int, limit: int) -> PointsHistoryView:
        """Show how the points of the best workers grew.

        Args:
            tasks: How many of the newest tasks are looked at.
            limit: Of how many workers.
        """
        ...
