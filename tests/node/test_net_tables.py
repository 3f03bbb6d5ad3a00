"""F4: what one stranger can have a host remember of it, while it is here and once it is gone."""

import contextlib
import gc
import os
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
import trio
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from node.net.limits import NetLimits
from protocol.ids import PeerId
from tests.loopback.intruder import MESHSUB, Intruder, Target, framed, intruder
from tests.node.net_hosts import LOG, PRESENCE, Station, running, until
from tests.node.test_net_traces import containers

IS_LONG = bool(os.environ.get("AIMARKET_LONG"))
TOPICS = 300_000 if IS_LONG else 6_000
IDS = 25_000
PER_FRAME = 7_500  # ids
TOPICS_PER_FRAME = 60  # as many as no frame is refused for
MESSAGES = 300
SESSIONS = 100
SESSION_S = 0.1
ECHO = "/test/echo"
ENTRIES_MAX = 64  # that one peer may have in any table while it is here
FORGOTTEN_S = 15.0  # sixty were promised
SHORT = NetLimits(seen_s=2.0, reject_window_s=2.0, ban_s=2.0)  # so that a test sees them pass

# Tables of messages, not of peers: the gate lets no more through, and each has a bound of its own.
OF_MESSAGES = {
    "._pubsub.seen_messages._first_seen_s": SHORT.seen_max,
    "._router.mcache.msgs": MESSAGES + 10,  # of the last heartbeats
    "._router.mcache.history[]": MESSAGES + 10,
}
OUR_OWN = frozenset({"._counters._totals"})  # by names that are in the code


def grown(station: Station, before: "Counter[str]") -> dict[str, int]:
    """Return by how much each table is larger than before."""
    gc.collect()
    now = containers(station.net)
    larger = {path: size - before[path] for path, size in now.items() if size > before[path]}
    return {path: more for path, more in larger.items() if path not in OUR_OWN}


def invented_topics() -> Iterator[rpc_pb2.RPC]:
    for at in range(0, TOPICS, TOPICS_PER_FRAME):
        names = [f"{at + number:x}" for number in range(TOPICS_PER_FRAME)]
        control = rpc_pb2.ControlMessage(
            graft=[rpc_pb2.ControlGraft(topicID=name) for name in names],
            prune=[rpc_pb2.ControlPrune(topicID=name, backoff=2**40) for name in names],
        )
        named = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=name) for name in names]
        yield rpc_pb2.RPC(control=control, subscriptions=named)


def unknown_ids() -> Iterator[rpc_pb2.RPC]:
    for _ in range(0, IDS, PER_FRAME):
        ids = [os.urandom(32) for _ in range(PER_FRAME)]
        have = rpc_pb2.ControlIHave(topicID=LOG, messageIDs=ids)
        yield rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=[have]))
        want = rpc_pb2.ControlIWant(messageIDs=ids)
        yield rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=[want]))


def new_messages() -> Iterator[rpc_pb2.RPC]:
    for _ in range(MESSAGES):
        yield rpc_pb2.RPC(publish=[rpc_pb2.Message(data=os.urandom(20), topicIDs=[LOG])])


ATTACKS = (new_messages, invented_topics, unknown_ids)


async def say(stream: YamuxStream, station: Station, rpcs: Iterable[rpc_pb2.RPC]) -> None:
    """Send frames, and wait until the host has read them all."""
    for rpc in rpcs:
        await stream.write(framed(rpc.SerializeToString()))
    last = os.urandom(20)
    rpc = rpc_pb2.RPC(publish=[rpc_pb2.Message(data=last, topicIDs=[LOG])])
    await stream.write(framed(rpc.SerializeToString()))
    await until(lambda: last in station.messages(), within_s=60)


async def open_sessions(stranger: Intruder, count: int) -> None:
    """Begin requests that never come; the host refuses most of them."""
    for _ in range(count):
        with trio.move_on_after(SESSION_S), contextlib.suppress(MultiselectClientError):
            await stranger.open(ECHO)


@pytest.mark.timeout(400 if IS_LONG else 120)
async def test_host__has_few_entries_for_a_peer_and_none_once_it_is_gone() -> None:
    ann = Station("ann")
    ann.build(limits=SHORT, answerers={ECHO: echo})
    follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in (LOG, PRESENCE)]
    seen = ann.net._pubsub.seen_messages
    async with running(ann):
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        async with intruder(target) as first:  # what is made once is there from now on
            await say(await first.open(MESHSUB), ann, [rpc_pb2.RPC(subscriptions=follow)])
            await open_sessions(first, 1)
        await until(lambda: not ann.net.peers())
        before, most = containers(ann.net), Counter[str]()

        async with intruder(target) as stranger:
            stream = await stranger.open(MESHSUB)
            await say(stream, ann, [rpc_pb2.RPC(subscriptions=follow)])
            for attack in ATTACKS:
                await say(stream, ann, attack())
                most |= Counter(grown(ann, before))
            await open_sessions(stranger, SESSIONS)
            most |= Counter(grown(ann, before))
            assert len(ann.net.peers()) == 1, "it was hung up on"
        await until(lambda: not ann.net.peers())
        left_s = trio.current_time()

        def is_forgotten() -> bool:
            seen.has(b"whatever comes next")  # it has those forgotten whose time is over
            return not grown(ann, before)

        try:
            await until(is_forgotten, within_s=FORGOTTEN_S)
        except trio.TooSlowError:
            raise AssertionError(f"left behind: {grown(ann, before)}") from None

    print(
        f"\nat most {most.most_common(6)}, gone {trio.current_time() - left_s:.1f} s after it left"
    )
    assert len(ann.messages()) > MESSAGES, "the attack never arrived"
    assert most["._router.mcache.msgs"] > ENTRIES_MAX, "none of it was seen in the tables"
    over = {path: n for path, n in most.items() if n > OF_MESSAGES.get(path, ENTRIES_MAX)}
    assert over == {}


async def echo(peer_id: PeerId, request: bytes) -> bytes:
    await trio.lowlevel.checkpoint()
    return request
