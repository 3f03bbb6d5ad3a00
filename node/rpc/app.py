"""The web application in front of a Market.

No `from __future__ import annotations` in this package's server modules: it would turn FastAPI's
local types into query parameters without a word.
"""

from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Scope

from node.errors import RequestRefused
from node.rpc.describe import describe
from node.rpc.guard import BODY_SECONDS, Guard, error_response
from node.rpc.page import WithPage
from node.rpc.routes import build_router
from node.rpc.routes_events import KEEP_ALIVE_SECONDS, StreamRules
from node.rpc.routes_session import add_session_routes
from node.rpc.schemas import errors, first_problem
from node.rpc.session import Sessions
from node.services import Services
from protocol.errors import MarketError

_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}


def create_app(
    services: Services,
    *,
    token: str,
    page_key: bytes,
    origin: str,
    body_seconds: float = BODY_SECONDS,
    open_reads: bool = False,
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
) -> ASGIApp:
    """Build the application that a server on the loopback interface serves.

    Args:
        services: What the routes ask.
        token: The secret every request must carry but GET /health and those for the page.
        page_key: By which pages that were open before a restart are known; see `session`.
        origin: Where it is really served, such as `http://127.0.0.1:7461`; `Host` and `Origin` must
            name its port.
        body_seconds: How long a request body may take.
        open_reads: Whether anybody on this machine may GET most things without the token.
        keep_alive_seconds: How long an event stream may be silent.
    """
    router = build_router(services, streams=StreamRules(keep_alive_seconds=keep_alive_seconds))
    add_session_routes(router, Sessions(page_key, token, origin=origin))
    app = web_app(router)
    refused = services.meter.note_refusal
    return Guard(
        WithPage(app),
        token=token,
        port=int(origin.rpartition(":")[2]),
        body_seconds=body_seconds,
        open_reads=open_reads,
        takes_posts=lambda scope: "POST" in _methods_at(app.state.routes, scope),
        refused=refused,
    )


def web_app(router: APIRouter, *, is_for_strangers: bool = False) -> FastAPI:
    """Return an application of these routes, whose every error has our shape.

    Args:
        router: The routes.
        is_for_strangers: Whether it says nothing of itself, nor of what fails on this machine.
    """
    app = FastAPI(
        title="AI Market node",
        openapi_url=None if is_for_strangers else "/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=errors(),
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    describe(app, version=version("aimarket"))
    app.include_router(router)
    app.state.routes = router.routes
    app.add_exception_handler(RequestRefused, _on_refused)
    app.add_exception_handler(MarketError, _on_failure if is_for_strangers else _on_market_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    return app


def _methods_at(routes: list[APIRoute], scope: Scope) -> set[str]:
    """Return what may be asked at the address of a request; nothing if there is none.

    Its first route says which address it is: `/tasks/batch` looks like a task, too.
    """
    fitting = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    same = [one for one in fitting if one.path == fitting[0].path and one.include_in_schema]
    return {method for route in same for method in route.methods or ()}


async def _on_refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestRefused)
    return error_response(error.status, error.code, str(error))


async def _on_market_error(_: Request, error: Exception) -> JSONResponse:
    return error_response(503, "unavailable", f"{type(error).__name__}: {error}")


async def _on_failure(_: Request, __: Exception) -> JSONResponse:
    return error_response(503, "unavailable", "this node cannot do it now")


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return error_response(400, "bad_request", first_problem(error.errors()))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "error")
    headers = dict(error.headers) if error.headers else None
    methods = _methods_at(request.app.state.routes, request.scope)
    if error.status_code == 405 and methods:  # of several routes there, one alone would be named
        headers = {"Allow": ", ".join(sorted(methods))}
    return error_response(error.status_code, code, str(error.detail), headers)


async def _on_bug(_: Request, __: Exception) -> JSONResponse:
    return error_response(500, "internal", "a fault of this node; its log says more")
