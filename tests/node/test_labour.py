"""Work beside the event loop: in order, in lots, and given up when it is not wanted any more."""

from dataclasses import replace

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from node.core.effects import Channel, Work
from node.core.events import CapabilitiesChanged, SigningAllowed, Started, Worked
from node.labour import LOT_BYTES, TRY_BYTES, Labour, tries_at_once
from protocol.gossip import unpack_gossip
from protocol.params import network_of
from protocol.record import open_record
from protocol.work import Unworked, find_work, has_work
from tests.builders import NETWORK
from tests.node.shell_bench import ECHO, Bench, a_bench

BITS = 8
DEAR = network_of(replace(NETWORK.params, record_work_bits=BITS))
ENDLESS = Unworked(b"before", b"after", 256)


@settings(deadline=None)
@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_tries_at_once__fill_a_lot_and_are_at_least_one(before: int, after: int) -> None:
    tries = tries_at_once(Unworked(bytes(before), bytes(after), 20))

    assert tries >= 1
    assert tries * (TRY_BYTES + before + after) <= LOT_BYTES


async def test_worked__goes_on_from_lot_to_lot_until_the_work_is_found() -> None:
    record, work = _of_several_lots()

    found = await Labour().worked(Work(7, record))

    assert found == Worked(7, work)


def _of_several_lots() -> tuple[Unworked, int]:
    """Return a record, and its work, which no single lot holds."""
    lot = tries_at_once(_large(0))
    return next(
        (_large(number), work)
        for number in range(1_000)
        if (work := find_work(_large(number), start=0, tries=10 * lot)) is not None and work > lot
    )


def _large(number: int) -> Unworked:
    return Unworked(str(number).encode(), bytes(1_000_000), 4)


async def test_worked__serves_in_order_however_long_each_takes() -> None:
    labour = Labour()
    ended: list[int] = []

    async def work(ticket: int, record: Unworked) -> None:
        worked = await labour.worked(Work(ticket, record))
        assert worked is not None
        ended.append(worked.ticket)

    async with trio.open_nursery() as nursery:
        for ticket, record in enumerate([_of_several_lots()[0], Unworked(b"", b"", 1)] * 2):
            nursery.start_soon(work, ticket, record)
            await trio.testing.wait_all_tasks_blocked()

    assert ended == [0, 1, 2, 3]


async def test_worked__can_be_given_up_and_then_others_come_first() -> None:
    labour = Labour()

    with trio.move_on_after(0.05) as scope:
        await labour.worked(Work(1, ENDLESS))
    ended = await labour.worked(Work(2, Unworked(b"", b"", 1)))

    assert scope.cancelled_caught
    assert ended is not None
    assert ended.ticket == 2


async def test_give_up__ends_all_that_was_asked_for_and_nothing_later() -> None:
    labour = Labour()
    ended: list[Worked | None] = []

    async def work(ticket: int) -> None:
        ended.append(await labour.worked(Work(ticket, ENDLESS)))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for ticket in range(3):
                nursery.start_soon(work, ticket)
            await trio.testing.wait_all_tasks_blocked()
            labour.give_up()
        later = await labour.worked(Work(4, Unworked(b"", b"", 1)))

    assert ended == [None, None, None]
    assert later is not None


async def test_loop__signs_what_was_worked_for_and_says_goodbye() -> None:
    bench = await a_signing_bench()
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.loop.run)
        with trio.fail_after(30):
            await bench.loop.submit("r1", ECHO, b"hello", 1)
            while not _said(bench.published, Channel.PRESENCE):  # noqa: ASYNC110 - no event says so
                await trio.sleep(0.01)
            await bench.loop.stop()
        nursery.cancel_scope.cancel()

    assert _is_goodbye(bench.published[-1][1])
    for _, data in bench.published:
        assert all(has_work(open_record(raw, DEAR).record_id, BITS) for raw in unpack_gossip(data))
    assert bench.done.index("journal") < bench.done.index("publish records")


async def test_stop__says_goodbye_before_all_that_was_still_worked_for() -> None:
    bench = await a_signing_bench()
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.loop.run)
        with trio.fail_after(30):
            while not _said(bench.published, Channel.PRESENCE):  # noqa: ASYNC110 - no event says so
                await trio.sleep(0.01)
            nursery.start_soon(bench.loop._hear, Work(99, ENDLESS))
            await trio.testing.wait_all_tasks_blocked()
            await bench.loop.stop()
        nursery.cancel_scope.cancel()

    assert _is_goodbye(bench.published[-1][1])


async def a_signing_bench() -> Bench:
    bench = a_bench(network=DEAR)
    for event in (Started(), CapabilitiesChanged((ECHO,)), SigningAllowed()):
        await bench.loop.tell(event)
    return bench


def _is_goodbye(data: bytes) -> bool:
    (last,) = [open_record(raw, DEAR) for raw in unpack_gossip(data)]
    return last.presence is not None and last.presence.ttl_ms == 0


def _said(published: list[tuple[Channel, bytes]], channel: Channel) -> bool:
    return any(one is channel for one, _ in published)
