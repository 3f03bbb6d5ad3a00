"""Serves an application over HTTP/1.1 on open sockets, inside the node's own event loop."""

import json
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from node.rpc.connection import WRITE_SECONDS, Connection

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

IDLE_SECONDS = 10.0  # until the first whole header, and between two requests
HEADER_BYTES_MAX = 16 * 1024
GOODBYE_SECONDS = 1.0  # for a client to take in that there is no room


class Places(Protocol):
    """Says who may have a connection."""

    def enter(self, host: str) -> bytes | None:
        """Count a client in; the bytes are the whole answer where there is no place for it."""
        ...

    def leave(self, host: str) -> None:
        """Count a client out that was counted in."""
        ...


async def serve_http(
    app: ASGIApp,
    listeners: Sequence[trio.abc.Listener[trio.SocketStream]],
    places: Places,
    *,
    idle_seconds: float = IDLE_SECONDS,
    write_seconds: float = WRITE_SECONDS,
    task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, which drops what is in flight.

    Args:
        app: What answers.
        listeners: Where clients come from.
        places: Who may have a connection.
        idle_seconds: How long a connection may stay without a whole request header.
        write_seconds: How long a client may leave one chunk of an answer unread.
        task_status: Told once requests are answered.
    """
    config = _config(idle_seconds)
    context = WorkerContext(None)
    wrapped = wrap_app(app, 0, "asgi")  # type: ignore[arg-type]

    async def serve_one(stream: trio.SocketStream) -> None:
        try:
            host = str(stream.socket.getpeername()[0])
        except OSError:
            return  # it left
        refusal = places.enter(host)
        try:
            if refusal is not None:
                with trio.move_on_after(GOODBYE_SECONDS):
                    await stream.send_all(refusal)
                    await stream.send_eof()
                return
            await Connection(wrapped, config, context, stream, write_seconds=write_seconds).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left while we said good-bye
        finally:
            if refusal is None:
                places.leave(host)

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, serve_one, list(listeners)))
        task_status.started()


def whole_answer(status: str, code: str, message: str, **headers: str) -> bytes:
    """Return a refusal as it goes over the wire; `status` as in `503 Service Unavailable`."""
    body = json.dumps({"code": code, "message": message}, separators=(",", ":")).encode()
    told = {"content-type": "application/json", "connection": "close", **headers}
    told["content-length"] = str(len(body))
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _config(idle_seconds: float) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.keep_alive_timeout = idle_seconds
    config.h11_max_incomplete_size = HEADER_BYTES_MAX
    return config
