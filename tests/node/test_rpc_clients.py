"""One contract for both clients, against a live server: the same methods, answers and errors."""

import inspect
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.errors import NotReachable, RequestRefused, UsageError
from node.news import Reporter
from node.rpc.client import AuthRefused, Client, Event, TooLate
from node.rpc.endpoint import Endpoint
from node.rpc.following import LINE_BYTES_MAX, Following
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from node.rpc.trio_client import TrioClient
from tests.certificates import TASK_ID
from tests.fakes_market import BOB, FakeMarket, a_reporter, a_task, decided, services
from tests.node.test_rpc_events import cancels

TOKEN = "a" * 64
ID = "11" * 32
OTHER = "22" * 32
END = object()


class Kind:
    """One kind of client, awaited either way."""

    def __init__(self, made: Client | TrioClient) -> None:
        self.made = made

    async def ask(self, method: str, *args: Any, **rest: Any) -> Any:
        call = partial(getattr(self.made, method), *args, **rest)
        return await (trio.to_thread.run_sync(call) if isinstance(self.made, Client) else call())

    async def iterate(self, method: str, **rest: Any) -> AsyncGenerator[Any]:
        told = getattr(self.made, method)(**rest)
        if isinstance(self.made, TrioClient):
            async with aclosing(told):
                async for one in told:
                    yield one
            return
        try:
            while (one := await trio.to_thread.run_sync(next, told, END)) is not END:
                yield one
        finally:
            told.close()


Make = Callable[..., Kind]


@pytest.fixture(params=[Client, TrioClient])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    made: list[Kind] = []

    def make(url: str, token: str = TOKEN, **rest: Any) -> Kind:
        made.append(Kind(request.param(Endpoint(url, token, "alice"), **rest)))
        return made[-1]

    yield make
    for one in made:
        if isinstance(one.made, TrioClient):
            await one.made.__aexit__()


@asynccontextmanager
async def serving(
    market: FakeMarket | None = None, reporter: Reporter | None = None, port: int = 0
) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        offered = services(market or FakeMarket(), reporter)
        yield await nursery.start(partial(serve_rpc, offered, port=port, token=TOKEN))
        nursery.cancel_scope.cancel()


def public(kind: type) -> dict[str, list[str]]:
    """Return the methods of a client with the names of what they take."""
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(kind, callable)
        if not name.startswith("_")
    }


def test_clients__have_the_same_methods() -> None:
    assert public(Client) == public(TrioClient)
    assert {"submit", "submit_batch", "settled", "events", "tasks", "of"} <= public(Client).keys()


async def test_clients__ask_every_route(make: Make) -> None:
    market = FakeMarket()
    market.known[ID] = decided(a_task(ID))
    market.known[OTHER] = a_task(OTHER)
    async with serving(market) as url:
        client = make(url)
        task_id = (await client.ask("submit", text="good", seats=5, type=None))["task_id"]
        batch = await client.ask("submit_batch", [{"text": "a"}, {"text": "b", "seats": 4}])
        page = await client.ask("task_page", limit=2, state="open")

        assert market.requests[0].seats == 5
        assert (await client.ask("task", task_id[:8]))["text"] == "good"
        assert ["task_id" in one for one in batch] == [True, False]
        assert (len(page["tasks"]), page["next"]) == (2, "2")
        assert len(await client.ask("tasks", limit=3)) == 3
        assert (await client.ask("settled", ID, timeout_s=5))["answer"] == "positive"
        assert (await client.ask("cancel", OTHER))["cancelled"]
        assert (await client.ask("leaderboard"))[0]["points"] == 2
        assert (await client.ask("leaderboard_of", "bob"))["same_as_ours"]
        assert (await client.ask("peers"))[0]["peer_id"] == BOB.peer_id
        proof = await client.ask("certificate", TASK_ID.hex())
        assert (await client.ask("verify_certificate", proof))["state"] == "final"
        assert (await client.ask("explain", "bo"))["kind"] == "worker"
        assert (await client.ask("points_history", tasks=2))["workers"][0]["points"] == 3
        assert (await client.ask("history", after_ms=1_000))["at_ms"] == [6_000]
        assert (await client.ask("worker", "bo"))["worker_id"] == "bo"
        assert (await client.ask("diff", "bo"))["verdict"] == "equal"
        assert (await client.ask("status"))["ready"]
        assert (await client.ask("network"))["name"] == "test"
        assert await client.ask("ready") == {"ready": True}
        assert "/tasks/batch" in (await client.ask("openapi"))["paths"]
        assert await client.ask("health") == {"ok": True}


async def test_clients__wait_for_a_task_no_longer_than_told(make: Make) -> None:
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with serving(market) as url:
        with pytest.raises(TooLate, match=r"within 0\.1 s \(waiting for 3 of 3 sealed answers\)"):
            await make(url).ask("settled", ID, timeout_s=0.1)


async def test_clients__fail_alike(make: Make) -> None:
    async with serving() as url:
        for what in ("task", "cancel", "explain"):
            with pytest.raises(RequestRefused) as refused:
                await make(url).ask(what, "\udcff/..")
            assert refused.value.status in (400, 404)
        with pytest.raises(RequestRefused) as busy:
            await make(url).ask("submit", text="x" * 70_000)
        with pytest.raises(AuthRefused, match="refused us"):
            await make(url, token="b" * 64).ask("status")
        assert (busy.value.status, busy.value.code) == (413, "body_too_large")
    with pytest.raises(NotReachable, match=r"cannot reach .* `aimarket-node --id alice"):
        await make(url).ask("status")
    with pytest.raises(UsageError, match="looks like"):
        make("ftp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", NotReachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", NotReachable),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NotReachable),
        (b"", NotReachable),
        (None, TooLate),
    ],
)
async def test_clients__know_what_is_no_node(
    make: Make, answer: bytes | None, error: type[Exception]
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if answer is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(answer)
            await stream.send_eof()

    patience_s = 0.3 if answer is None else 20
    async with trio.open_nursery() as nursery:
        listeners: Any = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(error):
            await make(f"http://127.0.0.1:{port}", timeout_s=patience_s).ask("status")
        nursery.cancel_scope.cancel()


async def test_clients__pay_no_heed_to_a_proxy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving() as url:
        assert await make(url).ask("health") == {"ok": True}


async def test_events__come_in_order_and_of_the_types_asked_for(make: Make) -> None:
    reporter = a_reporter(run="cafe0001")
    reporter.feed.add(cancels(ID, OTHER, ID))
    async with serving(reporter=reporter) as url:
        seen: list[Event] = []
        told = make(url).iterate("events", last_event_id="cafe0001-1", types=["cancel"])
        async with aclosing(told):
            with trio.fail_after(10):
                async for event in told:
                    seen.append(event)
                    if len(seen) == 2:
                        break

    at_ms = [event.at_ms for event in reporter.feed.after(1).events]
    assert seen == [
        Event("cafe0001-2", "cancel", {"type": "cancel", "task_id": OTHER, "at_ms": at_ms[0]}),
        Event("cafe0001-3", "cancel", {"type": "cancel", "task_id": ID, "at_ms": at_ms[1]}),
    ]


async def test_events__go_on_where_they_were_when_the_node_is_back(make: Make) -> None:
    reporter, notes = a_reporter(run="cafe0001"), list[str]()
    seen: list[Event] = []
    reporter.feed.add(cancels(ID))
    async with serving(reporter=reporter) as url:
        port = int(url.rpartition(":")[2])
        told = make(url).iterate("events", last_event_id="cafe0001-0", note=notes.append)
        with trio.fail_after(20):
            seen.append(await anext(told))
    reporter.feed.add(cancels(OTHER))  # while nobody listens
    async with serving(reporter=reporter, port=port):
        with trio.fail_after(20):
            seen.append(await anext(told))
        await told.aclose()

    assert [event.event_id for event in seen] == ["cafe0001-1", "cafe0001-2"]
    assert notes == ["lost the node; going on when it is back", "the node is back"]


async def test_events__find_a_node_that_was_started_anew(make: Make, tmp_path: Path) -> None:
    reporter, first = a_reporter(run="cafe0001"), a_reporter(run="beef0002", kept_max=2)
    first.feed.add(cancels(ID))
    reporter.feed.add(cancels(*[ID] * 3))
    places = [Endpoint("http://127.0.0.1:1", TOKEN, "alice")]

    async with serving(reporter=first) as url:
        client = make(url, find=lambda: places[-1])
        told = client.iterate("events", last_event_id="beef0002-0")
        with trio.fail_after(20):
            seen = [await anext(told)]
    async with serving(reporter=reporter) as url:
        places.append(Endpoint(url, TOKEN, "alice"))
        with trio.fail_after(20):
            seen += [await anext(told), await anext(told)]
        await told.aclose()

    assert [event.type for event in seen] == ["cancel", "gap", "cancel"]
    assert seen[1].document == {"type": "gap", "missed": None}


async def test_events__raise_if_the_node_stays_away(make: Make) -> None:
    reporter = a_reporter()
    reporter.feed.add(cancels(ID))
    async with serving(reporter=reporter) as url:
        told = make(url).iterate("events", last_event_id="cafe0001-0", patience_s=0.1)
        await anext(told)
    with pytest.raises(NotReachable), trio.fail_after(20):
        await anext(told)
    with pytest.raises(NotReachable):
        await anext(make(url).iterate("events"))


async def test_of__finds_what_aimarket_would(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    config = tmp_path / "config.toml"
    config.write_text(f'home = "{tmp_path}"\n')
    async with serving() as url:
        write_rpc_file(tmp_path / "alice" / "rpc.json", RpcFile(url, TOKEN, os.getpid(), "alice"))
        environment = {"AIMARKET_CONFIG": str(config)}

        found = Client.of("alice", environment=environment)
        async with TrioClient.of(environment=environment) as twin:
            assert (await twin.status())["ready"]

        assert found.endpoint == twin.endpoint == Endpoint(url, TOKEN, "alice")
        with pytest.raises(NotReachable, match="no node 'bob'"):
            Client.of("bob", environment=environment)


FRAMES = (
    b"id: r-1\n\nid: r-2\nevent: cancel\ndata: "
    b'{"type":"cancel","task_id":"x"}\n\n: still here\nid: r-2\n\n'
    b'id: r-4\r\nevent: gap\r\ndata: {"type":"gap","missed":1}\r\n\r\n'
)


@given(st.lists(st.integers(0, len(FRAMES))))
def test_following__takes_frames_cut_anywhere(cuts: list[int]) -> None:
    following = Following(types=(), task=None, last_event_id=None)
    edges = [0, *sorted(cuts), len(FRAMES)]

    pieces = [FRAMES[a:b] for a, b in itertools.pairwise(edges)]
    events = [event for piece in pieces for event in following.take(piece)]

    assert [(event.event_id, event.type) for event in events] == [("r-2", "cancel"), ("r-4", "gap")]
    assert following.headers() == {"Last-Event-ID": "r-4"}


@pytest.mark.parametrize("chunk", [b"data: {\n\n", b"data: []\n\n", b"x" * (LINE_BYTES_MAX + 1)])
def test_following__knows_what_is_no_node(chunk: bytes) -> None:
    with pytest.raises(NotReachable, match="no node"):
        Following(types=(), task=None, last_event_id=None).take(chunk)
