"""The relay delays and does nothing else: all bytes, in order, both ways, and the end."""

from functools import partial
from random import Random

import pytest
import trio

from tests.chaos.relay import delays, serve

pytestmark = [pytest.mark.chaos, pytest.mark.chaos_ci]

DELAY_MS, JITTER_MS = 60, 20
HOST = "127.0.0.1"


async def upper(stream: trio.SocketStream) -> None:
    """Answer everything in capitals, until the other side ends."""
    async with stream:
        async for chunk in stream:
            await stream.send_all(chunk.upper())


async def relayed_echo(nursery: trio.Nursery, seed: int) -> trio.SocketStream:
    """Return a connection through a relay."""
    (target,) = await nursery.start(partial(trio.serve_tcp, upper, 0, host=HOST))
    source = delays(Random(seed), delay_ms=DELAY_MS, jitter_ms=JITTER_MS)
    routes = {0: (HOST, target.socket.getsockname()[1])}
    (port,) = await nursery.start(partial(serve, source, routes, host=HOST))
    return await trio.open_tcp_stream(HOST, port)


async def test_relay__keeps_bytes_and_order_and_passes_the_end_on() -> None:
    sent = Random(1).randbytes(200_000)
    async with trio.open_nursery() as nursery:
        stream = await relayed_echo(nursery, seed=1)
        came = bytearray()

        async def send() -> None:
            for at in range(0, len(sent), 7_001):
                await stream.send_all(sent[at : at + 7_001])
            await stream.send_eof()

        nursery.start_soon(send)
        with trio.fail_after(10):
            async for chunk in stream:
                came += chunk
        nursery.cancel_scope.cancel()

    assert came == sent.upper()


async def test_relay__brings_nothing_before_its_time() -> None:
    async with trio.open_nursery() as nursery:
        stream = await relayed_echo(nursery, seed=2)
        await stream.send_all(b"first")
        assert await stream.receive_some() == b"FIRST"
        began_s = trio.current_time()
        with trio.fail_after(5):
            await stream.send_all(b"again")
            assert await stream.receive_some() == b"AGAIN"
        took_s = trio.current_time() - began_s
        nursery.cancel_scope.cancel()

    assert took_s >= 2 * (DELAY_MS - JITTER_MS) / 1_000
