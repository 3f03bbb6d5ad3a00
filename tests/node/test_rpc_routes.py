"""Every route of the RPC, over a real connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from node.errors import RequestRefused, StoreError
from node.ports import TaskQuery
from node.rpc.server import serve_rpc
from tests.fakes_market import ALICE, BOB, DIGEST, FakeMarket, a_task, decided, services

TOKEN = "a" * 64
ID = "11" * 32


@asynccontextmanager
async def served(
    market: FakeMarket, *, open_reads: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(market), port=0, token=TOKEN, open_reads=open_reads)
        url = await nursery.start(serve)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield client
        nursery.cancel_scope.cancel()


async def test_health__needs_no_token() -> None:
    async with served(FakeMarket()) as client:
        del client.headers["Authorization"]

        answer = await client.get("/health")

    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert "server" not in answer.headers


async def test_open_reads__let_anybody_read_and_nobody_change() -> None:
    market = FakeMarket()
    async with served(market, open_reads=True) as client:
        del client.headers["Authorization"]
        reads = [
            (await client.get(path)).status_code
            for path in ("/status", "/tasks", "/leaderboard", "/openapi.json", "/metrics")
        ]
        closed = [(await client.get(path)).status_code for path in ("/leaderboard/of/bob", "/log")]
        change = await client.post("/tasks", json={"text": "a"})
        stale = await client.get("/status", headers={"Authorization": "Bearer old"})

    assert reads == [200] * 5
    assert closed == [401] * 2
    assert (change.status_code, stale.status_code) == (401, 401)
    assert market.requests == []


async def test_submit__hands_every_field_to_the_market() -> None:
    market = FakeMarket()
    body = {"text": "good", "type": "echo", "seats": 5, "model": "ab", "request_id": "r1"}
    async with served(market) as client:
        answer = await client.post("/tasks", json=body)

    assert answer.status_code == 201
    assert answer.json() == {"task_id": next(iter(market.known))}
    request = market.requests[0]
    assert (request.text, request.task_type, request.seats) == ("good", "echo", 5)
    assert (request.model, request.request_id) == ("ab", "r1")


async def test_submit__is_the_same_task_for_the_same_request_id() -> None:
    market = FakeMarket()
    async with served(market) as client:
        first = await client.post("/tasks", json={"text": "good", "request_id": "r"})
        again = await client.post("/tasks", json={"text": "good", "request_id": "r"})
        other = await client.post("/tasks", json={"text": "bad", "request_id": "r"})

    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (409, "request_id_reused")


async def test_tasks__filters_by_owner_state_and_number() -> None:
    market = FakeMarket()
    market.known = {
        "aa" * 32: a_task("aa" * 32),
        "bb" * 32: replace(decided(a_task("bb" * 32)), mine=False),
    }
    async with served(market) as client:
        queries = ["", "?mine", "?mine=true", "?mine=false", "?state=final", "?limit=1"]
        pages = [(await client.get(f"/tasks{query}")).json() for query in queries]

    found = [[task["task_id"][:2] for task in page["tasks"]] for page in pages]
    assert found == [["bb", "aa"], ["aa"], ["aa"], ["bb", "aa"], ["bb"], ["bb"]]
    assert [page["next"] for page in pages] == [None] * 5 + ["1"]


async def test_tasks__asks_the_market_for_what_the_query_says() -> None:
    market = FakeMarket()
    query = "?type=echo&submitter=bob%2Fa~Bob&state=void&limit=100&cursor=7&mine=1"
    async with served(market) as client:
        answer = await client.get(f"/tasks{query}")

    assert answer.json() == {"tasks": [], "next": None}
    assert market.queries == [
        TaskQuery(
            limit=100,
            cursor="7",
            mine=True,
            state="void",
            task_type="echo",
            submitter="bob/a~Bob",
        )
    ]


async def test_lists__are_bounded() -> None:
    async with served(FakeMarket()) as client:
        rows = [(await client.get(f"/{one}?limit=1")).json() for one in ("leaderboard", "peers")]
        refused = [
            (await client.get(f"/{one}?limit={limit}")).status_code
            for one in ("leaderboard", "peers")
            for limit in (0, 1_001)
        ]

    assert [len(one) for one in rows] == [1, 1]
    assert refused == [400] * 4


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "state=odd",
        "mine=perhaps",
        "type=",
        "submitter=",
        "cursor=x",
        "cursor=" + "0" * 65,
    ],
)
async def test_tasks__refuses_a_query_it_cannot_read(query: str) -> None:
    async with served(FakeMarket()) as client:
        answer = await client.get(f"/tasks?{query}")

    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_request", "bad_cursor")


async def test_task__shows_everything_by_id_and_by_prefix() -> None:
    market = FakeMarket()
    market.known[ID] = decided(a_task(ID, "so \x1b[31mred"))
    async with served(market) as client:
        whole = (await client.get(f"/tasks/{ID}")).json()
        short = (await client.get(f"/tasks/{ID[:8]}")).json()
        unknown = await client.get(f"/tasks/{'22' * 32}")
        wrong = await client.get("/tasks/xyz")

    assert whole == short
    assert whole["text"] == "so \x1b[31mred"
    assert whole["answers"][0]["worker"] == {"worker_id": "alice", "peer_id": ALICE.peer_id}
    assert whole["answers"][0]["confidence"] == 0.98
    assert [worker["worker_id"] for worker in whole["committed"]] == ["alice", "bob", "carole"]
    assert whole["attempts"] == [{"task_id": ID, "attempt": 0, "seats": 3, "state": "final"}]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_task")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_task_id")


async def test_cancel__cancels_own_tasks_alone() -> None:
    market = FakeMarket()
    market.known = {ID: a_task(ID), "33" * 32: decided(a_task("33" * 32))}
    kind = {"Content-Type": "application/json"}
    async with served(market) as client:
        done = await client.post(f"/tasks/{ID[:8]}/cancel", headers=kind)
        with_body = await client.post(f"/tasks/{ID}/cancel", json={})
        late = await client.post(f"/tasks/{'33' * 32}/cancel", json={})
        unknown = await client.post(f"/tasks/{'44' * 32}/cancel", json={})

    assert (done.status_code, done.json()["cancelled"]) == (200, True)
    assert with_body.status_code == 200
    assert market.cancels == [ID, ID]
    assert [late.status_code, unknown.status_code] == [409, 404]


async def test_leaderboard__is_a_bare_list_with_exactly_these_names() -> None:
    names = ["worker_id", "points", "peer_id", "agreed", "dissented"]
    names += ["excused", "absent", "faults", "submitters", "reputation"]
    async with served(FakeMarket()) as client:
        rows = (await client.get("/leaderboard")).json()

    assert [(row["worker_id"], row["points"]) for row in rows] == [("alice", 2), ("bob", 1)]
    assert [list(row) for row in rows] == [names, names]


async def test_leaderboard_of__carries_the_digest_of_the_peer() -> None:
    market = FakeMarket()
    async with served(market) as client:
        answer = (await client.get("/leaderboard/of/bob")).json()
        unknown = await client.get("/leaderboard/of/eve")

    assert set(answer) == {"of", "leaderboard", "state_digest", "records", "same_as_ours"}
    assert (answer["of"]["worker_id"], answer["state_digest"]) == ("bob", DIGEST)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_peer")


async def test_status_peers_and_ready__show_the_views() -> None:
    market = FakeMarket()
    async with served(market) as client:
        status = (await client.get("/status")).json()
        peers = (await client.get("/peers")).json()
        ready = await client.get("/ready")
        market.shown = replace(market.shown, ready=False, waiting="the model")
        waiting = await client.get("/ready")

    assert (status["worker_id"], status["capable"]) == ("alice", {"sentiment": 2})
    assert [peer["worker_id"] for peer in peers] == ["bob", "carole"]
    assert [
        (one["latency_ms"], one["in_mesh"], one["same_state"], one["heard_through"])
        for one in peers
    ] == [(1.25, True, True, ""), (None, False, False, BOB.peer_id)]
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
    assert (waiting.status_code, waiting.json()) == (
        503,
        {"code": "not_ready", "message": "the model"},
    )


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (RequestRefused(429, "busy", "too much waits"), 429, "busy"),
        (RequestRefused(502, "peer_failed", "no answer"), 502, "peer_failed"),
        (StoreError("disk full"), 503, "unavailable"),
        (ZeroDivisionError("secret detail"), 500, "internal"),
    ],
)
async def test_errors__all_have_one_shape(failure: Exception, status: int, code: str) -> None:
    market = FakeMarket()
    market.failure = failure
    async with served(market) as client:
        answer = await client.get("/status")
        alive = await client.get("/health")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message"}
    assert "secret" not in answer.text
    assert alive.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/redoc", 404, "not_found"),
        ("GET", "/tasks/", 404, "not_found"),
        ("DELETE", "/tasks", 405, "method_not_allowed"),
        ("POST", "/stop", 404, "not_found"),
    ],
)
async def test_routes__offer_nothing_else(method: str, path: str, status: int, code: str) -> None:
    async with served(FakeMarket()) as client:
        kind = {"Content-Type": "application/json"}
        answer = await client.request(method, path, headers=kind)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_routes__name_all_methods_of_an_address_where_one_is_not_allowed() -> None:
    async with served(FakeMarket()) as client:
        several = await client.delete("/tasks")
        batch = await client.get("/tasks/batch")
        one = [await client.post(path) for path in ("/status", "/tasks/0/certificate")]
        nowhere = await client.post("/nowhere")

    assert (several.status_code, several.headers["allow"]) == (405, "GET, POST")
    assert (batch.status_code, batch.headers["allow"]) == (405, "POST")
    assert [(answer.status_code, answer.headers["allow"]) for answer in one] == [(405, "GET")] * 2
    assert nowhere.status_code == 404


async def test_openapi__can_be_made() -> None:
    async with served(FakeMarket()) as client:
        schema: dict[str, Any] = (await client.get("/openapi.json")).json()

    assert "/tasks/{task_id}/cancel" in schema["paths"]
    parameters = schema["paths"]["/tasks"]["get"]["parameters"]
    names = ["mine", "state", "type", "submitter", "limit", "cursor"]
    assert [parameter["name"] for parameter in parameters] == names
