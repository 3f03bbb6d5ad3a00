"""What one connection can have us keep: no more than its windows, and no stream that is over."""

import contextlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE, FLAG_SYN, TYPE_DATA

from node.net import doorkeeper
from node.net.limits import NetLimits
from tests.loopback.intruder import IDENTIFY, Intruder, Target, intruder
from tests.node.net_hosts import Station, running, until

PIECE = bytes(60_000)


@asynccontextmanager
async def attacked(**limits: float) -> AsyncIterator[tuple[Station, Intruder, Any]]:
    """Lend a host, a stranger connected to it, and the host's end of that connection."""
    ann = Station("ann")
    ann.build(limits=NetLimits(**limits))  # type: ignore[arg-type]
    async with running(ann):
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        async with intruder(target) as stranger:
            await until(lambda: bool(ann.net._swarm.get_connections()))
            yield ann, stranger, ann.net._swarm.get_connections()[0].muxed_conn


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "SEEN_OUT_S", 0.2)


def kept_bytes(muxed: Any) -> int:
    return sum(map(len, muxed.stream_buffers.values()))


async def send(stranger: Intruder, stream_id: int, *, flags: int = 0) -> None:
    header = struct.pack("!BBHII", 0, TYPE_DATA, flags, stream_id, len(PIECE))
    await stranger.muxed._write_frame(header + PIECE)


async def test_stream__that_the_other_end_never_closes_is_forgotten(soon: None) -> None:
    async with attacked() as (_, stranger, muxed):
        for _ in range(30):
            await stranger.open(IDENTIFY)

        await until(lambda: len(muxed.streams) <= 2)


async def test_stream__of_our_own_that_the_other_end_never_closes_is_forgotten() -> None:
    async with attacked(probe_s=0.2) as (ann, _, muxed):
        opened: list[Any] = [await muxed.open_stream() for _ in range(5)]
        for stream in opened:
            await stream.close()

        await until(lambda: not any(stream.stream_id in muxed.streams for stream in opened))
        assert ann.net.stats()["streams_half_closed"] == 5


async def test_connection__that_sends_more_than_a_window_is_ended() -> None:
    async with attacked() as (ann, stranger, muxed):
        stream = await muxed.open_stream()  # whoever we asked may send too much, as well

        with contextlib.suppress(Exception):  # the host hangs up, in one of many ways
            for _ in range(100):
                await send(stranger, stream.stream_id)

        await until(lambda: not ann.net._swarm.get_connections())
        assert kept_bytes(muxed) <= 2 * DEFAULT_WINDOW_SIZE


async def test_streams__that_begin_with_junk_leave_nothing() -> None:
    async with attacked() as (_, stranger, muxed):
        most = 0
        for number in range(100):
            await send(stranger, 1_001 + 2 * number, flags=FLAG_SYN)
            await send(stranger, 1_001 + 2 * number)
            most = max(most, kept_bytes(muxed))

        await until(lambda: kept_bytes(muxed) == 0)
        assert most <= doorkeeper.STREAMS_PER_PEER_MAX * DEFAULT_WINDOW_SIZE


async def test_peer__holds_no_more_connections_than_a_correct_one_needs() -> None:
    ann, seed = Station("ann"), os.urandom(32)
    ann.build()

    async def stay() -> None:
        with contextlib.suppress(Exception):  # refused, in one of a dozen ways
            async with intruder(target, seed=seed):
                await trio.sleep_forever()

    async with running(ann), trio.open_nursery() as nursery:
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        for _ in range(2 * doorkeeper.CONNECTIONS_PER_PEER_MAX):
            nursery.start_soon(stay)

        most = doorkeeper.CONNECTIONS_PER_PEER_MAX
        await until(lambda: ann.net.stats().get("connections_refused", 0) == most)
        await until(lambda: len(ann.net._swarm.get_connections()) == most)
        nursery.cancel_scope.cancel()
