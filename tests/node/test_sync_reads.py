"""Strangers that read much, all at once: the machine's next step waits for little of it."""

import os
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from node.exchange import (
    RECORDS_PER_REQUEST_MAX,
    RESPONSE_BYTES_MAX,
    Comparison,
    pack_comparison,
    pack_wanted,
    read_blobs,
)
from node.sync_reads import NAMES_TOGETHER_MAX
from protocol.ids import PeerId
from protocol.reconcile import initiate
from protocol.reconcile_items import SortedItems
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Node, a_node, some_records

STREAMS = 20
BEYOND_THE_BURST = 3  # so many lists of names that nobody has


def unknown_names() -> bytes:
    return pack_wanted(b"", [os.urandom(8) for _ in range(RECORDS_PER_REQUEST_MAX)])


def a_first_question() -> bytes:
    return pack_comparison(Comparison(0, b"", initiate(SortedItems([]))))


async def ask(node: Node, stream: str, request: bytes, peer: str = "stranger") -> bytes:
    return await node.sync.answerers()[stream](PeerId(peer), request)


def count_lookups(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that grows by a prefix with each scan of the log."""
    looked_up: list[bytes] = []
    scan = node.bench.log.scan

    def counted(prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        looked_up.append(prefix)
        return scan(prefix)

    monkeypatch.setattr(node.bench.log, "scan", counted)
    return looked_up


@pytest.mark.parametrize(
    ("stream", "request_bytes"),
    [
        (TOPICS.records_stream, unknown_names()),
        (TOPICS.compare_stream, a_first_question()),
    ],
    ids=["records", "comparisons"],
)
async def test_reads__of_all_strangers_wait_beside_the_machine_one_at_a_time(
    stream: str, request_bytes: bytes
) -> None:
    alice = a_node("alice")
    async with trio.open_nursery() as nursery:
        async with alice.bench.loop.settled():
            for _ in range(STREAMS):
                nursery.start_soon(ask, alice, stream, request_bytes)
            await trio.testing.wait_all_tasks_blocked()

            assert alice.bench.loop._busy.statistics().tasks_waiting == 1
        nursery.cancel_scope.cancel()


async def test_reads__let_the_machine_go_on_after_a_few_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice = a_node("alice")
    looked_up = count_lookups(alice, monkeypatch)
    seen: list[int] = []

    async def step() -> None:
        async with alice.bench.loop.settled():
            seen.append(len(looked_up))

    async with trio.open_nursery() as nursery, alice.bench.loop.settled():
        nursery.start_soon(ask, alice, TOPICS.records_stream, unknown_names())
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(step)
        await trio.testing.wait_all_tasks_blocked()

    assert seen == [NAMES_TOGETHER_MAX]
    assert len(looked_up) == RECORDS_PER_REQUEST_MAX


async def test_send__looks_up_no_more_names_that_nobody_has_than_the_pace_lets_it(
    mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = a_node("alice")
    looked_up = count_lookups(alice, monkeypatch)
    async with trio.open_nursery() as nursery:
        for _ in range(BEYOND_THE_BURST):
            nursery.start_soon(ask, alice, TOPICS.records_stream, unknown_names())
            await trio.testing.wait_all_tasks_blocked()
        before = len(looked_up)
        nursery.start_soon(ask, alice, TOPICS.records_stream, unknown_names())
        await trio.testing.wait_all_tasks_blocked()

        assert len(looked_up) == before, "it waits before it is served"
        nursery.cancel_scope.cancel()


async def test_send__asks_an_honest_newcomer_for_no_patience(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A page of names and the records they lead to count once."""
    alice = a_node("alice")
    held = some_records("eve", RECORDS_PER_REQUEST_MAX)
    alice.store(held)
    began_s = trio.current_time()
    request = pack_wanted(b"", [one.record_id for one in held])

    for _ in range(50):
        answer = await ask(alice, TOPICS.records_stream, request)

    assert len(answer) <= RESPONSE_BYTES_MAX + 5
    assert len(read_blobs(answer, count_max=2_000, bytes_max=40_000)) > 900
    assert trio.current_time() == began_s
