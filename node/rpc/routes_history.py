"""The addresses of what was: each one calls one method of a part."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from node.explain.port import Explainer
from node.explain.worker_views import PointsHistoryView
from node.rpc.schemas import errors

TASKS_LOOKED = 500
TASKS_LOOKED_MAX = 2_000  # measured: 8 ms of the loop to take them up at once
WORKERS_TOLD = 8
WORKERS_TOLD_MAX = 32

Tasks = Annotated[int, Field(ge=1, le=TASKS_LOOKED_MAX)]
Workers = Annotated[int, Field(ge=1, le=WORKERS_TOLD_MAX)]


def add_history_routes(router: APIRouter, explainer: Explainer) -> None:
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
