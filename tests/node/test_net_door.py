"""A full door, and somebody from elsewhere who comes in all the same."""

import contextlib
from dataclasses import replace
from functools import partial

import trio

from node.net.limits import NetLimits
from tests.loopback.intruder import Target, intruder, tcp
from tests.node.net_hosts import Station, running, until

CROWD, FRIEND = "127.0.0.2", "127.0.0.9"


def a_door(**bounds: int) -> Station:
    ann = Station("ann")
    ann.build(limits=replace(NetLimits(), **bounds))
    return ann


def knocks_at(ann: Station, source: str) -> Target:
    port = int(ann.net.addresses()[0].split("/")[4])
    return Target("127.0.0.1", port, ann.net.peer_id, source=source)


def counted(ann: Station, name: str) -> int:
    return ann.net.stats().get(name, 0)


def holds(ann: Station, count: int) -> bool:
    return len(ann.net.peers()) == count


async def test_door__gives_the_newest_place_of_a_crowd_to_somebody_from_elsewhere() -> None:
    ann = a_door(connections_inbound_max=4)
    gone: list[int] = []

    async def stay(target: Target, number: int) -> None:
        with contextlib.suppress(Exception):  # it is cut, in one of a dozen ways
            async with intruder(target) as stranger:
                await stranger.muxed.event_closed.wait()
                gone.append(number)

    async with running(ann), trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(stay, knocks_at(ann, CROWD), number)
            await until(partial(holds, ann, number + 1))
        async with intruder(knocks_at(ann, FRIEND)) as friend:
            assert await friend.served()
            await until(lambda: gone == [3])
            await until(partial(holds, ann, 4))
        assert counted(ann, "connections_displaced") == 1
        assert counted(ann, "connections_refused") == 0
        nursery.cancel_scope.cancel()


async def test_door__ends_the_oldest_silent_handshake_for_somebody_from_elsewhere() -> None:
    ann = a_door(half_open_total_max=4, half_open_per_ip_max=4)
    async with running(ann), contextlib.AsyncExitStack() as crowd:
        silent = [await crowd.enter_async_context(tcp(knocks_at(ann, CROWD))) for _ in range(5)]
        await until(lambda: counted(ann, "connections_refused") == 1)  # the fifth
        async with intruder(knocks_at(ann, FRIEND)) as friend:
            assert await friend.served()
        with trio.fail_after(NetLimits().handshake_s - 1):
            while await silent[0].receive_some(1_000):  # the host greets before it is greeted
                pass
        assert counted(ann, "connections_displaced") == 1
