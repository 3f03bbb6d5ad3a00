"""A long line as a program: every byte arrives as it was sent, in order, and late.

Run as `python -m tests.chaos.relay SEED DELAY_MS JITTER_MS PORT=HOST:PORT ...`; says `ready` once
it listens. What comes to a port goes on to the host named for it.
"""

import sys
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import trio

CHUNK_BYTES_MAX = 16_384
CHUNKS_ON_THE_WAY_MAX = 256  # 4 MiB each way: more than any line of a test holds


class Line:
    """One direction of one connection.

    Args:
        delay_s: Returns how long the next piece is on its way.
    """

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._delay_s = delay_s
        self._send, self._receive = trio.open_memory_channel[tuple[float, bytes]](
            CHUNKS_ON_THE_WAY_MAX
        )

    async def run(self, source: trio.abc.ReceiveStream, target: trio.SocketStream) -> None:
        """Carry what a source sends, and its end, to a target."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, source)
            async with self._receive:
                async for due_s, chunk in self._receive:
                    await trio.sleep_until(due_s)
                    await target.send_all(chunk)
            await target.send_eof()

    async def _take(self, source: trio.abc.ReceiveStream) -> None:
        due_s = 0.0
        async with self._send:
            while chunk := await source.receive_some(CHUNK_BYTES_MAX):
                due_s = max(due_s, trio.current_time() + self._delay_s())
                await self._send.send((due_s, chunk))


async def carry(
    host: str, port: int, delay_s: Callable[[], float], stream: trio.SocketStream
) -> None:
    """Connect onward and carry both ways until either side is gone."""
    try:
        await trio.sleep(delay_s())
        async with (
            stream,
            await trio.open_tcp_stream(host, port) as onward,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(Line(delay_s).run, stream, onward)
            nursery.start_soon(Line(delay_s).run, onward, stream)
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # a line is gone when either end is


async def serve(
    delay_s: Callable[[], float],
    routes: dict[int, tuple[str, int]],
    *,
    host: str | None = None,
    task_status: Any = trio.TASK_STATUS_IGNORED,
) -> None:
    """Carry for ever; started with the ports it listens on."""
    async with trio.open_nursery() as nursery:
        ports: list[int] = []
        for port, (to_host, to_port) in routes.items():
            carrying = partial(carry, to_host, to_port, delay_s)
            listeners = await nursery.start(partial(trio.serve_tcp, carrying, port, host=host))
            ports.append(listeners[0].socket.getsockname()[1])
        task_status.started(ports)


def delays(rng: Random, *, delay_ms: int, jitter_ms: int) -> Callable[[], float]:
    """Return a source of delays, evenly spread around one, in seconds."""
    return lambda: rng.uniform(delay_ms - jitter_ms, delay_ms + jitter_ms) / 1_000


async def run(seed: str, delay_ms: str, jitter_ms: str, *routes: str) -> None:
    """Relay as the command line says."""
    wanted: dict[int, tuple[str, int]] = {}
    for route in routes:
        port, _, target = route.partition("=")
        host, _, to_port = target.rpartition(":")
        wanted[int(port)] = (host, int(to_port))
    source = delays(Random(int(seed)), delay_ms=int(delay_ms), jitter_ms=int(jitter_ms))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, source, wanted))
        print("ready", flush=True)


if __name__ == "__main__":
    trio.run(partial(run, *sys.argv[1:]))
