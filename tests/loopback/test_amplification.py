"""F4: what a stranger sends brings neither much more in answer, nor memory that stays."""

import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from node.config import make_network
from node.net.seen import content_id
from protocol.gossip import pack_gossip
from protocol.keys import Signer
from protocol.record import seal
from tests.builders import a_task
from tests.loopback.intruder import MESHSUB, Intruder, Target, framed, intruder
from tests.loopback.nodes import street, until
from tests.loopback.test_live_killers import PING, spoken_by_nobody, target_of

IDS = 25_000
IS_LONG = bool(os.environ.get("AIMARKET_LONG"))
TOPICS = 300_000 if IS_LONG else 30_000
TOGGLES = 500
PER_FRAME = 7_500  # ids, so that a frame is hardly shorter than may be
TOPICS_PER_FRAME = 60  # as many as no frame is refused for
CUTS_MAX = 50
FACTOR_MAX = 10
BYTES_A_SECOND_MAX = 2**20
ENTRIES_MAX = 64  # of one stranger in any table
COPIES_MAX = 3  # of one message for one peer
SLACK_BYTES = 32 * 1024  # a handshake, identify, and what is gossiped to any peer meanwhile
GROWTH_BYTES_MAX = 32 * 2**20
STAY_S = 2.0
FIRST_S = 20.0  # for a message to be at the end of its way through a busy node
# Two of the strangers say a task each, which is in the log for good: its author is known from then
# on, and the answer that the node sealed waits for the jury. How fast an author speaks is forgotten
# when the next one does. All these tables are bounded.
OF_RECORDS = {"authors": 2, "authors_paced": 2, "sealed_answers_without_a_jury": 2}
FORGOTTEN_S = 60.0
ENTRIES = re.compile(r'^aimarket_table_entries\{table="([^"]+)"\} (\S+)$', re.MULTILINE)
LIMITS = re.compile(r'^aimarket_table_limit\{table="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass
class Toll:
    """Who called the target, each under a name of his own, and what went there and came back.

    Attributes:
        callers: How many connections were made.
        sent: Bytes on the wire to the target.
        came: Bytes on the wire from it.
    """

    callers: int = 0
    sent: int = 0
    came: int = 0


@asynccontextmanager
async def counted(target: Target) -> AsyncIterator[tuple[Target, Toll]]:
    """Lend a way to the target on which every byte is counted."""
    toll = Toll()

    async def carry(one: trio.SocketStream, other: trio.SocketStream, *, out: bool) -> None:
        try:
            async for piece in one:
                if out:
                    toll.sent += len(piece)
                else:
                    toll.came += len(piece)
                await other.send_all(piece)
            await other.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side hung up

    async def serve(near: trio.SocketStream) -> None:
        toll.callers += 1
        far = await trio.open_tcp_stream(target.host, target.port)
        async with far, trio.open_nursery() as nursery:
            nursery.start_soon(lambda: carry(near, far, out=True))
            nursery.start_soon(lambda: carry(far, near, out=False))

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        yield replace(target, port=port), toll
        nursery.cancel_scope.cancel()


Send = Callable[[Target, bytes], Awaitable[None]]


def a_message(genesis: str) -> bytes:
    """Make a large message that is as it should be, so that it is kept and can be asked for."""
    record = seal(
        [a_task(os.urandom(7_000).hex(), task_type="echo", model_digest=b"")],
        signer=Signer(os.urandom(32)),
        created_ms=int(time.time() * 1_000),
        network=make_network(name=None, genesis=genesis),
    )
    return pack_gossip([record.raw])


def follow(target: Target) -> rpc_pb2.RPC:
    """Say that we follow all topics, so that we are worth an answer."""
    topics = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in target.topics]
    return rpc_pb2.RPC(subscriptions=topics)


async def tell(target: Target, frames: Sequence[rpc_pb2.RPC]) -> None:
    """Send frames, under another name whenever we are cut off, and stay for the answers."""
    left = iter(frames)
    for _ in range(CUTS_MAX):
        with contextlib.suppress(Exception, BaseExceptionGroup):  # the node hung up on us
            async with intruder(target) as stranger, trio.open_nursery() as nursery:
                nursery.start_soon(hear, stranger)
                stream = await stranger.open(MESHSUB)
                await stream.write(framed(follow(target).SerializeToString()))
                for frame in left:
                    await stream.write(framed(frame.SerializeToString()))
                await trio.sleep(STAY_S)
                nursery.cancel_scope.cancel()
                return


async def hear(stranger: Intruder, heard: Callable[[bytes], object] = len) -> None:
    """Take whatever stream is opened to us, and read what comes."""
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(swallow, await stranger.muxed.accept_stream(), heard)


async def swallow(stream: YamuxStream, heard: Callable[[bytes], object]) -> None:
    spoken: Any = dict.fromkeys((MESHSUB, PING), spoken_by_nobody)
    with contextlib.suppress(Exception):  # it gave up on us
        await Multiselect(spoken).negotiate(MultiselectCommunicator(stream))
        while piece := await stream.read(65_536):
            heard(piece)


async def repeated_wants(target: Target, message: bytes) -> None:
    said = rpc_pb2.Message(data=message, topicIDs=[target.topics[0]])
    once, often = (
        rpc_pb2.ControlIWant(messageIDs=[content_id(said)] * count) for count in (1, PER_FRAME)
    )
    first, more = (
        rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=[want])) for want in (once, often)
    )
    await say_and_ask(target, message, [first], [more] * 4)


async def following_and_leaving(target: Target, message: bytes) -> None:
    """Leave and follow again, to be sent anew what was said of late."""
    left, back = (  # a frame each: of one frame the last of a topic counts
        rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=one, topicid=target.topics[0])])
        for one in (False, True)
    )
    await say_and_ask(target, message, [left, back], [left, back] * TOGGLES)


async def say_and_ask(
    target: Target, message: bytes, first: Sequence[rpc_pb2.RPC], more: Sequence[rpc_pb2.RPC]
) -> None:
    """Say a message, ask for it until it comes, and then go on asking."""
    said = rpc_pb2.Message(data=message, topicIDs=[target.topics[0]])
    pieces: list[bytes] = []
    with contextlib.suppress(Exception, BaseExceptionGroup):  # the node hung up on us
        async with intruder(target) as stranger, trio.open_nursery() as nursery:
            nursery.start_soon(hear, stranger, pieces.append)
            stream = await stranger.open(MESHSUB)
            for frame in (follow(target), rpc_pb2.RPC(publish=[said])):
                await stream.write(framed(frame.SerializeToString()))
            with trio.move_on_after(FIRST_S):  # until it was taken, and is told
                while len(b"".join(pieces)) < len(message):
                    for frame in first:
                        await stream.write(framed(frame.SerializeToString()))
                    await trio.sleep(0.05)
            for frame in more:
                await stream.write(framed(frame.SerializeToString()))
            await trio.sleep(STAY_S)
            nursery.cancel_scope.cancel()


async def unknown_ids(target: Target, message: bytes) -> None:
    frames = []
    for _ in range(IDS // PER_FRAME + 1):
        ids = [os.urandom(32) for _ in range(PER_FRAME)]
        have = rpc_pb2.ControlIHave(topicID=target.topics[0], messageIDs=ids)
        frames.append(rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=[have])))
    await tell(target, frames)


async def invented_topics(target: Target, message: bytes) -> None:
    """Name every topic in a graft, a prune and a subscription."""
    frames = []
    for at in range(0, TOPICS, TOPICS_PER_FRAME):
        names = [f"{at + number:x}" for number in range(TOPICS_PER_FRAME)]
        grafts = [rpc_pb2.ControlGraft(topicID=name) for name in names]
        prunes = [rpc_pb2.ControlPrune(topicID=name, backoff=2**40) for name in names]
        named = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=name) for name in names]
        frames.append(rpc_pb2.RPC(control=rpc_pb2.ControlMessage(graft=grafts)))
        frames.append(rpc_pb2.RPC(control=rpc_pb2.ControlMessage(prune=prunes)))
        frames.append(rpc_pb2.RPC(subscriptions=named))
    await tell(target, frames)


async def idle_sessions(target: Target, message: bytes) -> None:
    with contextlib.suppress(Exception, BaseExceptionGroup):  # it has enough of us
        async with intruder(target) as stranger:
            with trio.move_on_after(STAY_S):
                for protocol in target.protocols * 100:
                    await stranger.open(protocol)


def tables(metrics: str, pattern: "re.Pattern[str]") -> dict[str, float]:
    return {name: float(value) for name, value in pattern.findall(metrics)}


@pytest.mark.e2e
@pytest.mark.timeout(300)
async def test_node__answers_strangers_with_little_and_forgets_them(tmp_path: Path) -> None:
    attacks: tuple[Send, ...] = (
        repeated_wants,
        following_and_leaving,
        unknown_ids,
        invented_topics,
        idle_sessions,
    )
    with street(tmp_path) as town:
        victim, bob = town.open("victim", "bob")
        target = target_of(victim, town)
        for attack in attacks:  # imports, caches and pools grow once
            await attack(target, a_message(town.genesis))
        before, rss = tables(victim.scrape(), ENTRIES), victim.rss_bytes()
        for attack in attacks:
            message, held = a_message(town.genesis), tables(victim.scrape(), ENTRIES)
            async with counted(target) as (through, toll):
                began_s = trio.current_time()
                await attack(through, message)
                took_s = trio.current_time() - began_s
            answered = max(0, toll.came - SLACK_BYTES)
            told = f"{toll.callers} callers, {toll.sent} bytes sent, {toll.came} came"
            print(f"{attack.__name__}: {told}, {took_s:.1f} s")
            assert answered <= FACTOR_MAX * toll.sent
            if attack in (repeated_wants, following_and_leaving):
                assert len(message) <= toll.came <= COPIES_MAX * len(message) + SLACK_BYTES
            assert answered <= BYTES_A_SECOND_MAX * took_s
            metrics = victim.scrape()
            entries, limits = tables(metrics, ENTRIES), tables(metrics, LIMITS)
            assert {name: n for name, n in entries.items() if n > limits[name]} == {}
            added = {name: n - held.get(name, 0) for name, n in entries.items()}
            assert max(added.values()) <= ENTRIES_MAX * toll.callers, added
        grown = victim.rss_bytes() - rss
        print(f"memory {grown / 2**20:+.1f} MiB")
        assert grown <= GROWTH_BYTES_MAX

        def left() -> dict[str, float]:
            now = tables(victim.scrape(), ENTRIES)
            more = {name: n - before.get(name, 0) for name, n in now.items()}
            return {name: n for name, n in more.items() if n > OF_RECORDS.get(name, 0)}

        def all_left() -> dict[str, float]:
            return {"strangers": victim.status()["peers"] - 1, **left()}

        def is_forgotten() -> bool:
            return not any(all_left().values())

        forgotten = partial(until, is_forgotten, within_s=FORGOTTEN_S, what="strangers forgotten")
        await trio.to_thread.run_sync(forgotten)
        assert bob.is_running
