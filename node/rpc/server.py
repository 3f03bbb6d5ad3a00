"""Serves a node over HTTP on the loopback interface, inside the node's own event loop."""

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from node.errors import StartError
from node.rpc.app import create_app
from node.rpc.connection import WRITE_SECONDS
from node.rpc.guard import BODY_SECONDS
from node.rpc.routes_events import KEEP_ALIVE_SECONDS
from node.rpc.serving import IDLE_SECONDS, serve_http, whole_answer
from node.rpc.session import KEY_BYTES
from node.services import Services

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

DEFAULT_PORT = 7461  # no tool we looked at uses it
CONNECTIONS_MAX = 32  # a control API for one person: more is a leak or an attack
LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "[::1]"}

_FULL = whole_answer(
    "503 Service Unavailable",
    "too_many_connections",
    "try again in a moment",
    **{"retry-after": "1"},
)

logger = logging.getLogger(__name__)


async def serve_rpc(
    services: Services,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    token: str,
    page_key: bytes | None = None,
    or_free_port: bool = False,
    open_reads: bool = False,
    connections_max: int = CONNECTIONS_MAX,
    idle_seconds: float = IDLE_SECONDS,
    body_seconds: float = BODY_SECONDS,
    write_seconds: float = WRITE_SECONDS,
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    task_status: "TaskStatus[str]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; start with `url = await nursery.start(partial(serve_rpc, ...))`.

    Installs no signal handlers and starts no thread. A cancelled server drops what is in flight.

    Args:
        services: What is served.
        host: `127.0.0.1`, `localhost` or `::1`.
        port: 0 takes any free port.
        token: The secret of this run, 64 hex digits.
        page_key: 32 bytes that stay over restarts, so that open pages do; None for those of a run.
        or_free_port: Whether any free port will do if this one is taken.
        open_reads: Whether anybody on this machine may GET most things without the token.
        connections_max: How many clients are served at once; one more is answered 503.
        idle_seconds: How long a connection may stay without a whole request header.
        body_seconds: How long a request body may take.
        write_seconds: How long a client may leave one chunk of an answer unread.
        keep_alive_seconds: How long an event stream may be silent.
        task_status: Told the real URL once requests are answered.

    Raises:
        StartError: The host is not loopback, or the port is taken.
    """
    listeners = await _listen(host, port, or_free_port)
    real_port: int = listeners[0].socket.getsockname()[1]
    url = f"http://{LOOPBACK[host]}:{real_port}"
    app = create_app(
        services,
        token=token,
        page_key=os.urandom(KEY_BYTES) if page_key is None else page_key,
        origin=url,
        body_seconds=body_seconds,
        open_reads=open_reads,
        keep_alive_seconds=keep_alive_seconds,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                serve_http,
                app,
                listeners,
                _Places(connections_max, services.meter.note_refusal),
                idle_seconds=idle_seconds,
                write_seconds=write_seconds,
            )
        )
        logger.info("serving the RPC at %s", url)
        task_status.started(url)


class _Places:
    """So many clients at once, whoever they are: they are all of this machine."""

    def __init__(self, most: int, refused: Callable[[str], None]) -> None:
        self._free = most
        self._refused = refused

    def enter(self, host: str) -> bytes | None:
        if not self._free:
            self._refused("too_many_connections")
            return _FULL
        self._free -= 1
        return None

    def leave(self, host: str) -> None:
        self._free += 1


async def _listen(host: str, port: int, or_free_port: bool) -> list[trio.SocketListener]:
    if host not in LOOPBACK:
        raise StartError(f"RPC host {host}: the RPC is for this machine, use 127.0.0.1 or ::1")
    if not 0 <= port <= 65535:
        raise StartError(f"RPC port {port}: a port is 0 to 65535")
    address = "127.0.0.1" if host == "localhost" else host
    try:
        return list(await trio.open_tcp_listeners(port, host=address))
    except OSError as error:
        if or_free_port:
            logger.warning("RPC port %d is taken; a free one is used", port)
            return await _listen(host, 0, False)
        raise StartError(
            f"RPC port {port} on {address} cannot be used ({error.strerror or error}); another "
            f"node or program may hold it: give another --rpc-port, or 0 for any"
        ) from error
