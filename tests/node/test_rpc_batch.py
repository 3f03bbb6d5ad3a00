"""Many tasks in one request, cut apart and served over a real connection."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from node.errors import RequestRefused, StoreError
from node.ports import SubmitRequest
from node.rpc.batch import ITEM_BYTES_MAX, items_of
from node.rpc.client import Client
from node.rpc.endpoint import Endpoint
from node.rpc.guard import BATCH_BYTES_MAX, LARGE_BODIES_MAX
from node.rpc.schemas import BATCH_TASKS_MAX
from node.rpc.server import serve_rpc
from tests.fakes_market import FakeMarket, services

TOKEN = "a" * 64
LINES = {"Content-Type": "application/x-ndjson"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@asynccontextmanager
async def served(market: FakeMarket, **limits: float) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(market), port=0, token=TOKEN, **limits)  # type: ignore[arg-type]
        url = await nursery.start(serve)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield client
        nursery.cancel_scope.cancel()


async def sent(client: httpx.AsyncClient, items: list[Any]) -> list[Any]:
    answer = await client.post("/tasks/batch", json=items)
    assert answer.status_code == 200, answer.text
    results: list[Any] = answer.json()["results"]
    return results


@given(st.lists(values, max_size=8), st.sampled_from([None, 1]), st.booleans())
def test_items_of__cuts_a_list_where_its_items_end(
    items: list[Any], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(items, indent=indent, ensure_ascii=ascii_only).encode()

    assert [json.loads(item) for item in items_of(body, is_lines=False)] == items


@given(st.lists(values, max_size=8), st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n"]))
def test_items_of__takes_a_line_for_an_item(items: list[Any], end: bytes) -> None:
    body = b"".join(json.dumps(item).encode() + end for item in items)

    assert [json.loads(item) for item in items_of(body, is_lines=True)] == items


@given(st.binary(max_size=60) | st.text('[]{}",\\ a1\n', max_size=60).map(str.encode))
@example(b'["')
@example(b'["\\')
@example(b"[]]")
@example(b"[}]")
@example(b"[,]")
def test_items_of__refuses_what_is_no_list_and_never_fails(body: bytes) -> None:
    try:
        found = items_of(body, is_lines=False)
    except RequestRefused as refusal:
        assert refusal.status == 400  # noqa: PT017 - it may also be a list
    else:
        text = body.strip(b" \t\r\n")
        assert text[:1] + text[-1:] == b"[]"
        assert sum(map(len, found)) <= len(body)


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b'\\"' * 2_000_000 + b"]",  # a string that never ends, of escaped quotes
        b'["' + b"a" * 4_000_000 + b"\\]",
        b"[" + b"[" * 4_000_000 + b"]",
        b"[" + b"[]," * 1_300_000 + b"[]]",
        b"[" + b"1" * 4_000_000 + b"]",
        b"[" + b'{"text":' * 500_000 + b"]",
    ],
    ids=["quotes", "string", "open", "many", "digits", "deep"],
)
def test_items_of__is_done_with_a_hostile_list_in_one_walk(body: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:  # within the timeout of a test
        items_of(body, is_lines=False)

    assert refused.value.status in (400, 413)


@pytest.mark.parametrize("is_lines", [False, True])
def test_items_of__holds_its_limits(is_lines: bool) -> None:
    def body(items: list[bytes]) -> bytes:
        return b"\n".join(items) if is_lines else b"[" + b",".join(items) + b"]"

    largest = b'"' + b"a" * (ITEM_BYTES_MAX - 2) + b'"'
    assert len(items_of(body([b"1"] * BATCH_TASKS_MAX), is_lines=is_lines)) == BATCH_TASKS_MAX
    assert items_of(body([largest, b"1"]), is_lines=is_lines) == [largest, b"1"]
    with pytest.raises(RequestRefused, match="at most 1000 tasks"):
        items_of(body([b"1"] * (BATCH_TASKS_MAX + 1)), is_lines=is_lines)
    with pytest.raises(RequestRefused, match=f"item 1: .*at most {ITEM_BYTES_MAX}"):
        items_of(body([b"1", largest + b" 1"]), is_lines=is_lines)


async def test_batch__answers_for_every_item_in_order() -> None:
    market = FakeMarket()
    good = [{"text": "a", "request_id": "1"}, {"text": "b", "seats": 5, "request_id": "2"}]
    bad: list[Any] = [{}, {"text": "a", "seats": 2}, "no task"]
    async with served(market) as client:
        results = await sent(client, [bad[0], good[0], *bad[1:], good[1]])
        again = await sent(client, good)
        reused = await sent(client, [{"text": "x", "request_id": "1"}])

    codes = [one.get("error", {}).get("code") for one in results]
    assert codes == ["bad_request", None, "bad_seats", "bad_request", None]
    assert reused[0]["error"]["code"] == "request_id_reused"
    assert results[0]["error"]["message"].startswith("text: ")
    assert again == [results[1], results[4]]
    assert len(market.known) == 2


async def test_batch__takes_lines_and_spoils_none_for_a_broken_one() -> None:
    market = FakeMarket()
    body = b'{"text":"a"}\n{"text":\n\xff\xfe\n{"text":"\\ud800"}\n' + b"[" * 60_000
    body += b'\n{"text":1e999}\n{"seats":' + b"9" * 10_000 + b'}\n{"text":"b"}'
    async with served(market) as client:
        answer = await client.post("/tasks/batch", content=body, headers=LINES)

    results = answer.json()["results"]
    assert answer.status_code == 200
    assert ["error" in one for one in results] == [False, *[True] * 6, False]
    assert {one["error"]["code"] for one in results if "error" in one} == {"bad_request"}
    assert {request.text for request in market.requests} == {"a", "b"}


async def test_client__submits_many_and_waits_for_one() -> None:
    market = FakeMarket()
    market.decide_at_once = True
    async with served(market) as served_client:
        client = Client(Endpoint(str(served_client.base_url), TOKEN, "alice"))
        submit = partial(client.submit_batch, [{"text": "a"}, {}])
        results = await trio.to_thread.run_sync(submit)
        wait = partial(client.task, results[0]["task_id"], wait_s=60)
        task = await trio.to_thread.run_sync(wait)

    assert (task["text"], task["settled"]) == ("a", True)
    assert results[1]["error"]["code"] == "bad_request"


async def test_batch__may_be_empty() -> None:
    async with served(FakeMarket()) as client:
        results = await sent(client, [])
        lines = await client.post("/tasks/batch", content=b"\n", headers=LINES)

    assert results == []
    assert lines.json() == {"results": []}


async def test_batch__tells_each_item_what_refused_it() -> None:
    market = FakeMarket()
    async with served(market) as client:
        market.failure = RequestRefused(429, "busy", "8192 statements wait")
        busy = await sent(client, [{"text": "a"}])
        market.failure = StoreError("disk full")
        broken = await sent(client, [{"text": "a"}])

    assert busy == [{"error": {"code": "busy", "message": "8192 statements wait"}}]
    assert broken[0]["error"]["code"] == "unavailable"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{}", "application/json", 400, "bad_request"),
        (b"", "application/json", 400, "bad_request"),
        (b"[1", "application/json", 400, "bad_request"),
        (b"[]", "text/plain", 415, "not_json"),
        (b"[" + b"1," * BATCH_TASKS_MAX + b"1]", "application/json", 400, "too_many_tasks"),
        (b" " * (BATCH_BYTES_MAX + 1), "application/x-ndjson", 413, "body_too_large"),
    ],
)
async def test_batch__is_refused_as_a_whole(body: bytes, kind: str, status: int, code: str) -> None:
    market = FakeMarket()
    async with served(market) as client:
        answer = await client.post("/tasks/batch", content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert market.requests == []


async def test_batch__has_a_body_limit_of_its_own() -> None:
    market = FakeMarket()
    items = [{"text": "x" * 4_000} for _ in range(900)]
    async with served(market) as client:
        results = await sent(client, items)
        single = await client.post("/tasks", json=items)

    assert len({one["task_id"] for one in results}) == len(items)
    assert (single.status_code, single.json()["code"]) == (413, "body_too_large")


async def test_batch__is_served_to_so_many_at_a_time() -> None:
    class SlowMarket(FakeMarket):
        async def submit(self, request: SubmitRequest) -> str:
            begun.release()
            await go_on.wait()
            return await super().submit(request)

    begun, go_on = trio.Semaphore(0), trio.Event()
    statuses: list[int] = []
    async with served(SlowMarket()) as client:

        async def send() -> None:
            answer = await client.post("/tasks/batch", json=[{"text": "a"}])
            statuses.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(LARGE_BODIES_MAX):
                nursery.start_soon(send)
            for _ in range(LARGE_BODIES_MAX):
                await begun.acquire()
            refused = await client.post("/tasks/batch", json=[])
            go_on.set()
        after = await client.post("/tasks/batch", json=[])

    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert statuses == [200] * LARGE_BODIES_MAX
    assert after.status_code == 200
