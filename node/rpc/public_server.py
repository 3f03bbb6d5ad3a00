"""Shows a node's dashboard to everybody who can reach it, where its operator asks for that."""

import errno
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from bootstrap.network_group import client_of
from node.errors import StartError
from node.rpc.connection import WRITE_SECONDS
from node.rpc.pace import Bucket, Pace, Rate, retry_after
from node.rpc.public import create_public_app
from node.rpc.routes_events import KEEP_ALIVE_SECONDS
from node.rpc.serving import IDLE_SECONDS, serve_http, whole_answer
from node.rpc.strangers import for_strangers
from node.services import Services

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

CONNECTIONS_MAX = 192
CONNECTIONS_MAX_OF_ONE = 48  # eight browsers behind one router: each opens six
# Even to refuse a connection takes 0.3 ms: without this a single stranger who opened one after the
# other kept three quarters of a core busy. Whoever is more waits in the queue of the system.
COMING = Rate(per_s=100.0, most=200.0)

logger = logging.getLogger(__name__)


async def serve_public(
    services: Services,
    *,
    host: str,
    port: int,
    pace: Pace | None = None,
    connections_max: int = CONNECTIONS_MAX,
    connections_max_of_one: int = CONNECTIONS_MAX_OF_ONE,
    idle_seconds: float = IDLE_SECONDS,
    write_seconds: float = WRITE_SECONDS,
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    task_status: "TaskStatus[str]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; start with `url = await nursery.start(partial(serve_public, ...))`.

    Args:
        services: What the node is made of; of it only `node.rpc.strangers` is served.
        host: An IP address of this machine; `0.0.0.0` and `::` stand for all of one kind.
        port: 0 takes any free port.
        pace: How much strangers may ask; None for the usual.
        connections_max: How many clients are served at once; one more is answered 503.
        connections_max_of_one: The same of one address.
        idle_seconds: How long a connection may stay without a whole request header.
        write_seconds: How long a client may leave one chunk of an answer unread.
        keep_alive_seconds: How long an event stream may be silent.
        task_status: Told the real URL once requests are answered.

    Raises:
        StartError: The address cannot be listened on.
    """
    try:
        listeners = list(await trio.open_tcp_listeners(port, host=host))
    except OSError as error:
        shown = _url(host, port).removeprefix("http://")
        why = f"cannot be used ({error.strerror or error})"
        is_away = error.errno == errno.EADDRNOTAVAIL
        do = "name an address of this machine" if is_away else "give another, or port 0"
        raise StartError(f"--dashboard-public {shown}: {why}; {do}") from error
    pace = Pace() if pace is None else pace
    url = _url(host, listeners[0].socket.getsockname()[1])
    services = for_strangers(services)
    refused = services.meter.note_refusal
    places = _Places(pace, connections_max, connections_max_of_one, refused)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                serve_http,
                create_public_app(services, pace, keep_alive_seconds=keep_alive_seconds),
                [Porch(listener) for listener in listeners],
                places,
                idle_seconds=idle_seconds,
                write_seconds=write_seconds,
            )
        )
        logger.warning("the dashboard at %s is public: whoever can reach it can read it", url)
        task_status.started(url)


class Porch(trio.abc.Listener[trio.SocketStream]):
    """Lets connections in no faster than they are to come."""

    def __init__(self, inner: trio.abc.Listener[trio.SocketStream]) -> None:
        """Take where they come from."""
        self._inner = inner
        self._bucket = Bucket(COMING, trio.current_time())

    async def accept(self) -> trio.SocketStream:
        """Wait for a connection, and for its turn."""
        await trio.sleep(self._bucket.wait_s(trio.current_time()))
        stream = await self._inner.accept()
        self._bucket.take(1, trio.current_time())
        return stream

    async def aclose(self) -> None:
        """Close where they come from."""
        await self._inner.aclose()


class _Places:
    """So many clients at once, so many of one address, and none who must wait anyway."""

    def __init__(
        self, pace: Pace, most: int, most_of_one: int, refused: Callable[[str], None]
    ) -> None:
        self._pace = pace
        self._most = most
        self._most_of_one = most_of_one
        self._refused = refused
        self._open: Counter[str] = Counter()

    def enter(self, host: str) -> bytes | None:
        client = client_of(host)
        wait_s = self._pace.wait_s(client)
        if wait_s > 0:
            self._refused("too_fast")
            return whole_answer(
                "429 Too Many Requests",
                "too_fast",
                "too much is asked; wait a moment",
                **{"retry-after": retry_after(wait_s)},
            )
        if self._open.total() >= self._most or self._open[client] >= self._most_of_one:
            self._refused("too_many_connections")
            return whole_answer(
                "503 Service Unavailable",
                "too_many_connections",
                "try again in a moment",
                **{"retry-after": "1"},
            )
        self._open[client] += 1
        return None

    def leave(self, host: str) -> None:
        client = client_of(host)
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
