"""The addresses of what was: each one calls one method of a part."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from node.explain.port import Explainer
from node.explain.worker_views import PointsHistoryView
from node.history import History, HistoryView
from node.rpc.schemas import EXACT_INT_MAX, errors

TASKS_LOOKED = 500
TASKS_LOOKED_MAX = 2_000  # measured: 8 ms of the loop to take them up at once
WORKERS_TOLD = 8
WORKERS_TOLD_MAX = 32

Tasks = Annotated[int, Field(ge=1, le=TASKS_LOOKED_MAX)]
Workers = Annotated[int, Field(ge=1, le=WORKERS_TOLD_MAX)]

Moment = Annotated[
    int, Field(ge=0, le=EXACT_INT_MAX, description="Only samples after it, Unix milliseconds.")
]


def add_history_routes(router: APIRouter, explainer: Explainer, history: History) -> None:
    """Add the routes of what was."""

    @router.get("/leaderboard/history", response_model=PointsHistoryView, responses=errors(400))
    async def points(tasks: Tasks = TASKS_LOOKED, limit: Workers = WORKERS_TOLD) -> JSONResponse:
        """Show how the points of the best workers grew over the newest tasks of the log."""
        told = await explainer.points_history(tasks=tasks, limit=limit)
        # Not `asdict` of it all: that copies number by number, and there may be sixty thousand.
        workers = [
            {
                "worker": asdict(one.worker),
                "points": one.points,
                "at_ms": one.at_ms,
                "after": one.after,
            }
            for one in told.workers
        ]
        return JSONResponse({"looked": told.looked, "more": told.more, "workers": workers})

    @router.get("/history", response_model=HistoryView, responses=errors(400))
    async def lately(after: Moment = 0) -> JSONResponse:
        """Show what happened at this node in the last hour, a sample every five seconds."""
        told = history.told(after_ms=after)
        return JSONResponse(  # not `asdict`, which copies number by number
            {
                "every_ms": told.every_ms,
                "now_ms": told.now_ms,
                "at_ms": told.at_ms,
                "series": told.series,
            }
        )
