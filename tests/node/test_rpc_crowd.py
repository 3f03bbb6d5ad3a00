"""Many strangers at once: what each of them may take, and what is left for the others."""

import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from node.errors import StartError
from node.explain.views import ExplanationView
from node.rpc.offer import offer_rpc
from node.rpc.pace import TOKEN_S, Pace, Rate
from node.rpc.public import HEAVY_HELD_MAX, STREAMS_MAX
from node.rpc.public_server import COMING, Porch, serve_public
from node.rpc.routes_events import STREAMS_MAX as OWN_STREAMS_MAX
from node.rpc.server import serve_rpc
from node.services import Services
from tests.fakes_explain import FakeExplainer
from tests.fakes_market import FakeMarket, a_reporter, a_task, services
from tests.node.test_rpc_attacks import LongProver, status_of, talk
from tests.node.test_rpc_events import cancels, following
from tests.node.test_rpc_public import EVERY, public
from tests.node.test_rpc_routes import ID

ASK = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def no_time() -> float:
    """Say that nothing takes any."""
    return 0.0


def port_of(client: httpx.AsyncClient) -> int:
    assert client.base_url.port is not None
    return client.base_url.port


async def at_once(port: int, count: int) -> list[int]:
    """Ask on so many connections at once, and return what is answered."""
    found: list[int] = []

    async def ask() -> None:
        found.append(status_of(await talk(port, ASK)))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(ask)
    return found


async def test_public__lets_one_ask_no_faster_than_its_pace() -> None:
    pace = Pace(of_all=EVERY, of_one=Rate(0.001, 5), used_s=no_time)
    async with public(pace=pace) as client:
        answers = [await client.get("/health") for _ in range(8)]
        page = await client.get("/")
        raw = await talk(port_of(client), b"")  # before a word is read

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    refused = answers[5]
    assert set(refused.json()) == {"code", "message"}
    assert refused.json()["code"] == "too_fast"
    assert int(refused.headers["retry-after"]) > 900
    assert refused.headers["connection"] == "close"
    assert (page.status_code, status_of(raw)) == (429, 429)
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["code"] == "too_fast"


async def test_public__lets_all_together_ask_no_faster_than_theirs() -> None:
    pace = Pace(of_all=Rate(0.001, 5), of_one=EVERY, used_s=no_time)
    async with public(pace=pace) as client:
        found = await at_once(port_of(client), 12)

    assert sorted(found) == [200] * 5 + [429] * 7


async def test_public__counts_a_file_of_the_page_as_a_quarter() -> None:
    pace = Pace(of_all=EVERY, of_one=Rate(0.001, 5), used_s=no_time)
    async with public(pace=pace) as client:
        answers = [(await client.get("/ui/main.js")).status_code for _ in range(20)]

    assert answers == [200] * 17 + [429] * 3  # one token is always left: the next may need it


async def test_public__counts_what_an_answer_cost() -> None:
    used = itertools.count(step=10 * TOKEN_S)  # each time it is looked at
    pace = Pace(of_all=EVERY, of_one=Rate(0.001, 25), used_s=lambda: next(used))
    async with public(pace=pace) as client:
        answers = [await client.get("/tasks") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert 5_990 < int(answers[-1].headers["retry-after"]) <= 6_000  # it owes five, and needs one


class Flood(trio.abc.Listener[trio.SocketStream]):
    """Has a connection whenever it is asked."""

    async def accept(self) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        return trio.SocketStream(trio.socket.socket())

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_porch__lets_connections_in_no_faster_than_they_are_to_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began_s, porch = trio.current_time(), Porch(Flood())

    for _ in range(int(COMING.most + 5 * COMING.per_s)):
        (await porch.accept()).socket.close()

    assert 5 - 0.1 < trio.current_time() - began_s < 5 + 0.1


async def test_public__serves_so_many_connections_in_all_and_of_one_address() -> None:
    async with (
        public(connections_max=3) as of_all,
        public(connections_max_of_one=3) as of_one,
    ):
        for client in (of_all, of_one):
            held = [await trio.open_tcp_stream("127.0.0.1", port_of(client)) for _ in range(3)]
            await held[-1].send_all(b"GET")
            await trio.testing.wait_all_tasks_blocked(0.05)
            full = await talk(port_of(client), ASK)
            for stream in held:
                await stream.aclose()
            with trio.fail_after(10):
                while status_of(await talk(port_of(client), ASK)) != 200:  # noqa: ASYNC110
                    await trio.sleep(0.01)

            assert status_of(full) == 503
            assert json.loads(full.partition(b"\r\n\r\n")[2])["code"] == "too_many_connections"


async def test_public__leaves_the_owner_his_streams_and_he_leaves_theirs() -> None:
    reporter = a_reporter()
    offered = services(FakeMarket(), reporter)
    token = "a" * 64
    limits = httpx.Limits(max_connections=None)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_rpc, offered, port=0, token=token))
        headers = {"Authorization": f"Bearer {token}"}
        most = {"connections_max": 100, "connections_max_of_one": 100}
        async with (
            httpx.AsyncClient(
                base_url=url, headers=headers, trust_env=False, limits=limits
            ) as owner,
            public(offered, **most) as strangers,
        ):
            owner.timeout = strangers.timeout = httpx.Timeout(30)
            begun = trio.Semaphore(0)

            async def follow(client: httpx.AsyncClient) -> None:
                async with following(client):
                    begun.release()
                    await trio.sleep_forever()

            for client, count in ((strangers, STREAMS_MAX), (owner, OWN_STREAMS_MAX)):
                for _ in range(count):
                    nursery.start_soon(follow, client)
                for _ in range(count):
                    await begun.acquire()
                refused = await client.get("/events")
                assert refused.json()["code"] == "too_many_streams"
                assert refused.headers["Retry-After"] == "1"
                assert (await client.get("/health")).status_code == 200
            assert reporter.feed.readers == STREAMS_MAX + OWN_STREAMS_MAX
            nursery.cancel_scope.cancel()


async def test_public__tells_a_burst_of_events_in_few_words() -> None:
    reporter = a_reporter(kept_max=4_000)
    async with (
        public(services(FakeMarket(), reporter)) as client,
        client.stream("GET", "/events") as answer,
    ):
        chunks = answer.aiter_raw()
        await anext(chunks)
        told: list[int] = []
        with trio.fail_after(10):
            for _ in range(20):
                reporter.feed.add(cancels(ID))
                await trio.testing.wait_all_tasks_blocked()
            while sum(told) < 20:
                told.append((await anext(chunks)).count(b"event: cancel"))

    # What came before the stream had begun to wait, and all else; more only if that took seconds.
    assert len(told) < 10


async def test_public__ignores_for_how_long_somebody_would_wait() -> None:
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with public(services(market)) as client:
        with trio.fail_after(5):
            answer = await client.get(f"/tasks/{ID}?wait=60")

    assert (answer.status_code, answer.json()["settled"]) == (200, False)


class SlowExplainer(FakeExplainer):
    """Explains once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = trio.Event(), trio.Event()

    async def explain(self, what: str) -> ExplanationView:
        self.begun.set()
        await self.go_on.wait()
        return await super().explain(what)


async def test_public__explains_to_one_at_a_time_and_holds_nobody_else_up() -> None:
    explainer = SlowExplainer()
    async with public(services(FakeMarket(), explainer=explainer)) as client:
        first: list[int] = []

        async def ask() -> None:
            first.append((await client.get("/explain/bo")).status_code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await explainer.begun.wait()
            busy = [await client.get(path) for path in ("/explain/bo", "/workers/bo")]
            other = await client.get("/status")
            explainer.go_on.set()
        after = await client.get("/workers/bo")

    assert [(one.status_code, one.json()["code"]) for one in busy] == [(429, "busy")] * 2
    assert {one.headers["retry-after"] for one in busy} == {"1"}
    assert (first, other.status_code, after.status_code) == ([200], 200, 200)


async def asked_unread(held: AsyncExitStack, port: int, address: str) -> int:
    """Ask for a long certificate from an address of this machine, and read but the status."""
    stream = await trio.open_tcp_stream("127.0.0.1", port, local_address=address)
    await held.enter_async_context(stream)
    await stream.send_all(f"GET /tasks/{ID}/certificate HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return status_of(await stream.receive_some(len(b"HTTP/1.1 200")))


async def test_public__explains_to_others_while_somebody_does_not_read_what_he_asked_for() -> None:
    offered = services(FakeMarket(), prover=LongProver())
    async with public(offered, write_seconds=60) as client, AsyncExitStack() as held:
        slow = await asked_unread(held, port_of(client), "127.0.0.1")
        others = [await client.get(path) for path in ("/explain/bo", "/workers/bo")]

    assert (slow, [one.status_code for one in others]) == (200, [200, 200])


async def test_public__holds_so_many_long_answers_and_of_one_address_half_of_them() -> None:
    async with public(services(FakeMarket(), prover=LongProver()), write_seconds=60) as client:
        async with AsyncExitStack() as held:
            found = {
                address: [await asked_unread(held, port_of(client), address) for _ in range(5)]
                for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
            }
            full = await client.get("/explain/bo")
        with trio.fail_after(10):
            while (await client.get("/explain/bo")).status_code != 200:  # noqa: ASYNC110
                await trio.sleep(0.01)

    assert [statuses.count(200) for statuses in found.values()] == [4, 2, 1, 1]
    assert {status for statuses in found.values() for status in statuses} == {200, 429}
    assert sum(statuses.count(200) for statuses in found.values()) == HEAVY_HELD_MAX
    assert (full.status_code, full.json()["code"]) == (429, "busy")


async def test_public__drops_strangers_who_are_slow_to_ask() -> None:
    async with public(idle_seconds=0.2) as client:
        silent = await talk(port_of(client), b"")
        half = await talk(port_of(client), b"GET / HTTP/1.1\r\nHost:")

    assert (silent, half) == (b"", b"")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_public__says_which_address_is_taken(host: str) -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_public, services(FakeMarket()), host=host)
        url = await nursery.start(partial(serve, port=0))
        port = int(url.rpartition(":")[2])
        shown = f"[{host}]" if ":" in host else host
        assert url == f"http://{shown}:{port}"
        with pytest.raises(StartError) as caught:
            await serve(port=port)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/health")).status_code == 200
        nursery.cancel_scope.cancel()

    assert str(caught.value).startswith(f"--dashboard-public {shown}:{port}: cannot be used (")
    assert "\n" not in str(caught.value)


@asynccontextmanager
async def offering(offered: Services, folder: Path, **chosen: Any) -> AsyncIterator[Any]:
    async with trio.open_nursery() as nursery:
        offer = partial(offer_rpc, offered, folder=folder, node_id="alice", port=0)
        yield await nursery.start(partial(offer, open_reads=False, **chosen))
        nursery.cancel_scope.cancel()


async def test_offer__shows_strangers_nothing_of_its_token(tmp_path: Path) -> None:
    chosen = {"dashboard_public": ("127.0.0.1", 0)}
    async with offering(services(FakeMarket()), tmp_path, **chosen) as rpc:
        left = json.loads((tmp_path / "rpc.json").read_text())
        assert (left["public_url"], left["pid"]) == (rpc.public_url, os.getpid())
        async with httpx.AsyncClient(base_url=rpc.public_url, trust_env=False) as client:
            answers = [
                await client.get(path, headers={"Authorization": f"Bearer {rpc.token}"})
                for path in ("/status", "/log", "/metrics", "/session", "/", "/explain/bo")
            ]
    async with offering(services(FakeMarket()), tmp_path) as rpc:
        assert json.loads((tmp_path / "rpc.json").read_text())["public_url"] == rpc.public_url == ""

    assert [answer.status_code for answer in answers] == [200, 404, 404, 404, 200, 200]
    assert not any(rpc.token in answer.text for answer in answers)


async def test_offer__that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "notes.txt"
    taken.write_text("something else")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with offering(services(FakeMarket()), tmp_path, token_file=taken):
            pass

    assert caught.group_contains(StartError, match="--rpc-token-file .* holds something else")
    assert not (tmp_path / "rpc.json").exists()
    assert taken.read_text() == "something else"
