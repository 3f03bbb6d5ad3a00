"""F1: a whole node outlives a hundred of every one-packet killer, and works on within a second."""

import contextlib
import itertools
import os
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from node.config import make_network
from node.exchange import Comparison, pack_blobs, pack_comparison, pack_wanted
from protocol.canonical import pack
from protocol.gossip import pack_gossip
from protocol.keys import Signer
from protocol.params import Network, NetworkParams, network_of
from protocol.record import Verified, seal
from protocol.statements import Profile
from protocol.topics import topics_of
from tests.loopback.intruder import LINGER_S, MESHSUB, Target, intruder, varint
from tests.loopback.killers import KILLERS, Killer, attempt
from tests.loopback.nodes import RealNode, Street, street, wait_final

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

PING = "/ipfs/ping/1.0.0"
TIMES = 100 if os.environ.get("AIMARKET_LONG") else 10  # a hundred is what was promised
AT_ONCE = 5  # attackers at a time; more from one address meet the half-open limit instead
SERVE_WITHIN_S = 1.0
CALM, BUSY_FACTOR = 20, 3.0  # tasks without strangers, and how much longer one with them may take
WORKED_MAX = 3  # times that it is asked where it took too long: a node that was hurt stays slow
GROWTH_BYTES_MAX = 48 * 1024 * 1024  # measured: 21 MiB, half of it after the first 1 MiB request
SILENT_STRANGERS = 12
ELSEWHERE = network_of(NetworkParams(genesis=b"another network!", name="elsewhere"))
NESTED = b"\x91" * 5_000 + b"\x90"

WHOLE_REQUESTS = (
    b"",
    b"\xc1",
    os.urandom(300),
    NESTED,
    b"\xdd\xff\xff\xff\xff",  # a list of four thousand million, of which none comes
    b"\xc6\xff\xff\xff\xff",
    pack([True, b""]),
    pack_comparison(Comparison(0, b"", b"\x61" + b"\x00\x00\x01" * 20_000)),
    pack_comparison(Comparison(2**53 - 1, bytes(16), b"\x61\x00\x00\x02\x00")),
    pack_comparison(Comparison(0, b"", b"\x61\x00\x00\x01" + os.urandom(16))),
    pack_wanted(b"", [os.urandom(32) for _ in range(512)]),
    pack([os.urandom(32) for _ in range(512)]),
    pack([os.urandom(32) for _ in range(513)]),
    pack_blobs([os.urandom(200) for _ in range(100)]),
)
REQUESTS = itertools.cycle(WHOLE_REQUESTS)


def framed(request: bytes) -> bytes:
    return struct.pack(">H", len(request)) * bool(request) + request + struct.pack(">H", 0)


async def whole_requests(target: Target) -> None:
    request = next(REQUESTS)
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(framed(request))
        await trio.sleep(LINGER_S)


async def oversize_everywhere(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            for _ in range(3):
                await stream.write(struct.pack(">H", 60_000) + bytes(60_000))
        await trio.sleep(LINGER_S)


async def half_open_streams(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols * 3:
            await stranger.open(protocol)
        await trio.sleep(LINGER_S)


async def wrong_records(target: Target) -> None:
    foreign = a_profile(ELSEWHERE).raw
    packed = [
        pack_gossip([foreign]),
        pack_gossip([foreign[:-1] + bytes([foreign[-1] ^ 1])]),
        pack_gossip([os.urandom(100)] * 64),
        NESTED,
        b"\xdd\xff\xff\xff\xff",
    ]
    for topic in target.topics:
        messages = [rpc_pb2.Message(data=data, topicIDs=[topic]) for data in packed]
        async with intruder(target) as stranger:
            await stranger.gossip(*(rpc_pb2.RPC(publish=[message]) for message in messages))
            await trio.sleep(LINGER_S)


async def junk_on_everything_served(target: Target) -> None:
    """Whatever the node says it serves, a protocol of tomorrow included."""
    async with intruder(target) as stranger:
        for protocol in await stranger.served():
            for junk in (os.urandom(200), varint(100) + b"only this much", varint(2**31)):
                with contextlib.suppress(Exception):  # it hung up on that stream
                    stream = await stranger.open(protocol)
                    await stream.write(junk)
                    await stream.close()
        await trio.sleep(LINGER_S)


MARKET_KILLERS: tuple[Killer, ...] = (
    junk_on_everything_served,
    whole_requests,
    oversize_everywhere,
    half_open_streams,
    wrong_records,
)


def a_profile(network: Network) -> Verified:
    signer = Signer(os.urandom(32))
    return seal([Profile(0, "mallory", "x")], signer=signer, created_ms=1, network=network)


@pytest.mark.e2e
@pytest.mark.timeout(400)
async def test_killers__leave_a_node_working_and_hardly_larger(tmp_path: Path) -> None:
    started_s = time.monotonic()
    with street(tmp_path) as town:
        victim, bob = town.open("victim", "bob")
        target = target_of(victim, town)
        for killer in (*KILLERS, *MARKET_KILLERS):  # imports, caches and pools grow once
            await attack(killer, target, 3)
        # On a machine that has more to do than this a node takes its time without strangers, too.
        within_s = max(SERVE_WITHIN_S, BUSY_FACTOR * max(works(victim, bob) for _ in range(CALM)))
        before, records = victim.rss_bytes(), victim.status()["records"]

        report, asked = [], 0
        for killer in (*KILLERS, *MARKET_KILLERS):
            attacked_s = time.monotonic()
            await attack(killer, target, TIMES)
            attacked_s = time.monotonic() - attacked_s
            waits_s = [works(victim, bob)]
            while waits_s[-1] > within_s and len(waits_s) < WORKED_MAX:
                waits_s.append(works(victim, bob))
            asked += len(waits_s)
            grown = (victim.rss_bytes() - before) / 2**20
            name = getattr(killer, "__name__", str(killer))
            waited = ", ".join(f"{wait_s:.3f}" for wait_s in waits_s)
            line = f"{name}: {attacked_s:.1f} s, worked in {waited} s, {grown:+.1f} MiB"
            print(line, flush=True)
            report.append((line, waits_s[-1]))

        print(victim.status()["counters"])
        print(f"the whole attack took {time.monotonic() - started_s:.1f} s")
        assert [line for line, worked_s in report if worked_s > within_s] == []
        assert victim.rss_bytes() - before < GROWTH_BYTES_MAX, report
        ours = asked * 4  # the task, its commit, its jury, its reveal
        assert victim.status()["records"] <= records + ours, "a stranger's junk was stored"
        assert "Traceback" not in victim.words()
        assert victim.stop() == 0


@pytest.mark.e2e
async def test_killers__know_every_stream_a_node_serves(tmp_path: Path) -> None:
    with street(tmp_path) as town:
        node = town.node("alice")
        node.launch()
        node.wait_serving()
        target = target_of(node, town)
        async with intruder(target) as stranger:
            served = await stranger.served()

    ours = {one for one in served if one.startswith("/aimarket/")}
    assert ours == set(target.protocols)
    assert {"/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", MESHSUB} <= set(served)


@pytest.mark.e2e
async def test_silent_strangers__do_not_keep_a_node_from_a_friend(tmp_path: Path) -> None:
    with street(tmp_path) as town:
        victim, carol = town.node("victim"), town.node("carol")
        victim.launch()
        carol.launch()
        carol.wait_ready()
        carol.submit("told to nobody yet")
        carol.kill()
        victim.wait_ready()
        async with strangers(target_of(victim, town), SILENT_STRANGERS):
            await soon(lambda: victim.status()["peers"] >= SILENT_STRANGERS, within_s=10)

            carol.launch("--bootstrap", victim.address)
            carol.wait_serving()
            joined_s = time.monotonic()
            # A profile is published once, so hers has to be fetched: after two profiles, her task
            # and the seal of it, nothing is missing.
            await soon(lambda: victim.status()["records"] >= 4, within_s=10)
            equal_s = time.monotonic() - joined_s

        print(f"\n{SILENT_STRANGERS} silent strangers, a friend heard after {equal_s:.1f} s")


def target_of(node: RealNode, town: Street) -> Target:
    topics = topics_of(make_network(name=None, genesis=town.genesis).network_id)
    _, _, host, _, port, _, peer_id = node.address.split("/")
    return Target(
        host,
        int(port),
        peer_id,
        (topics.records, topics.presence),
        (
            topics.compare_stream,
            topics.records_stream,
            topics.push_stream,
            topics.presence_stream,
            topics.leaderboard_stream,
        ),
    )


async def attack(killer: Killer, target: Target, times: int) -> None:
    left = iter(range(times))

    async def one_after_the_other() -> None:
        for _ in left:
            await attempt(killer, target)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one_after_the_other)


def works(victim: RealNode, bob: RealNode) -> float:
    """Return how long the victim took to be healthy and to judge a task of an honest peer."""
    started_s = time.monotonic()
    assert victim.call("GET", "/health") == (200, {"ok": True})
    wait_final(bob, [bob.submit("still here?", seats=1)], within_s=20)
    return time.monotonic() - started_s


async def soon(question: Callable[[], bool], *, within_s: float) -> None:
    """Ask until the answer is yes; ours may act meanwhile."""
    with trio.fail_after(within_s):
        while not await trio.to_thread.run_sync(question):  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


@asynccontextmanager
async def strangers(target: Target, count: int) -> AsyncIterator[None]:
    """Keep some connected that follow every topic, as peers do, and never answer anything."""
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            await nursery.start(stay_silent, target)
        yield
        nursery.cancel_scope.cancel()


async def stay_silent(
    target: Target, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> None:
    follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in target.topics]
    async with intruder(target) as stranger, trio.open_nursery() as nursery:
        await stranger.gossip(rpc_pb2.RPC(subscriptions=follow))
        task_status.started()
        while True:
            nursery.start_soon(take_and_forget, await stranger.muxed.accept_stream(), target)


async def take_and_forget(stream: YamuxStream, target: Target) -> None:
    """Agree to speak a protocol, and never say a word but in answer to probes."""
    spoken: Any = dict.fromkeys((MESHSUB, PING, *target.protocols), spoken_by_nobody)
    with contextlib.suppress(Exception):  # the node gave up on us
        chosen, _ = await Multiselect(spoken).negotiate(MultiselectCommunicator(stream))
        while chosen == PING:
            await stream.write(await stream.read(32))


async def spoken_by_nobody(_: object) -> None:
    """Stand where the library wants a handler."""
