"""Requests between real hosts on loopback."""

import itertools
from contextlib import AsyncExitStack

import pytest
import trio

from node.errors import PeerFailed
from node.net import streams
from node.net.limits import NetLimits
from protocol.ids import PeerId
from tests.loopback.intruder import Target, intruder
from tests.node.net_hosts import Station, running, until

ECHO = "/test/echo"
FAIL = "/test/fail"
SLOW = "/test/slow"
HUGE = "/test/huge"


async def echo(peer_id: PeerId, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    return request


async def fail(peer_id: PeerId, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    raise PeerFailed("refused")


async def slow(peer_id: PeerId, request: bytes) -> bytes:
    await trio.sleep_forever()
    return b""


async def huge(peer_id: PeerId, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    return bytes(int(request))


def a_pair(**limits: float) -> tuple[Station, Station]:
    asker, answerer = Station("asker"), Station("answerer")
    asker.build(limits=NetLimits(**limits))  # type: ignore[arg-type]
    answerer.build(
        limits=NetLimits(**limits),  # type: ignore[arg-type]
        answerers={ECHO: echo, FAIL: fail, SLOW: slow, HUGE: huge},
    )
    return asker, answerer


@pytest.mark.parametrize("size", [0, 1, 59_999, 60_000, 60_001, 1024 * 1024])
async def test_ask__brings_the_response_whole(size: int) -> None:
    asker, answerer = a_pair()
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        response = await asker.net.ask(peer, ECHO, bytes(size))

        assert response == bytes(size)


async def test_ask__refuses_a_request_over_the_limit() -> None:
    asker, answerer = a_pair()
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        with pytest.raises(PeerFailed, match="1048577 bytes, at most 1048576"):
            await asker.net.ask(peer, ECHO, bytes(1024 * 1024 + 1))


async def test_ask__fails_on_an_oversize_response_and_the_next_one_works() -> None:
    asker, answerer = Station("asker"), Station("answerer")
    asker.build(limits=NetLimits(response_bytes_max=100_000))
    answerer.build(answerers={HUGE: huge})
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        assert len(await asker.net.ask(peer, HUGE, b"100000")) == 100_000
        with pytest.raises(PeerFailed, match="more than 100000 bytes"):
            await asker.net.ask(peer, HUGE, b"100001")
        assert len(await asker.net.ask(peer, HUGE, b"7")) == 7


async def test_ask__fails_when_the_answerer_raises_or_the_protocol_is_unknown() -> None:
    asker, answerer = a_pair()
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        for protocol in (FAIL, "/test/unknown"):
            with pytest.raises(PeerFailed, match="gave no answer"):
                await asker.net.ask(peer, protocol, b"x")

        assert await asker.net.ask(peer, ECHO, b"still here") == b"still here"


async def test_ask__fails_in_time_when_no_answer_comes() -> None:
    asker, answerer = a_pair(ask_s=2.0)
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        with trio.fail_after(10), pytest.raises(PeerFailed, match=r"did not answer .* in 2 s"):
            await asker.net.ask(peer, SLOW, b"x")

        assert await asker.net.ask(peer, ECHO, b"still here") == b"still here"


async def test_ask__fails_when_not_connected() -> None:
    asker, answerer = a_pair()
    async with running(asker, answerer):
        with pytest.raises(PeerFailed, match="not connected"):
            await asker.net.ask(answerer.net.peer_id, ECHO, b"x")


async def test_ask__fails_when_the_peer_leaves_in_the_middle() -> None:
    asker, answerer = a_pair()
    async with running(asker, answerer):
        peer = await asker.net.dial(answerer.net.addresses()[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_soon, answerer, asker.net.peer_id)
            with trio.fail_after(5), pytest.raises(PeerFailed):
                await asker.net.ask(peer, SLOW, b"x")


async def leave_soon(station: Station, peer: PeerId) -> None:
    await trio.sleep(0.2)
    await station.net.hang_up(peer)


async def test_answering__serves_a_few_at_once_and_refuses_the_rest() -> None:
    asker, answerer = a_pair(answers_per_peer_max=2, ask_s=3.0)
    failures: list[str] = []

    async def ask_slowly() -> None:
        try:
            await asker.net.ask(answerer.net.peer_id, SLOW, b"x")
        except PeerFailed as error:
            failures.append(str(error))

    async with running(asker, answerer):
        await asker.net.dial(answerer.net.addresses()[0])
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask_slowly)

        assert sum("did not answer" in failure for failure in failures) == 2
        assert answerer.net.stats()["answers_refused"] == 3
        await until(lambda: answerer.net.stats().get("answers_failed") == 2)
        assert await asker.net.ask(answerer.net.peer_id, ECHO, b"again") == b"again"


@pytest.mark.parametrize(
    ("addresses", "names", "total_max"), [(1, 16, 128), (4, 1, 32)], ids=["one", "a_few"]
)
async def test_answering__leaves_room_whatever_other_addresses_hold(
    addresses: int, names: int, total_max: int
) -> None:
    """However many names are silent at an address, it holds no more than it leaves free."""
    asker, answerer = a_pair(answers_total_max=total_max, request_s=60.0)
    async with running(asker, answerer), AsyncExitStack() as strangers:
        await asker.net.dial(answerer.net.addresses()[0])
        await take_all(answerer, strangers, addresses, names)

        for _ in range(20):
            assert await asker.net.ask(answerer.net.peer_id, ECHO, b"honest") == b"honest"


async def test_answering__leaves_room_for_whom_we_dialled_whoever_else_asks() -> None:
    asker, answerer = a_pair(answers_total_max=32, request_s=60.0)
    async with running(asker, answerer), AsyncExitStack() as strangers:
        await answerer.net.dial(asker.net.addresses()[0])
        await take_all(answerer, strangers, addresses=20, names=1)
        assert answerer.net.stats()["answers_refused"] > 0

        for _ in range(20):
            assert await asker.net.ask(answerer.net.peer_id, ECHO, b"honest") == b"honest"


async def test_answering__counts_a_network_of_ipv6_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has one address of a /64 has as many as a crowd of names needs."""
    addresses = (f"2001:db8::{number:x}" for number in itertools.count(1))
    asker, answerer = a_pair(answers_total_max=32, request_s=60.0)
    async with running(asker, answerer), AsyncExitStack() as strangers:
        await asker.net.dial(answerer.net.addresses()[0])
        is_asker = str(asker.net.peer_id).__eq__
        monkeypatch.setattr(
            streams,
            "ip_of",
            lambda stream: (
                "2001:db8:1::1" if is_asker(str(stream.muxed_conn.peer_id)) else next(addresses)
            ),
        )
        await take_all(answerer, strangers, addresses=1, names=8)

        for _ in range(20):
            assert await asker.net.ask(answerer.net.peer_id, ECHO, b"honest") == b"honest"


async def take_all(
    answerer: Station, strangers: AsyncExitStack, addresses: int, names: int
) -> None:
    """Have strangers open as many requests as they can, and say nothing more."""
    port = int(answerer.net.addresses()[0].split("/")[4])
    for number in range(addresses):
        source = f"127.0.0.{2 + number}"
        target = Target("127.0.0.1", port, answerer.net.peer_id, source=source)
        for _ in range(names):
            stranger = await strangers.enter_async_context(intruder(target))
            for _ in range(8):
                await stranger.open(ECHO)


async def test_ask__a_hundred_at_once_are_all_answered() -> None:
    asker, answerer = a_pair(answers_per_peer_max=32)
    answers: list[bytes] = []

    async def ask_one(number: int) -> None:
        request = str(number).encode() * 500
        response = await asker.net.ask(answerer.net.peer_id, ECHO, request)
        assert response == request
        answers.append(response)

    async with running(asker, answerer):
        await asker.net.dial(answerer.net.addresses()[0])
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask_one, number)

        assert len(answers) == 100
