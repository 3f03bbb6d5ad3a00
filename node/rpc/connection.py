"""One HTTP/1.1 connection: Hypercorn's, with a deadline wherever a client could hold us.

Hypercorn 0.18 sends under a shield without a deadline, so a client that stops reading blocks the
node's shutdown for ever; it waits without end for an application that has answered already; it
speaks HTTP/2 to whoever asks. Its classes are subclassed, hence the exact pin in pyproject.
"""

import logging

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

WRITE_SECONDS = 10.0  # for one chunk of an answer; on loopback only a stopped client needs more
HANDLE_SECONDS = 20.0  # for a queue in front of a route; the slowest route asks a peer

logger = logging.getLogger(__name__)


class Http1(H11Protocol):
    """HTTP/1.1 and nothing else: an upgrade that is asked for is not given."""

    async def _check_protocol(self, event: object) -> None:
        return


class Connection(TCPServer):
    """Serves one client until it leaves, stalls, or the node stops."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        stream: trio.SocketStream,
        *,
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        super().__init__(app, config, context, {}, stream)  # type: ignore[arg-type]
        self._socket_stream = stream
        self._write_seconds = write_seconds

    async def run(self) -> None:
        """Serve; ends by itself, or by being cancelled."""
        socket = self._socket_stream.socket
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as task_group:
                self._task_group = task_group
                self.protocol = Http1(  # type: ignore[assignment]
                    self.app,
                    self.config,
                    self.context,
                    task_group,
                    ConnectionState({}),
                    False,
                    client,
                    server,
                    self.protocol_send,
                )
                await self.idle_task.restart(task_group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass  # the client left
        except Exception:  # the door: a fault in a foreign library costs one connection, no more
            logger.exception("an RPC connection failed")
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Send within the deadline, or drop the client."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with trio.fail_after(self._write_seconds):
                    await self._socket_stream.send_all(event.data)
            except trio.TooSlowError:
                logger.info("an RPC client stopped reading; it is dropped")
                await trio.aclose_forcefully(self._socket_stream)
                await self.protocol.handle(Closed())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        while True:
            try:
                data = bytes(await self._socket_stream.receive_some(MAX_RECV))
                with trio.fail_after(HANDLE_SECONDS):
                    await self.protocol.handle(RawData(data))
            except (trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError):
                break
            if not data:
                break
        await self.idle_task.stop()
        await self.protocol.handle(Closed())
