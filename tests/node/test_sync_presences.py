"""Long lists of who is here, sent or asked for again and again: they keep nobody else waiting."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from node.errors import PeerFailed
from node.exchange import pack_blobs
from protocol.ids import PeerId
from tests.builders import a_presence, a_record
from tests.builders import key as key_of
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Node, a_node, until

PEER = PeerId("stranger")
NEWS = a_record("bo", a_presence())
LISTS = 12
LONG_BYTES = 500_000


async def ask(node: Node, request: bytes) -> bytes:
    return await node.sync.answerers()[TOPICS.presence_stream](PEER, request)


def hears_of_bo(node: Node) -> bool:
    return node.bench.loop.machine.presences.find(key_of("bo")) is not None


async def test_take__does_not_check_what_is_no_news() -> None:
    alice = a_node("alice")
    forged = NEWS.raw[:-1] + bytes([NEWS.raw[-1] ^ 1])
    async with trio.open_nursery() as nursery:
        await nursery.start(alice.bench.loop.run)
        with pytest.raises(PeerFailed, match="signature"):
            await ask(alice, pack_blobs([forged]))
        await ask(alice, pack_blobs([NEWS.raw]))
        await until(lambda: hears_of_bo(alice))

        assert await ask(alice, pack_blobs([NEWS.raw, forged]))
        nursery.cancel_scope.cancel()


async def test_take__needs_none_of_the_threads_that_check_records() -> None:
    alice = a_node("alice")
    for number in range(int(alice.sync._checks.total_tokens)):
        await alice.sync._checks.acquire_on_behalf_of(number)
    async with trio.open_nursery() as nursery:
        await nursery.start(alice.bench.loop.run)
        with trio.fail_after(5):
            await ask(alice, pack_blobs([NEWS.raw]))
            await until(lambda: hears_of_bo(alice))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("request_bytes", "told"),
    [
        (bytes(LONG_BYTES), []),
        (pack_blobs([]), [bytes(1_000)] * (LONG_BYTES // 1_000)),
    ],
    ids=["sent", "asked for"],
)
async def test_answer__has_long_lists_wait(
    request_bytes: bytes,
    told: list[bytes],
    mock_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, served = a_node("alice"), []
    monkeypatch.setattr(alice.bench.loop.machine, "live_presences", lambda now, most: told)

    async def count_served() -> None:
        with suppress(PeerFailed):
            await ask(alice, request_bytes)
        served.append(PEER)

    async with trio.open_nursery() as nursery:
        for _ in range(LISTS):
            nursery.start_soon(count_served)
        await until(lambda: len(served) >= LISTS // 2)
        await trio.testing.wait_all_tasks_blocked(0.05)

        assert len(served) < LISTS
        nursery.cancel_scope.cancel()
