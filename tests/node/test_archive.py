"""The log as a file at a node: written out as it was, taken in through the door of peers."""

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from consensus import log
from node.archive import EXPORTS_MAX, RECORDS_TAKEN_MAX, NodeArchive
from node.core.events import Started
from node.errors import RequestRefused
from node.log_check import check_log
from node.log_file import LogReader, frame
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    a_jury,
    a_market_day,
    a_presence,
    a_record,
    a_task,
    id_of,
    raw_record,
)
from tests.node.shell_bench import Bench, a_bench

AGREED = {"bo": "positive", "cy": "positive", "di": "negative"}
DAY = a_market_day("an", a_task(), AGREED)


@asynccontextmanager
async def running(name: str = "alice") -> AsyncIterator[tuple[Bench, NodeArchive]]:
    bench = a_bench(name)
    async with trio.open_nursery() as nursery:
        await bench.loop.tell(Started())
        await nursery.start(bench.loop.run)
        yield bench, NodeArchive(bench.loop, bench.log, NETWORK, node_id=name)
        nursery.cancel_scope.cancel()


def body_of(records: Sequence[Verified]) -> bytes:
    return b"".join(frame(record.raw) for record in records)


async def exported(archive: NodeArchive) -> bytes:
    return b"".join([chunk async for chunk in archive.export()])


async def test_take__gives_a_fresh_node_the_state_of_whoever_exported() -> None:
    async with running() as (alice, hers), running("bob") as (bob, his):
        await hers.take(body_of(DAY))
        file = await exported(hers)

        taken = await his.take(b"".join(map(frame, LogReader(io.BytesIO(file)))))

        assert (taken.new, taken.known, taken.refused) == (8, 0, 0)
        assert log.state_digest(bob.log) == log.state_digest(alice.log)
        assert check_log(io.BytesIO(file)).state_digest == log.state_digest(bob.log)
        assert await exported(his) == file


async def test_take__adds_nothing_the_second_time() -> None:
    async with running() as (_, archive):
        first = await archive.take(body_of(DAY[:3]))
        again = await archive.take(body_of([*DAY[:5], DAY[0]]))

    assert (first.new, first.known) == (3, 0)
    assert (again.new, again.known, again.refused) == (2, 4, 0)


async def test_take__stores_what_is_right_beside_what_is_not() -> None:
    flipped = bytearray(DAY[1].raw)
    flipped[-1] ^= 1
    presence = a_record("an", a_presence())
    other = raw_record("an", [3, bytes(32), bytes(32)], network_id=bytes(16))
    async with running() as (bench, archive):
        body = frame(bytes(flipped)) + body_of([presence, DAY[0]]) + frame(other)

        taken = await archive.take(body)

        assert (taken.new, taken.known, taken.refused) == (1, 0, 3)
        assert "signature" in taken.reasons[0]
        assert "presence" in taken.reasons[1]
        assert "network" in taken.reasons[2]
        assert log.record_count(bench.log) == 1


async def test_take__leaves_own_records_out_that_the_journal_lacks__and_goes_on() -> None:
    own, known = a_record("alice", a_task("mine")), DAY[0]
    async with running() as (bench, archive):
        taken = await archive.take(body_of([own, known]))
        later = await archive.take(body_of(DAY[1:]))

        assert (taken.new, taken.known, taken.refused) == (1, 0, 1)
        assert "aimarket-node adopt --id alice" in taken.reasons[0]
        assert later.new == 7
        assert not log.has_record(bench.log, own.record_id)


async def test_take__counts_a_jury_that_the_join_drops_as_known() -> None:
    task_id = id_of("an", a_task())
    juries = [a_jury(task_id, {"bo": "positive", who: "yes"}) for who in "xyz"]
    async with running() as (bench, archive):
        taken = await archive.take(body_of([a_record("an", jury) for jury in juries]))

        assert (taken.new, taken.known) == (2, 1)
        assert log.record_count(bench.log) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\0", "bad_records"),
        (body_of(DAY)[:-1], "bad_records"),
        (b"\xff" * 8, "bad_records"),
        (frame(b"x") * (RECORDS_TAKEN_MAX + 1), "too_many_records"),
    ],
)
async def test_take__refuses_a_body_it_cannot_take_apart(body: bytes, code: str) -> None:
    async with running() as (_, archive):
        with pytest.raises(RequestRefused) as refused:
            await archive.take(body)

    assert (refused.value.status, refused.value.code) == (400, code)


async def test_export__is_of_one_moment__whatever_comes_meanwhile() -> None:
    large = [a_record("an", a_task("x" * 16_000, nonce=n)) for n in range(10)]
    async with running() as (_, archive):
        await archive.take(body_of(large))
        chunks = archive.export()
        first = await anext(chunks)
        await archive.take(body_of(DAY))

        file = first + b"".join([chunk async for chunk in chunks])

    assert check_log(io.BytesIO(file)).records == 10


async def test_export__is_refused_while_too_many_are_written() -> None:
    async with running() as (_, archive):
        begun = [archive.export() for _ in range(EXPORTS_MAX)]
        for one in begun:
            await anext(one)

        with pytest.raises(RequestRefused) as refused:
            archive.export()
        for one in begun:
            await one.aclose()

        assert refused.value.status == 429
        assert check_log(io.BytesIO(await exported(archive))).records == 0
