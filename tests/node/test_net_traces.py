"""What strangers leave in a host once they are gone: nothing that grows with their number."""

import gc
import os
import types
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2

from node.net.host import NetHost
from tests.loopback.intruder import Intruder, Target, intruder
from tests.node.net_hosts import LOG, PRESENCE, Station, running, until

STRANGERS = 40
AT_ONCE = 8
NAMES = 60  # of each kind in one frame, each invented
SETTLED_S = 15.0  # heartbeats, after which nothing may be left; sixty seconds were promised
LEFT_MAX = STRANGERS // 4  # what one container may have grown by: half of what one entry each is

# Bounded by a number, not by who is here: the peer store of the library (1,000 peers).
BOUNDED = frozenset({"peer_data_map"})


def containers(root: object) -> Counter[str]:
    """Return how many entries a host has in all containers that it reaches by each way."""
    sizes: Counter[str] = Counter()
    seen: set[int] = set()
    waiting: deque[tuple[str, object]] = deque([("", root)])
    while waiting:
        path, each = waiting.popleft()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dict | list | set | deque):
            sizes[path] += len(each)
        waiting.extend((f"{path}{name}", found) for name, found in parts(each))
    return sizes


def parts(each: object) -> Iterator[tuple[str, Any]]:
    if isinstance(each, dict):
        if len(each) < 50:
            yield from ((f"[{type(k).__name__}]", v) for k, v in each.items())
    elif isinstance(each, list | tuple | set | deque):
        if len(each) < 50:
            yield from (("[]", found) for found in each)
    elif isinstance(each, types.MethodType):
        yield "", each.__self__
    elif type(each).__module__.split(".")[0] in ("libp2p", "node"):
        yield from ((f".{name}", found) for name, found in vars_of(each).items())


def vars_of(each: object) -> dict[str, object]:
    found = dict(getattr(each, "__dict__", {}))
    for kind in type(each).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(each, name):
                found[name] = getattr(each, name)
    return found


def grown(net: NetHost, before: dict[str, int]) -> dict[str, int]:
    gc.collect()
    return {
        path: size - before.get(path, 0)
        for path, size in containers(net).items()
        if size - before.get(path, 0) > LEFT_MAX and path.rpartition(".")[2] not in BOUNDED
    }


async def leave_traces(stranger: Intruder) -> None:
    """Name everything a gossip frame can name, of ours and invented."""
    names = [os.urandom(8).hex() for _ in range(NAMES)]
    ids = [os.urandom(32) for _ in range(NAMES)]
    control = rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID=name) for name in (LOG, *names)],
        prune=[rpc_pb2.ControlPrune(topicID=name, backoff=2**40) for name in (PRESENCE, *names)],
        ihave=[rpc_pb2.ControlIHave(topicID=LOG, messageIDs=ids)],
        iwant=[rpc_pb2.ControlIWant(messageIDs=ids)],
    )
    topics = [LOG, PRESENCE, *names]
    follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in topics]
    await stranger.gossip(
        rpc_pb2.RPC(subscriptions=follow),
        rpc_pb2.RPC(control=control),
        rpc_pb2.RPC(publish=[rpc_pb2.Message(data=b"same", topicIDs=[LOG], seqno=os.urandom(8))]),
    )


@pytest.mark.timeout(60)
async def test_strangers__leave_nothing_that_grows_with_their_number() -> None:
    ann = Station("ann")
    ann.build()
    async with running(ann):
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        left = iter(range(STRANGERS))

        async def come_and_go() -> None:
            for _ in left:
                async with intruder(target) as stranger:
                    await leave_traces(stranger)
                    await until(lambda: stranger_is_heard(ann))

        async with intruder(target) as first:
            await leave_traces(first)
            await until(lambda: len(ann.net.peers()) == 1)
        await until(lambda: not ann.net.peers())
        before = containers(ann.net)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(come_and_go)
        await until(lambda: not ann.net.peers())

        try:
            await until(lambda: not grown(ann.net, before), within_s=SETTLED_S)
        except trio.TooSlowError:
            raise AssertionError(f"left behind: {grown(ann.net, before)}") from None


def stranger_is_heard(station: Station) -> bool:
    return bool(station.net.stats().get("gossip_messages_in"))
