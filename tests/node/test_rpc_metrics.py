"""What monitoring is told, over a real connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
from prometheus_client import parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from node.rpc.server import serve_rpc
from tests.fakes_market import FakeMarket, FakeMeter, services

TOKEN = "a" * 64
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@asynccontextmanager
async def served(meter: FakeMeter) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(FakeMarket(), meter=meter), port=0, token=TOKEN)
        url = await nursery.start(serve)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield client
        nursery.cancel_scope.cancel()


def families(text: str) -> dict[str, Metric]:
    found = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family for family in found}


async def test_metrics__needs_the_token() -> None:
    async with served(FakeMeter()) as client:
        del client.headers["Authorization"]
        answer = await client.get("/metrics")

    assert answer.status_code == 401


async def test_metrics__is_openmetrics_for_whoever_asks_for_it() -> None:
    meter = FakeMeter()
    meter.note_refusal('odd "words"\n')
    async with served(meter) as client:
        answer = await client.get("/metrics", headers={"Accept": f"{OPENMETRICS},text/plain;q=0.5"})

    found = families(answer.text)
    assert answer.headers["content-type"].startswith(OPENMETRICS)
    assert answer.headers["cache-control"] == "no-store"
    (refused,) = found["a_refusals"].samples
    assert (refused.name, refused.value) == ("a_refusals_total", 1.0)
    assert refused.labels == {"reason": 'odd "words"\n'}
    assert (found["a_wait_seconds"].type, found["a_wait_seconds"].unit) == ("histogram", "seconds")
    assert {"process_cpu_seconds", "python_gc_collections", "python_info"} <= set(found)


@pytest.mark.parametrize(
    "accept",
    ["", "text/plain", "*/*", "application/openmetrics-text; version=abc", "text/plain; version=x"],
)
async def test_metrics__is_the_older_format_for_all_others(accept: str) -> None:
    async with served(FakeMeter()) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    named = {family.name for family in parser.text_string_to_metric_families(answer.text)}
    assert "a_wait_seconds" in named


async def test_refusals__are_counted_by_their_code_whoever_refuses() -> None:
    meter = FakeMeter()
    async with served(meter) as client:
        await client.get("/tasks/" + "11" * 32)
        await client.get("/nowhere")
        await client.post("/tasks", json={"text": 1})
        await client.post("/tasks", content="{}", headers={"Content-Type": "text/plain"})
        await client.get("/status", headers={"Host": "evil.example"})
        await client.get("/status", headers={"Authorization": "Bearer wrong"})
        await client.get("/status")

    assert meter.refused == [
        *("unknown_task", "not_found", "bad_request", "not_json", "wrong_host", "unauthorized")
    ]


async def test_metrics__serves_many_at_once() -> None:
    async with served(FakeMeter()) as client, trio.open_nursery() as nursery:
        found: list[int] = []

        async def scrape() -> None:
            answer = await client.get("/metrics", headers={"Accept": OPENMETRICS})
            found.append(len(families(answer.text)))

        for _ in range(8):
            nursery.start_soon(scrape)

    assert len(found) == 8
    assert len(set(found)) == 1
