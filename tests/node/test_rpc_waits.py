"""Waiting for a task over the RPC."""

from dataclasses import replace

import httpx
import pytest
import trio
import trio.testing

from node.feed import News
from node.rpc.waits import LOOK_SECONDS, WAITS_MAX, Waits
from tests.fakes_market import FakeMarket, a_reporter, a_task, decided
from tests.node.test_rpc_events import ID, OTHER, cancels, served


async def test_wait__answers_at_once_what_is_settled() -> None:
    market = FakeMarket()
    market.known[ID] = decided(a_task(ID))
    async with served(a_reporter(), market) as client:
        with trio.fail_after(5):
            answer = await client.get(f"/tasks/{ID}?wait=60")

    assert answer.json()["state"] == "final"


async def test_wait__is_woken_by_the_verdict_of_a_retry() -> None:
    market, reporter = FakeMarket(), a_reporter()
    market.known[ID] = a_task(ID)
    answers: list[httpx.Response] = []
    async with served(reporter, market, idle_seconds=0.2) as client:

        async def ask() -> None:
            answers.append(await client.get(f"/tasks/{ID}?wait=60"))

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await trio.sleep(0.5)  # longer than an idle connection may be
                reporter.feed.add(
                    [*cancels(OTHER), News("task", b"\x33" * 32, parent=b"\x11" * 32)]
                )
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert answers == []
                market.known[ID] = decided(a_task(ID))
                reporter.feed.add([News("verdict", b"\x33" * 32)])

    assert answers[0].json()["chain_state"] == "final"


async def test_wait__notices_what_no_event_tells(autojump_clock: trio.testing.MockClock) -> None:
    """A split task is given up when a deadline passes: then nobody waits longer for it."""
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    waits = Waits(market, a_reporter().feed)
    async with trio.open_nursery() as nursery:

        async def give_up() -> None:
            await trio.sleep(5)
            market.known[ID] = replace(a_task(ID), state="split", settled=True)

        nursery.start_soon(give_up)
        found = await waits.until_settled(market.known[ID], 60)

    assert found.settled
    assert trio.current_time() < 5 + 2 * LOOK_SECONDS


async def test_wait__answers_how_it_is_when_the_time_is_over() -> None:
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with served(a_reporter(), market) as client:
        with trio.fail_after(10):
            answer = await client.get(f"/tasks/{ID}?wait=1")

    assert (answer.status_code, answer.json()["state"]) == (200, "open")


async def test_wait__ends_when_the_node_stops() -> None:
    market, reporter = FakeMarket(), a_reporter()
    market.known[ID] = a_task(ID)
    async with served(reporter, market) as client:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.get, f"/tasks/{ID}?wait=60")
                await trio.sleep(0.2)
                reporter.feed.close()


@pytest.mark.parametrize("wait", ["-1", "61", "x", "1.5", "", "9" * 400])
async def test_wait__refuses_a_time_it_cannot_wait(wait: str) -> None:
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with served(a_reporter(), market) as client:
        answer = await client.get(f"/tasks/{ID}?wait={wait}")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_wait__lets_no_more_wait_than_leave_room_for_others() -> None:
    market, reporter = FakeMarket(), a_reporter()
    market.known[ID] = replace(a_task(ID), waiting="a verdict")
    found: list[int] = []
    async with served(reporter, market) as client:

        async def ask() -> None:
            found.append((await client.get(f"/tasks/{ID}?wait=60")).status_code)

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for _ in range(WAITS_MAX + 3):
                    nursery.start_soon(ask)
                while len(found) < 3:  # noqa: ASYNC110 - no event says so
                    await trio.sleep(0.01)
                assert found == [429] * 3
                reporter.feed.close()

    assert sorted(found) == [200] * WAITS_MAX + [429] * 3
