"""Checking a certificate over the RPC: it says what `aimarket verify` says, for one at a time."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import httpx
import pytest
import trio

from consensus.certificate_check import check
from node.certificate_file import FILE_BYTES_MAX, pack_certificate
from node.certificate_reading import PARTS_MAX, Unreadable, read_certificate
from node.certificate_words import told_of
from node.rpc import routes_proof
from tests.certificates import a_certificate, of_every_state
from tests.fakes_market import FakeMarket
from tests.node.test_rpc_routes import served

PATH = "/certificates/verify"
KIND = {"Content-Type": "application/json"}
RAW = pack_certificate(a_certificate())


async def verify(client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
    return await client.post(PATH, content=raw, headers=KIND, timeout=60)


@pytest.mark.parametrize("name", sorted(of_every_state()))
async def test_verify__says_what_the_program_says(name: str) -> None:
    task_id, records = of_every_state()[name]
    raw = pack_certificate(a_certificate(records, task_id))
    async with served(FakeMarket()) as client:
        answer = await verify(client, raw)

    told = asdict(told_of(check(read_certificate(raw))))
    assert (answer.status_code, answer.json()) == (200, json.loads(json.dumps(told)))


async def test_verify__says_in_a_line_what_is_wrong() -> None:
    document = json.loads(RAW)
    document["claim"]["answer"] = "negative"
    async with served(FakeMarket()) as client:
        lie = await verify(client, json.dumps(document).encode())
        odd = await verify(client, b"{}")
        text = await verify(client, b"\xff")
        plain = await client.post(PATH, content=RAW, headers={"Content-Type": "text/plain"})
        del client.headers["Authorization"]
        stranger = await verify(client, RAW)

    assert [lie.status_code, odd.status_code, text.status_code] == [400] * 3
    assert lie.json()["code"] == "not_proven"
    assert b"negative".hex() in lie.json()["message"]
    assert odd.json() == {
        "code": "unreadable",
        "message": "format: None, need 'aimarket/certificate/1'",
    }
    assert text.json()["code"] == "unreadable"
    assert (plain.status_code, stranger.status_code) == (415, 401)
    assert not any("\n" in one.json()["message"] for one in (lie, odd, text))


async def test_verify__takes_the_largest_file_and_no_larger_one() -> None:
    padded = RAW.ljust(FILE_BYTES_MAX, b" ")
    async with served(FakeMarket()) as client:
        largest = await verify(client, padded)
        larger = await verify(client, padded + b" ")

    assert largest.status_code == 200
    assert (larger.status_code, larger.json()["code"]) == (413, "body_too_large")


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every check begin and not end; tells when one has begun."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(raw: bytes) -> object:
        begun.set()
        assert go_on.wait(20)
        return read_certificate(raw)

    monkeypatch.setattr(routes_proof, "read_certificate", slow)
    try:
        yield begun
    finally:
        go_on.set()


async def test_verify__checks_one_at_a_time_and_holds_nobody_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served(FakeMarket()) as client:
        async with trio.open_nursery() as nursery:
            with held_up(monkeypatch) as begun:
                nursery.start_soon(verify, client, RAW)
                await trio.to_thread.run_sync(begun.wait)

                second = await verify(client, RAW)
                others = await client.get("/status")
        third = await verify(client, RAW)

    assert (second.status_code, second.json()["code"]) == (429, "busy")
    assert (others.status_code, third.status_code) == (200, 200)


async def test_verify__counts_a_check_whose_asker_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(FakeMarket()) as client:
        with held_up(monkeypatch) as begun:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(verify, client, RAW)
                await trio.to_thread.run_sync(begun.wait)
                nursery.cancel_scope.cancel()

            second = await verify(client, RAW)
        with trio.fail_after(10):
            while (await verify(client, RAW)).status_code != 200:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.01)

    assert (second.status_code, second.json()["code"]) == (429, "busy")


async def test_verify__does_not_hold_the_node_up_when_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with held_up(monkeypatch) as begun:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery, served(FakeMarket()) as client:
                nursery.start_soon(verify, client, RAW)
                await trio.to_thread.run_sync(begun.wait)
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize("part", [b"[],", b"{},", b"[[[[]]]],", b"1,", b"\n[\t],"])
def test_read_certificate__is_not_made_to_fill_the_memory(part: bytes) -> None:
    raw = b"[" + part * (FILE_BYTES_MAX // len(part) - 2) + b"1]"

    with pytest.raises(Unreadable, match=rf"lists, objects and commas, at most {PARTS_MAX}$"):
        read_certificate(raw)
    with pytest.raises(Unreadable, match=r"^the file: \[\.\.\.\], need an object$"):
        read_certificate(b"[" + part * 100 + b"1]")
