"""Gossip between real hosts on loopback."""

from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from node.errors import DialFailed
from node.net.limits import NetLimits
from node.net.seen import content_id
from node.ports import Relay
from tests.loopback.intruder import MESHSUB, Target, framed, intruder
from tests.node.net_hosts import LOG, PRESENCE, Station, connect, holds, running, until


def verdict_by_prefix(data: bytes) -> Relay:
    if data.startswith(b"reject"):
        return Relay.REJECT
    return Relay.IGNORE if data.startswith(b"ignore") else Relay.ACCEPT


async def test_gossip__travels_along_a_line_only_where_the_gate_accepts_it() -> None:
    ann, bob, cat = Station("ann"), Station("bob", verdict_by_prefix), Station("cat")
    for station in (ann, bob, cat):
        station.build()
    async with running(ann, bob, cat):
        await connect(ann, bob)
        await connect(bob, cat)

        for data in (b"reject me", b"ignore me", b"accept me"):
            await ann.net.publish(LOG, data)
        await until(lambda: b"accept me" in cat.messages())

        assert await holds(lambda: cat.messages() == [b"accept me"], for_s=1.5)
        assert sorted(bob.messages()) == [b"accept me", b"ignore me", b"reject me"]
        assert ann.messages() == []
        assert bob.net.stats()["gossip_rejected"] == 1
        assert bob.net.stats()["gossip_ignored"] == 1


async def test_gossip__reaches_each_gate_once_whatever_the_number_of_paths() -> None:
    stations = [Station(name) for name in ("ann", "bob", "cat", "dan")]
    for station in stations:
        station.build()
    async with running(*stations):
        for index, one in enumerate(stations):
            for other in stations[index + 1 :]:
                await connect(one, other)

        sent = [f"message {number}".encode() for number in range(20)]
        for data in sent:
            await stations[0].net.publish(PRESENCE, data)
        await until(lambda: all(len(s.heard) >= 20 for s in stations[1:]))

        assert await holds(lambda: all(len(s.heard) == 20 for s in stations[1:]), for_s=1.5)
        assert stations[0].heard == []
        assert all(sorted(s.messages()) == sorted(sent) for s in stations[1:])


async def test_publish__two_hundred_at_once_all_arrive() -> None:
    ann, bob = Station("ann"), Station("bob")
    ann.build()
    bob.build()
    async with running(ann, bob):
        await connect(ann, bob)

        sent = {f"message {number}".encode() * 20 for number in range(200)}
        for data in sent:
            await ann.net.publish(LOG, data)
        await until(lambda: len(bob.heard) >= 200)

        assert set(bob.messages()) == sent


async def test_publish__one_full_message_arrives_and_a_longer_one_is_refused() -> None:
    ann, bob = Station("ann"), Station("bob")
    ann.build()
    bob.build()
    async with running(ann, bob):
        await connect(ann, bob)

        await ann.net.publish(LOG, bytes(60_000))
        await until(lambda: bob.messages() == [bytes(60_000)])

        with pytest.raises(ValueError, match="60001 bytes"):
            await ann.net.publish(LOG, bytes(60_001))


async def test_restart__with_the_same_key_is_heard_at_once() -> None:
    bob = Station("bob")
    bob.build()
    async with running(bob):
        for life in range(3):
            ann = Station("ann")
            ann.build()
            async with running(ann):
                await connect(ann, bob)
                data = f"life {life}".encode()
                await ann.net.publish(LOG, data)
                await until(partial(hears, bob, data))
                await bob.net.publish(LOG, b"to " + data)
                await until(partial(hears, ann, b"to " + data))


def hears(station: Station, data: bytes) -> bool:
    return data in station.messages()


async def test_gossip__survives_a_gate_that_raises() -> None:
    def broken(data: bytes) -> Relay:
        if data == b"boom":
            raise RuntimeError("a mistake of ours")
        return Relay.ACCEPT

    ann, bob = Station("ann"), Station("bob", broken)
    ann.build()
    bob.build()
    async with running(ann, bob):
        await connect(ann, bob)

        await ann.net.publish(LOG, b"boom")
        await ann.net.publish(LOG, b"after")
        await until(lambda: b"after" in bob.messages())

        assert bob.net.stats()["gossip_gate_failed"] == 1


async def test_rejects__make_us_hang_up_and_refuse_the_peer() -> None:
    ann, bob = Station("ann"), Station("bob", lambda data: Relay.REJECT)
    ann.build()
    bob.build(limits=NetLimits(rejects_max=3))
    async with running(ann, bob):
        await connect(ann, bob)

        for number in range(3):
            await ann.net.publish(LOG, f"bad {number}".encode())
        await until(lambda: not bob.net.peers() and not ann.net.peers())

        assert bob.net.stats()["peers_banned"] == 1
        await until(lambda: bob.watched == [(ann.net.peer_id, True), (ann.net.peer_id, False)])
        with suppress(DialFailed):
            await ann.net.dial(bob.net.addresses()[0])
        await until(lambda: not bob.net.peers() and not ann.net.peers())
        assert bob.watched == [(ann.net.peer_id, True), (ann.net.peer_id, False)]


async def test_gossip__a_slow_gate_drops_by_count_and_does_not_remember_what_it_dropped() -> None:
    ann, bob = Station("ann"), Station("bob")
    asked, opened = trio.Event(), trio.Event()

    async def slow(topic: str, data: bytes, forwarder: str) -> Relay:
        asked.set()
        await opened.wait()
        bob.heard.append((topic, data, bob.net.peer_id))
        return Relay.ACCEPT

    bob.gate = slow  # type: ignore[method-assign]
    ann.build()
    bob.build(limits=NetLimits(queue_per_peer_max=4, gate_tasks=1))
    async with running(ann, bob):
        await connect(ann, bob)

        await ann.net.publish(LOG, b"at the gate, so that it does not wait before it")
        await asked.wait()
        for number in range(9):
            await ann.net.publish(LOG, f"message {number}".encode())
        await until(lambda: bob.net.stats().get("gossip_overflow", 0) == 5)
        opened.set()
        await until(lambda: len(bob.heard) == 5)

        assert bob.net.stats()["gossip_received"] == 5


async def test_gossip__ten_hosts_on_one_address_all_hear_each() -> None:
    stations = [Station(f"host {number}") for number in range(10)]
    for station in stations:
        station.build()
    async with running(*stations):
        async with trio.open_nursery() as nursery:
            for station in stations[1:]:
                nursery.start_soon(station.net.dial, stations[0].net.addresses()[0])
            for index in range(1, 9):
                nursery.start_soon(stations[index].net.dial, stations[index + 1].net.addresses()[0])
        await until(lambda: all(len(s.watched) >= 1 for s in stations))

        for number, station in enumerate(stations):
            await station.net.publish(LOG, f"from {number}".encode())

        await until(lambda: all(len(s.heard) == 9 for s in stations))


async def test_one_who_resets_our_stream_again_and_again__leaves_no_chain_of_tasks() -> None:
    ann = Station("ann")
    ann.build()

    def depth() -> int:
        level, found = list(ann.net._pubsub.manager._root_tasks), 0  # type: ignore[attr-defined]
        while level:
            found += 1
            level = [child for task in level for child in getattr(task, "children", ())]
        return found

    async with running(ann):
        before = depth()
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in (LOG, PRESENCE)]
        control = rpc_pb2.ControlMessage(
            graft=[rpc_pb2.ControlGraft(topicID=LOG)],
            prune=[rpc_pb2.ControlPrune(topicID=LOG, backoff=3_000)],
        )
        answered = rpc_pb2.RPC(control=control)  # so that our node finds its stream reset
        async with intruder(target) as stranger:
            stream = await stranger.open(MESHSUB)
            await stream.write(framed(rpc_pb2.RPC(subscriptions=follow).SerializeToString()))
            resets = 0
            while resets < 8:
                opened = await stranger.accept(MESHSUB)
                await opened.read(1)
                await opened.reset()
                await stream.write(framed(answered.SerializeToString()) * 2)
                resets += 1
            assert depth() <= before + 1


async def test_ihave__is_taken_up_though_all_that_is_asked_at_once_comes_in_one_frame() -> None:
    ann, limits = Station("ann"), NetLimits()
    ann.build()
    full = [b"%03d" % number + bytes(limits.message_bytes_max - 3) for number in range(12)]
    messages = [rpc_pb2.Message(data=data, topicIDs=[LOG]) for data in full]
    by_id = {content_id(message): message for message in messages}
    ihave = rpc_pb2.ControlIHave(topicID=LOG, messageIDs=list(by_id))
    follow = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in (LOG, PRESENCE)]
    async with running(ann):
        port = int(ann.net.addresses()[0].split("/")[4])
        async with intruder(Target("127.0.0.1", port, ann.net.peer_id)) as stranger:
            says = await stranger.open(MESHSUB)
            await says.write(framed(rpc_pb2.RPC(subscriptions=follow).SerializeToString()))
            hears = await stranger.accept(MESHSUB)
            await read_varint_prefixed_bytes_limited(hears, limits.rpc_bytes_max)  # it is ready
            have = rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=[ihave]))
            await says.write(framed(have.SerializeToString()))
            with trio.fail_after(20):
                while by_id:
                    raw = await read_varint_prefixed_bytes_limited(hears, limits.rpc_bytes_max)
                    for iwant in rpc_pb2.RPC.FromString(raw).control.iwant:
                        wanted = [by_id.pop(key) for key in iwant.messageIDs]
                        await says.write(framed(rpc_pb2.RPC(publish=wanted).SerializeToString()))
            await until(lambda: len(ann.heard) == len(full))

        assert sorted(ann.messages()) == full
        assert not ann.net.stats().get("gossip_frames_bad")


async def test_gossip__nothing_stays_of_a_stream_that_another_replaced() -> None:
    """A task, a slot and the connection did: nobody is woken by a reset of our own."""
    ann = Station("ann")
    ann.build()
    async with running(ann):
        port = int(ann.net.addresses()[0].split("/")[4])
        target = Target("127.0.0.1", port, ann.net.peer_id)

        async def tasks_after(streams: int) -> int:
            async with intruder(target) as stranger:
                for _ in range(streams):
                    await stranger.gossip(rpc_pb2.RPC())
                await until(lambda: len(ann.net.peers()) == 1)
            await until(lambda: not ann.net.peers())
            await trio.testing.wait_all_tasks_blocked(0.2)
            return trio.lowlevel.current_statistics().tasks_living

        before = await tasks_after(1)
        await tasks_after(5)

        await until(lambda: trio.lowlevel.current_statistics().tasks_living <= before)
