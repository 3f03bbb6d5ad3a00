"""What strangers are shown of a node, and what they are not: every address by every method."""

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import psutil
import pytest
import trio

from node.errors import RequestRefused, StoreError
from node.feed import News
from node.rpc.pace import Pace, Rate
from node.rpc.page import POLICY
from node.rpc.public_server import serve_public
from node.rpc.server import serve_rpc
from node.rpc.strangers import NOT_READY, for_strangers
from node.services import Services
from node.views_events import NodeEvent
from tests.certificates import TASK_ID
from tests.fakes_market import FakeMarket, FakeMeter, a_reporter, a_task, decided, services
from tests.node.test_rpc_attacks import status_of, talk
from tests.node.test_rpc_events import following
from tests.node.test_rpc_openapi import document_of
from tests.node.test_rpc_routes import ID
from tests.node.test_rpc_routes import served as owners

EVERY = Rate(1e9, 1e9)
SHOWN = ["/health", "/ready", "/status", "/network", "/peers", "/tasks", f"/tasks/{ID}",
         f"/tasks/{ID}?wait=60", f"/tasks/{TASK_ID.hex()}/certificate", "/leaderboard",
         "/leaderboard/history", "/history", "/workers/bo", "/explain/bo", "/events",
         "/tasks?state=final&limit=2"]  # fmt: skip
PAGE = ["/", "/ui/main.js"]
ODD = ["/log", "/metrics", "/openapi.json", "/docs", "/diff/bo", "/leaderboard/of/bob", "/session",
       "/certificates/verify", "/session/renew", f"/tasks/{ID}/cancel", "/tasks/", "/status/",
       "/Status", "/leaderboard/", "/workers/", "/explain/", "/history/x", "/%2e%2e/log",
       "/ui/none.js", "/tasks/a/b/certificate", "/tasks/%2e%2e/log"]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]
# What addresses, folders and secrets look like, and sentences that may hold one.
SECRET = re.compile(r"/ip[46]/|/dns|\d+\.\d+\.\d+\.\d+|/home/|cannot reach|[Tt]oken|Bearer")


def told_all() -> tuple[FakeMarket, Services]:
    """Return a node that has an address in every field that could hold one."""
    market = FakeMarket()
    market.known = {ID: decided(a_task(ID))}
    market.shown = replace(
        market.shown,
        ready=False,
        waiting="peers: tried 1 address; cannot reach /ip4/192.0.2.1/tcp/7460",
        read_only="/home/alice/log: disk full",
        model="restarting: /home/alice/model is gone",
        addresses=("/dns4/home.example/tcp/7460",),
    )
    return market, services(market)


@asynccontextmanager
async def public(
    offered: Services | None = None, **limits: Any
) -> AsyncIterator[httpx.AsyncClient]:
    limits = {"pace": Pace(of_all=EVERY, of_one=EVERY), **limits}
    async with trio.open_nursery() as nursery:
        serve = partial(serve_public, offered or told_all()[1], host="127.0.0.1", port=0)
        url = await nursery.start(partial(serve, **limits))
        limit = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, trust_env=False, limits=limit) as client:
            yield client
        nursery.cancel_scope.cancel()


async def asked(client: httpx.AsyncClient, method: str, path: str) -> tuple[int, str]:
    """Ask, and read what comes at once."""
    async with client.stream(method, path) as answer:
        if path == "/events" and answer.status_code == 200:
            return 200, await anext(answer.aiter_text())
        return answer.status_code, (await answer.aread()).decode()


@pytest.mark.parametrize("method", METHODS)
async def test_public__shows_what_is_listed_to_who_reads_and_nothing_else(method: str) -> None:
    market, offered = told_all()
    before = dict(market.known)
    async with public(offered) as client:
        found = {path: await asked(client, method, path) for path in SHOWN + PAGE + ODD}

    statuses = {path: status for path, (status, _) in found.items()}
    reads = method == "GET"
    assert {statuses[path] for path in SHOWN if path != "/ready"} == {200 if reads else 405}
    assert statuses["/ready"] == (503 if reads else 405)
    assert {statuses[path] for path in PAGE} == {200 if method in ("GET", "HEAD") else 405}
    assert {statuses[path] for path in ODD} == {404}
    assert (market.known, market.requests, market.cancels) == (before, [], [])
    assert not any(SECRET.search(text) for path, (_, text) in found.items() if path not in PAGE)


@pytest.mark.parametrize(
    "path",
    [
        "//status",
        "/./status",
        "/x/../status",
        "/status%00",
        "*",
        "/status%3Fa",
        "http://a/log",
        "/tasks/..",
        "/log%0a",
    ],
)
async def test_public__reads_an_address_as_it_is_written(path: str) -> None:
    async with public() as client:
        assert client.base_url.port is not None
        head = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = await talk(client.base_url.port, head.encode())

    assert status_of(answer) in (400, 404)


async def test_public__has_every_address_of_the_rpc_either_among_what_is_shown_or_not() -> None:
    """A route that is new is not shown by itself, and somebody decides."""
    async with owners(FakeMarket()) as client:
        paths = (await document_of(client))["paths"]
    known = {path.partition("?")[0] for path in SHOWN + ODD}
    names = {"task_id": ID, "worker": "bo", "peer": "bo", "what": "bo"}
    told = {re.sub(r"{(\w+)}", lambda name: names[name[1]], path) for path in paths}

    known |= {f"/tasks/{ID}/certificate", "/leaderboard/of/bo", "/tasks/batch"}
    assert told <= known


async def test_public__says_of_itself_only_what_strangers_may_know() -> None:
    async with public() as client:
        status = (await client.get("/status")).json()
        peers = (await client.get("/peers")).json()
        worker = (await client.get("/workers/bo")).json()
        why = (await client.get("/explain/bo")).json()["worker"]["worker"]
        ready = (await client.get("/ready")).json()

    assert (status["addresses"], status["waiting"], status["model"]) == (
        [],
        NOT_READY,
        "restarting",
    )
    assert {peer["address"] for peer in peers} == {""}
    assert [peer["connected"] for peer in peers] == [True, False]
    assert [peer["heard_through"] for peer in peers] == ["", peers[0]["peer_id"]]
    assert (worker["addresses"], why["addresses"]) == ([], [])
    assert ready == {"code": "not_ready", "message": NOT_READY}


async def test_public__tells_what_happens_without_the_reasons() -> None:
    reporter = a_reporter()
    why = NodeEvent("node", False, "cannot reach /ip4/192.0.2.1", True, "/home/alice", False)
    async with public(services(FakeMarket(), reporter)) as client, following(client) as stream:
        reporter.feed.add([News("node", condition=why), News("cancel", bytes.fromhex(ID))])

        told = [(await stream.next())[2] for _ in range(2)]

    assert (told[0]["waiting"], told[0]["read_only"]) == (NOT_READY, "its disk")
    assert (told[1]["type"], told[1]["task_id"]) == ("cancel", ID)


@pytest.mark.parametrize("failure", [StoreError("/home/alice/log"), ZeroDivisionError("/home/a")])
async def test_public__says_nothing_of_what_fails_on_this_machine(failure: Exception) -> None:
    market, offered = told_all()
    market.failure = failure
    async with public(offered) as client:
        answers = [await client.get(path) for path in ("/status", "/tasks", "/peers")]

    assert {answer.status_code for answer in answers} <= {500, 503}
    assert not any(SECRET.search(answer.text) for answer in answers)


async def test_for_strangers__refuses_what_no_address_leads_to() -> None:
    shown = for_strangers(told_all()[1])

    async def export() -> object:
        return shown.archive.export()

    refused: list[str] = []
    for ask in (
        partial(shown.market.cancel, ID),
        partial(shown.market.leaderboard_of, "bob"),
        partial(shown.differ.diff, "bo"),
        partial(shown.archive.take, b""),
        shown.meter.families,
        export,
    ):
        with pytest.raises(RequestRefused) as caught:
            await ask()
        refused.append(caught.value.code)

    assert refused == ["not_public"] * 6


HOSTS = ["127.0.0.1:8080", "market.example", "evil.example:1", None]
ORIGINS = [None, "http://{host}", "https://{host}", "http://other.example", "null", ""]
SITES = [None, "none", "same-origin", "same-site", "cross-site", "odd"]


async def test_public__judges_where_a_request_comes_from_by_all_but_its_host() -> None:
    wrong: list[object] = []
    async with public() as client:
        port = client.base_url.port
        assert port is not None
        for host, origin, site, path in itertools.product(HOSTS, ORIGINS, SITES, ["/status", "/"]):
            named = {"Host": host, "Sec-Fetch-Site": site}
            named["Origin"] = None if origin is None else origin.format(host=host)
            head = [f"GET {path} HTTP/1.{int(host is not None)}", "Connection: close"]
            head += [f"{name}: {value}" for name, value in named.items() if value is not None]
            answer = await talk(port, "\r\n".join([*head, "", ""]).encode())

            own = origin is None or (host is not None and "{host}" in origin)
            right = own and site in (None, "none", "same-origin")
            if status_of(answer) != (200 if right else 403) or b"access-control" in answer.lower():
                wrong.append((host, origin, site, path, answer[:100]))

    assert wrong == []


@pytest.mark.parametrize(
    ("path", "mode", "dest", "status"),
    [
        ("/", "navigate", "document", 200),
        ("/", "navigate", "iframe", 403),
        ("/", "cors", "empty", 403),
        ("/", "no-cors", "script", 403),
        ("/ui/main.js", "navigate", "document", 403),
        ("/status", "navigate", "document", 403),
    ],
)
async def test_public__can_be_linked_to_but_not_used_by_other_pages(
    path: str, mode: str, dest: str, status: int
) -> None:
    sent = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    async with public() as client:
        answer = await client.get(path, headers=sent)

    assert answer.status_code == status


async def test_public__takes_no_body_and_knows_no_token() -> None:
    async with public() as client:
        body = await client.request("GET", "/status", content=b"{}")
        empty = await client.request("GET", "/status", content=b"")
        token = await client.get("/status", headers={"Authorization": "Bearer x"})
        page = await client.get("/")

    assert (body.status_code, body.json()["code"]) == (413, "body_too_large")
    assert (empty.status_code, token.status_code) == (200, 200)
    assert page.headers["content-security-policy"] == POLICY
    assert token.headers["cache-control"] == "no-store"


async def test_public__does_not_send_what_browsers_ignore_over_plain_http() -> None:
    """They say so in an error on the console; the page has no secret to be kept from its opener."""
    async with public() as client:
        answers = [await client.get(path) for path in ("/", "/ui/main.js")]

    for answer in answers:
        assert answer.status_code == 200
        assert "cross-origin-opener-policy" not in answer.headers


async def test_public__counts_what_it_refuses_apart_from_the_owners_requests() -> None:
    meter = FakeMeter()
    async with public(services(FakeMarket(), meter=meter)) as client:
        await client.get("/log")
        await client.post("/tasks", json={"text": "a"})

    assert meter.refused == ["public_not_found", "public_method_not_allowed"]


def listening() -> set[int]:
    """Return the ports this process listens on."""
    found = psutil.Process().net_connections("tcp")
    return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


async def test_public__is_a_socket_of_its_own_and_there_only_if_asked_for() -> None:
    before = listening()
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(FakeMarket()), port=0, token="a" * 64)
        await nursery.start(serve)
        without = listening() - before
        async with public():
            with_it = listening() - before
        nursery.cancel_scope.cancel()

    assert (len(without), len(with_it)) == (1, 2)
