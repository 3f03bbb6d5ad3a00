"""The last events of a node, and what a reader is given of them."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from node.feed import Feed, News


def filled(count: int, *, kept_max: int = 100) -> Feed:
    feed = Feed("run", kept_max=kept_max)
    feed.add([News("cancel", bytes([n])) for n in range(1, count + 1)])
    return feed


@given(
    kept_max=st.integers(1, 12),
    lots=st.lists(st.integers(0, 9), max_size=12),
    place=st.integers(0, 200),
    limit=st.integers(1, 20),
)
def test_after__gives_the_oldest_that_are_kept_and_counts_the_rest(
    kept_max: int, lots: list[int], place: int, limit: int
) -> None:
    feed = Feed("run", kept_max=kept_max, now_ms=lambda: 10 * feed.newest)
    told: list[tuple[News, int]] = []
    for size in lots:
        lot = [News("cancel", (len(told) + n).to_bytes(2)) for n in range(size)]
        at_ms = 10 * feed.newest  # what is taken in together happened together
        feed.add(lot)
        told += [(one, at_ms) for one in lot]
    place = min(place, len(told))

    found = feed.after(place, limit=limit)

    numbered = [(number, *one) for number, one in enumerate(told, start=1)]
    kept = [event for event in numbered[-kept_max:] if event[0] > place]
    assert feed.newest == len(told)
    assert found.events == tuple(kept[:limit])
    assert found.missed == len(told) - place - len(kept)


async def test_wait__wakes_every_reader_with_the_next_event() -> None:
    feed = filled(3)
    woken: list[bool] = []

    async def read(number: int) -> None:
        woken.append(await feed.wait(number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, 3)
        nursery.start_soon(read, 3)
        nursery.start_soon(read, 2)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == [True]
        feed.add([News("cancel")])

    assert woken == [True] * 3


async def test_close__ends_every_reader_and_whoever_comes_later() -> None:
    feed = filled(1)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed.wait, 1)
            await trio.testing.wait_all_tasks_blocked()
            feed.close()

        assert not await feed.wait(1)
        assert await feed.wait(0)  # what there was can still be read


def test_add__keeps_no_more_than_it_may() -> None:
    feed = filled(10, kept_max=4)

    found = feed.after(0)

    assert [event.number for event in found.events] == [7, 8, 9, 10]
    assert found.missed == 6


@pytest.mark.parametrize("place", [10, 11, 1_000])
def test_after__gives_nothing_at_or_beyond_the_newest(place: int) -> None:
    found = filled(10).after(place)

    assert found.events == ()
    assert found.missed == 0
