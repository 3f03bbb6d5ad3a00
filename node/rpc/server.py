"""Serves a node over HTTP on the loopback interface, inside the node's own event loop."""

import logging
import os
from functools import partial
from typing import TYPE_CHECKING

import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.utils import wrap_app

from node.errors import StartError
from node.rpc.app import create_app
from node.rpc.connection import WRITE_SECONDS, Connection
from node.rpc.guard import BODY_SECONDS
from node.rpc.routes_events import KEEP_ALIVE_SECONDS
from node.rpc.session import KEY_BYTES
from node.services import Services

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

DEFAULT_PORT = 7461  # no tool we looked at uses it
CONNECTIONS_MAX = 32  # a control API for one person: more is a leak or an attack
IDLE_SECONDS = 10.0  # until the first whole header, and between two requests
HEADER_BYTES_MAX = 16 * 1024
LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "[::1]"}

_FULL_BODY = b'{"code":"too_many_connections","message":"try again in a moment"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_FULL_BODY), _FULL_BODY)
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
    app = create_app(
        services,
        token=token,
        page_key=os.urandom(KEY_BYTES) if page_key is None else page_key,
        port=real_port,
        body_seconds=body_seconds,
        open_reads=open_reads,
        keep_alive_seconds=keep_alive_seconds,
    )
    config = _config(idle_seconds)
    context = WorkerContext(None)
    wrapped = wrap_app(app, 0, "asgi")  # type: ignore[arg-type]
    open_connections = 0

    async def serve_one(stream: trio.SocketStream) -> None:
        nonlocal open_connections
        if open_connections >= connections_max:
            services.meter.note_refusal("too_many_connections")
            with trio.move_on_after(1):
                await stream.send_all(_FULL)
                await stream.send_eof()
            return
        open_connections += 1
        try:
            await Connection(wrapped, config, context, stream, write_seconds=write_seconds).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left while we said good-bye
        finally:
            open_connections -= 1

    url = f"http://{LOOPBACK[host]}:{real_port}"
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, serve_one, listeners))
        logger.info("serving the RPC at %s", url)
        task_status.started(url)


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


def _config(idle_seconds: float) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.keep_alive_timeout = idle_seconds
    config.h11_max_incomplete_size = HEADER_BYTES_MAX
    return config
