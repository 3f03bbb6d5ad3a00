"""The stream of events, and waiting for a task, over real connections."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from consensus import layout
from node.feed import Feed, News
from node.news import Reporter
from node.rpc.routes_events import STREAMS_MAX, place_after
from node.rpc.schemas import AT_MS
from node.rpc.server import serve_rpc
from node.views_events import GapEvent
from tests.fakes_market import FakeMarket, a_reporter, services

TOKEN = "a" * 64
ID = "11" * 32
OTHER = "22" * 32

Told = tuple[str, str, dict[str, Any]]  # id, type, document


@asynccontextmanager
async def served(
    reporter: Reporter, market: FakeMarket | None = None, **limits: float
) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(market or FakeMarket(), reporter), port=0, token=TOKEN)
        url = await nursery.start(partial(serve, **limits))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        limit = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=url, headers=headers, trust_env=False, limits=limit, timeout=30
        ) as client:
            yield client
        nursery.cancel_scope.cancel()


class Stream:
    """What one reader is told."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.comments = 0
        self.place = ""

    async def frame(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return fields
            if line.startswith(":"):
                self.comments += 1
                continue
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    async def next(self) -> Told:
        """Return the next event; an id alone is none, but is remembered."""
        with trio.fail_after(10):
            while True:
                fields = await self.frame()
                self.place = fields.get("id", self.place)
                if "data" in fields:
                    return self.place, fields["event"], json.loads(fields["data"])


@asynccontextmanager
async def following(
    client: httpx.AsyncClient, path: str = "/events", last: str | None = None
) -> AsyncIterator[Stream]:
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        if last is None:
            stream.place = (await stream.frame())["id"]  # from now on nothing is missed
        yield stream


def cancels(*task_ids: str) -> list[News]:
    return [News("cancel", bytes.fromhex(task_id)) for task_id in task_ids]


async def test_events__streams_what_happens_from_now_on() -> None:
    reporter = a_reporter(run="cafe0001")
    reporter.feed.add(cancels(OTHER))
    async with served(reporter) as client, following(client) as stream:
        assert stream.place == "cafe0001-1"
        reporter.feed.add(cancels(ID, OTHER))
        at_ms = [event.at_ms for event in reporter.feed.after(1).events]

        told = [await stream.next(), await stream.next()]

    assert told == [
        ("cafe0001-2", "cancel", {"type": "cancel", "task_id": ID, "at_ms": at_ms[0]}),
        ("cafe0001-3", "cancel", {"type": "cancel", "task_id": OTHER, "at_ms": at_ms[1]}),
    ]


async def test_events__say_when_they_happened_and_not_when_they_are_told() -> None:
    reporter = a_reporter(run="cafe0001")
    before_ms = time.time_ns() // 1_000_000
    reporter.feed.add(cancels(ID))
    after_ms = time.time_ns() // 1_000_000
    async with served(reporter) as client:
        async with following(client, last="cafe0001-0") as stream:
            _, _, told = await stream.next()
        async with following(client, last="cafe0001-0") as stream:
            _, _, again = await stream.next()
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]

    assert before_ms <= told["at_ms"] <= after_ms
    assert again == told
    assert told.keys() == schemas["CancelEvent"]["properties"].keys()
    assert told.keys() == {*schemas["CancelEvent"]["required"]}
    assert AT_MS not in schemas["GapEvent"]["properties"]


async def test_events__goes_on_after_the_last_id_seen() -> None:
    reporter = a_reporter(run="cafe0001")
    reporter.feed.add(cancels(ID, OTHER, ID))
    async with served(reporter) as client, following(client, last="cafe0001-1") as stream:
        ids = [(await stream.next())[0] for _ in range(2)]

    assert ids == ["cafe0001-2", "cafe0001-3"]


async def test_events__tells_a_gap_where_events_are_gone() -> None:
    reporter = a_reporter(run="cafe0001", kept_max=2)
    reporter.feed.add(cancels(*[ID] * 6))
    async with served(reporter) as client:
        async with following(client, last="cafe0001-1") as stream:
            old = [await stream.next() for _ in range(3)]
        async with following(client, last="beef0002-5") as stream:
            other_run = [await stream.next() for _ in range(3)]

    assert old[0] == ("cafe0001-4", "gap", {"type": "gap", "missed": 3})
    assert [told[0] for told in old[1:]] == ["cafe0001-5", "cafe0001-6"]
    assert other_run[0] == ("cafe0001-4", "gap", {"type": "gap", "missed": None})
    assert [told[0] for told in other_run[1:]] == ["cafe0001-5", "cafe0001-6"]


@given(run=st.text(max_size=9), number=st.integers(-3, 30), newest=st.integers(0, 20))
def test_place_after__trusts_only_ids_it_gave(run: str, number: int, newest: int) -> None:
    feed = Feed("cafe0001", kept_max=5)
    feed.add(cancels(*[ID] * newest))

    for asked in (f"{run}-{number}", f"cafe0001-{number}", run, f"cafe0001{abs(number)}"):
        place, gap = place_after(feed, asked)

        if asked == f"cafe0001-{number}" and 0 <= number <= newest:
            assert (place, gap) == (number, None)
        else:
            assert (place, gap) == (max(0, newest - 5), GapEvent("gap", None))
    assert place_after(feed, None) == (newest, None)


async def test_events__tells_only_what_is_asked_for() -> None:
    reporter = a_reporter(run="r")
    retry = "33" * 32
    async with (
        served(reporter) as client,
        following(client, f"/events?task={ID[:8]}") as of_task,
        following(client, "/events?type=scores&type=node") as of_types,
    ):
        totals = layout.pack_totals(layout.Totals(1, [0] * 5, 0))
        reporter.feed.add(
            [
                *cancels(OTHER, ID),
                News("commit", bytes.fromhex(retry), parent=bytes.fromhex(ID)),
                News("scores", value=totals),
                *cancels(retry),
            ]
        )

        told = [await of_task.next() for _ in range(3)]
        scores = await of_types.next()

    assert [document["task_id"] for _, _, document in told] == [ID, retry, retry]
    assert (scores[0], scores[1]) == ("r-4", "scores")


@pytest.mark.parametrize("query", ["type=odd", "task=12", "task=" + "z" * 64, "task="])
async def test_events__refuses_a_filter_it_cannot_read(query: str) -> None:
    async with served(a_reporter()) as client:
        answer = await client.get(f"/events?{query}")

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


async def test_events__keeps_a_silent_stream_alive_and_its_place_known() -> None:
    reporter = a_reporter(run="r")
    async with served(
        reporter, keep_alive_seconds=0.05, idle_seconds=0.2, body_seconds=0.2
    ) as client:
        async with following(client, "/events?type=scores") as stream:
            reporter.feed.add(cancels(ID))
            with trio.fail_after(10):
                while stream.comments < 10:  # longer than any other deadline
                    stream.place = (await stream.frame()).get("id", stream.place)

        assert stream.place == "r-1"


async def test_events__ends_when_the_node_stops() -> None:
    reporter = a_reporter()
    async with served(reporter) as client, following(client) as stream:
        reporter.feed.close()

        with trio.fail_after(5), pytest.raises(EOFError):
            await stream.frame()


async def test_events__counts_its_readers_and_refuses_one_too_many() -> None:
    reporter = a_reporter()
    async with served(reporter) as client:
        async with trio.open_nursery() as nursery:
            begun = trio.Semaphore(0)

            async def follow() -> None:
                async with following(client):
                    begun.release()
                    await trio.sleep_forever()

            for _ in range(STREAMS_MAX):
                nursery.start_soon(follow)
            for _ in range(STREAMS_MAX):
                await begun.acquire()
            refused = await client.get("/events")
            quick = await client.get("/status")
            nursery.cancel_scope.cancel()

        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        assert quick.status_code == 200
        with trio.fail_after(10):
            while reporter.feed.readers:  # noqa: ASYNC110 - no event says that a client left
                await trio.sleep(0.01)
        async with following(client) as again:
            assert again.place


async def test_events__drops_a_reader_that_stops_reading_and_serves_the_others() -> None:
    reporter = a_reporter(kept_max=4_000)
    async with served(reporter, write_seconds=0.3) as client:
        port = client.base_url.port
        assert port is not None
        stalled = await trio.open_tcp_stream("127.0.0.1", port)
        head = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}"
        await stalled.send_all(head.encode() + b"\r\n\r\n")
        async with following(client) as stream:
            with trio.fail_after(20):
                while reporter.feed.readers < 2:  # noqa: ASYNC110 - no event says so
                    await trio.sleep(0.01)
                while reporter.feed.readers == 2:
                    reporter.feed.add(cancels(*[ID] * 1_000))
                    await trio.sleep(0.01)
            kinds = {(await stream.next())[1] for _ in range(100)}
        await stalled.aclose()

    assert kinds <= {"cancel", "gap"}
