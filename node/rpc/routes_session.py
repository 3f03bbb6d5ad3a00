"""The addresses by which a page that stays open over a restart gets the next run's token."""

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from node.rpc.schemas import EXACT_INT_MAX, errors
from node.rpc.session import ID_BYTES, NONCE_BYTES, RenewedView, Sessions, SessionView

Hex = Annotated[str, Field(max_length=2 * max(ID_BYTES, NONCE_BYTES))]


def _hex(size: int, description: str) -> Any:
    """Describe hex of so many bytes; the session itself refuses what is none, in our words."""
    schema: dict[str, Any] = {"pattern": f"^[0-9a-fA-F]{{{2 * size}}}$"}
    return Field(description=description, json_schema_extra=schema)


def _whole(value: object) -> object:
    """Take 5.0 for 5, as JSON does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class BeginBody(BaseModel):
    """The body of POST /session: nothing, or an empty object."""

    model_config = ConfigDict(extra="forbid")


class RenewBody(BaseModel):
    """The body of POST /session/renew."""

    model_config = ConfigDict(extra="forbid", strict=True)

    session_id: Annotated[Hex, _hex(ID_BYTES, "As it was given.")]
    expires_ms: Annotated[
        int, Field(description="The same.", ge=0, le=EXACT_INT_MAX), BeforeValidator(_whole)
    ]
    nonce: Annotated[Hex, _hex(NONCE_BYTES, "64 hex digits, chosen at random for this request.")]


def add_session_routes(router: APIRouter, sessions: Sessions) -> None:
    """Add the routes of an open page."""

    @router.post(
        "/session",
        response_model=SessionView,
        responses=errors(body=True),
        openapi_extra={"requestBody": {"required": True}},
    )
    async def begin(body: BeginBody | None = None) -> JSONResponse:
        """Give a page a secret of its own, by which a later run of this node knows it again."""
        return JSONResponse(asdict(sessions.begin(_now_ms())))

    @router.post("/session/renew", response_model=RenewedView, responses=errors(body=True))
    async def renew(body: RenewBody) -> JSONResponse:
        """Give the token of this run, encrypted for the page of a session; needs no token."""
        found = sessions.renew(body.session_id, body.expires_ms, body.nonce, _now_ms())
        return JSONResponse(asdict(found))


def _now_ms() -> int:
    return int(time.time() * 1_000)
