"""The addresses a node answers at: each one calls one method of the Market."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from node.errors import RequestRefused
from node.ports import Market, TaskQuery
from node.rpc.batch import items_of, submit_all
from node.rpc.guard import NDJSON, kind_of
from node.rpc.routes_events import RULES, StreamRules, add_event_routes
from node.rpc.routes_explain import add_explain_routes
from node.rpc.routes_history import add_history_routes
from node.rpc.routes_log import add_log_routes
from node.rpc.routes_metrics import add_metrics_routes
from node.rpc.routes_proof import add_proof_routes
from node.rpc.schemas import (
    BATCH_REQUEST,
    ROWS_SHOWN_MAX,
    TASKS_SHOWN,
    BatchBody,
    CancelBody,
    Cursor,
    Flag,
    HealthBody,
    Limit,
    Name,
    PeersLeaderboardBody,
    ReadyBody,
    RowLimit,
    StateName,
    SubmitBody,
    SubmittedBody,
    TaskIdText,
    WaitSeconds,
    errors,
    request_of,
)
from node.rpc.waits import WAIT_SECONDS_MAX, Waits
from node.services import Services
from node.views import NetworkView, PeerView, StandingView, StatusView, TaskPageView, TaskView


def build_router(
    services: Services,
    *,
    streams: StreamRules = RULES,
    wait_seconds_max: float = WAIT_SECONDS_MAX,
) -> APIRouter:
    """Return every route, bound to one node.

    Answers are rendered from the views as they are: a response model would check our own data
    again, field by field, on the node's only event loop.
    """
    router = APIRouter(default_response_class=JSONResponse)
    waits = Waits(services.market, services.reporter.feed, seconds_max=wait_seconds_max)
    _add_task_routes(router, services.market, waits)
    _add_node_routes(router, services.market)
    add_event_routes(router, services.reporter, streams)
    add_explain_routes(router, services.explainer, services.differ)
    add_history_routes(router, services.explainer, services.history)
    add_metrics_routes(router, services.meter)
    add_log_routes(router, services.archive)
    add_proof_routes(router, services.prover)
    return router


def _add_task_routes(router: APIRouter, market: Market, waits: Waits) -> None:
    def task_or_refuse(task_id: str) -> TaskView:
        task = market.find_task(task_id)
        if task is None:
            raise RequestRefused(404, "unknown_task", "this node knows no such task")
        return task

    @router.post(
        "/tasks",
        status_code=201,
        response_model=SubmittedBody,
        responses=errors(409, 429, body=True),
    )
    async def submit(body: SubmitBody) -> JSONResponse:
        """Sign, store and publish a task."""
        return JSONResponse({"task_id": await market.submit(request_of(body))}, status_code=201)

    @router.post(
        "/tasks/batch",
        response_model=BatchBody,
        responses=errors(429, body=True),
        openapi_extra={"requestBody": BATCH_REQUEST},
    )
    async def submit_batch(request: Request) -> JSONResponse:
        """Submit many tasks, each on its own: one that is refused changes nothing for the others.

        They are taken in no particular order; what became of them is told in theirs.

        Nothing is taken back if the connection breaks meanwhile. Give every task a `request_id`:
        then the whole batch may be sent again, and nothing is submitted twice.
        """
        kind = kind_of(request.headers.get("content-type", "").encode())
        items = items_of(await request.body(), is_lines=kind == NDJSON)
        return JSONResponse({"results": await submit_all(market, items)})

    @router.get("/tasks/batch", include_in_schema=False)
    async def no_batch() -> None:
        """Keep an address that only takes batches from being taken for a task."""
        raise HTTPException(405)

    @router.get("/tasks", response_model=TaskPageView, responses=errors(400))
    async def tasks(
        mine: Flag = False,
        state: StateName | None = None,
        kind: Annotated[Name | None, Query(alias="type")] = None,
        submitter: Name | None = None,
        limit: Limit = TASKS_SHOWN,
        cursor: Cursor | None = None,
    ) -> JSONResponse:
        """List tasks page by page, the newest first.

        A page is bounded in what it looks through, too: where a filter fits little it may be short,
        or empty, and still have a `next`, which is the `cursor` of the page after it.
        """
        query = TaskQuery(
            limit=limit,
            cursor=cursor,
            mine=mine,
            state=state,
            task_type=kind,
            submitter=submitter,
        )
        return JSONResponse(asdict(market.tasks(query)))

    @router.get("/tasks/{task_id}", response_model=TaskView, responses=errors(400, 404, 409, 429))
    async def task(task_id: TaskIdText, wait: WaitSeconds = 0) -> JSONResponse:
        """Show all that is known of one task.

        With `wait` the answer comes once nothing more is to be expected of it (`settled`), or after
        so many seconds as it is then.
        """
        found = await waits.until_settled(task_or_refuse(task_id), wait)
        return JSONResponse(asdict(found))

    @router.post(
        "/tasks/{task_id}/cancel",
        response_model=TaskView,
        responses=errors(404, 409, body=True),
        # It may be empty, but not without the content type that no web page can send.
        openapi_extra={"requestBody": {"required": True}},
    )
    async def cancel(task_id: TaskIdText, body: CancelBody | None = None) -> JSONResponse:
        """Stop caring for an own task, then show it."""
        full_id = task_or_refuse(task_id).task_id
        await market.cancel(full_id)
        return JSONResponse(asdict(task_or_refuse(full_id)))


def _add_node_routes(router: APIRouter, market: Market) -> None:
    @router.get("/health", response_model=HealthBody)
    async def health() -> JSONResponse:
        """Say that this process serves; it needs no token."""
        return JSONResponse({"ok": True})

    @router.get("/ready", response_model=ReadyBody)
    async def ready() -> JSONResponse:
        """Say whether this node can take part in full."""
        status = market.status()
        if not status.ready:
            raise RequestRefused(503, "not_ready", status.waiting or "not ready yet")
        return JSONResponse({"ready": True})

    @router.get("/status", response_model=StatusView)
    async def status() -> JSONResponse:
        """Show how this node is."""
        return JSONResponse(asdict(market.status()))

    @router.get("/network", response_model=NetworkView)
    async def network() -> JSONResponse:
        """Show the network this node is of: what all its nodes share."""
        return JSONResponse(asdict(market.network()))

    @router.get("/peers", response_model=list[PeerView], responses=errors(400))
    async def peers(limit: RowLimit = ROWS_SHOWN_MAX) -> JSONResponse:
        """List who is connected, then who is only heard of, as far as there is room."""
        return JSONResponse([asdict(peer) for peer in market.peers(limit=limit)])

    @router.get("/leaderboard", response_model=list[StandingView], responses=errors(400))
    async def leaderboard(limit: RowLimit = ROWS_SHOWN_MAX) -> JSONResponse:
        """List the scores as this node computes them, the best first."""
        return JSONResponse(_rows(asdict(market.leaderboard(limit=limit))["rows"]))

    @router.get(
        "/leaderboard/of/{peer:path}",
        response_model=PeersLeaderboardBody,
        responses=errors(400, 404, 409, 502),
    )
    async def leaderboard_of(peer: str) -> JSONResponse:
        """Ask a peer for the scores as it computes them; a nickname may hold a slash."""
        view = asdict(await market.leaderboard_of(peer))
        return JSONResponse({"leaderboard": _rows(view.pop("rows")), **view})


def _rows(rows: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return list(rows)
