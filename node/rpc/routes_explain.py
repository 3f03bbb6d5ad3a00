"""The addresses where a node says why: each one calls one method of a part."""

from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from node.explain.diff_views import Differ, DiffView
from node.explain.port import Explainer
from node.explain.views import ExplanationView
from node.explain.worker_views import WorkerDetailView
from node.rpc.schemas import errors


def add_explain_routes(router: APIRouter, explainer: Explainer, differ: Differ) -> None:
    """Add the routes that explain and compare."""

    @router.get(
        "/explain/{what:path}", response_model=ExplanationView, responses=errors(400, 404, 409)
    )
    async def explain(what: str) -> JSONResponse:
        """Say why a task, a worker's score or a record is as it is; a name may hold a slash."""
        return JSONResponse(asdict(await explainer.explain(what)))

    @router.get(
        "/workers/{worker:path}", response_model=WorkerDetailView, responses=errors(400, 404, 409)
    )
    async def worker(worker: str) -> JSONResponse:
        """Show one worker: its row of the leaderboard, and how it is."""
        return JSONResponse(asdict(explainer.worker(worker)))

    @router.get(
        "/diff/{peer:path}", response_model=DiffView, responses=errors(400, 404, 409, 429, 502)
    )
    async def diff(peer: str) -> JSONResponse:
        """Compare logs and states with a connected peer, moving nothing."""
        return JSONResponse(asdict(await differ.diff(peer)))
