"""The address of the log as a file: it is read out whole, and records of a file are taken in."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from node.log_port import Archive, TakenView
from node.rpc.schemas import errors
from node.rpc.streamed import Streamed

_BYTES: dict[str, Any] = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}


class LogStream(Streamed):
    """A log on its way out."""

    media_type = "application/octet-stream"


def add_log_routes(router: APIRouter, archive: Archive) -> None:
    """Add the routes of the log."""

    @router.get(
        "/log",
        response_class=LogStream,
        responses={200: _BYTES, **errors(429)},
        response_description="The file that docs/spec/log-files.md describes.",
    )
    async def export() -> LogStream:
        """Write the whole log out as it is now; a file without its sum was cut."""
        return LogStream(archive.export())

    @router.post(
        "/log",
        response_model=TakenView,
        responses=errors(429, body=True),
        openapi_extra={"requestBody": {"required": True, **_BYTES}},
    )
    async def take(request: Request) -> JSONResponse:
        """Take records in, each its length in 4 bytes and its bytes, in any order.

        Each passes the same door as one of a peer; what is refused is counted and changes nothing
        for the others. All may be sent again at any time.
        """
        return JSONResponse(asdict(await archive.take(await request.body())))
