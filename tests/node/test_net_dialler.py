"""Dialling somebody we do not know yet, and somebody who is somebody else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from bootstrap.dialing import AlreadyConnected
from node.errors import DialFailed, NoRoom, NotTried, WrongPeer
from node.net.limits import NetLimits
from tests.bootstrap.peer_names import peer
from tests.node.net_hosts import LOG, Station, running, until


def a_station(name: str, **limits: float) -> Station:
    station = Station(name)
    station.build(limits=NetLimits(**limits))  # type: ignore[arg-type]
    return station


class Answers(trio.abc.HostnameResolver):
    """A resolver that has the same addresses for every name."""

    def __init__(self, *ends: tuple[Any, ...]) -> None:
        self._ends = ends

    async def getaddrinfo(
        self, host: object, port: object, *_args: object, **_kwargs: object
    ) -> list[tuple[Any, ...]]:
        await trio.lowlevel.checkpoint()
        families = (socket.AF_INET6 if ":" in end[0] else socket.AF_INET for end in self._ends)
        kind = (socket.SOCK_STREAM, 6, "")
        return [(family, *kind, end) for family, end in zip(families, self._ends, strict=True)]

    async def getnameinfo(self, *_args: object) -> tuple[str, str]:
        raise NotImplementedError


@contextmanager
def every_name_is(*ends: tuple[Any, ...]) -> Iterator[None]:
    before = trio.socket.set_custom_hostname_resolver(Answers(*ends))
    try:
        yield
    finally:
        trio.socket.set_custom_hostname_resolver(before)


def place_of(station: Station) -> str:
    return station.net.addresses()[0].rpartition("/p2p/")[0]


async def test_meet__connects_and_says_who_is_there() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        found = await ann.net.meet(place_of(bob))

        assert found == bob.net.peer_id
        await until(lambda: bool(bob.watched and ann.watched))
        await until(lambda: all(peer.in_mesh for peer in bob.net.peers()))
        assert [peer.outbound for peer in ann.net.peers()] == [True]
        await bob.net.publish(LOG, b"hello")
        await until(lambda: ann.messages() == [b"hello"])


async def test_meet__finds_the_way_by_name() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        port = place_of(bob).split("/")[4]

        assert await ann.net.meet(f"/dns/localhost/tcp/{port}") == bob.net.peer_id


async def test_dial__does_not_say_that_an_address_led_to_one_who_came_another_way() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        await ann.net.dial(bob.net.addresses()[0])

        with pytest.raises(NotTried):
            await ann.net.dial(f"/ip4/127.0.0.1/tcp/1/p2p/{bob.net.peer_id}")


@pytest.mark.parametrize("way", ["", "/p2p-circuit"])
async def test_dial__has_no_name_lead_where_no_stranger_may_have_us_dial(way: str) -> None:
    ann, bob = a_station("ann"), a_station("bob")
    asked: list[str] = []

    def allows(host: str) -> bool:
        asked.append(host)
        return False

    async with running(ann, bob):
        port = place_of(bob).split("/")[4]
        target = f"/dns4/localhost/tcp/{port}/p2p/{bob.net.peer_id}"
        beyond = f"{way}/p2p/{peer(9)}" if way else ""
        with pytest.raises(DialFailed, match="which a stranger may not have us dial"):
            await ann.net.dial(target + beyond, allows=allows)

        assert asked == ["127.0.0.1"]
        assert bob.net.peers() == ()


async def test_resolve__passes_over_what_no_multiaddr_can_say() -> None:
    """A neighbour in one's own house resolves to an address with its cable: fe80::1%eth0."""
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        port = int(place_of(bob).split("/")[4])
        name = f"/dns/bob.local/tcp/{port}"
        on_a_cable = ("fe80::1%eth0", port, 0, 2)

        with every_name_is(on_a_cable):
            with pytest.raises(DialFailed, match=r"fe80::1%eth0, which no multiaddr can say"):
                await ann.net.dial(f"{name}/p2p/{bob.net.peer_id}")
            with pytest.raises(DialFailed, match=r"fe80::1%eth0, which no multiaddr can say"):
                await ann.net.meet(name)
        with every_name_is(on_a_cable, ("127.0.0.1", port)):
            assert await ann.net.dial(f"{name}/p2p/{bob.net.peer_id}") == bob.net.peer_id


@pytest.mark.parametrize("nothing", ["", "/"])
async def test_meet__takes_nothing_for_no_address(nothing: str) -> None:
    ann = a_station("ann")
    async with running(ann):
        with pytest.raises(DialFailed):
            await ann.net.meet(nothing)


async def test_meet__opens_no_second_connection() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        await ann.net.dial(bob.net.addresses()[0])

        assert await ann.net.meet(place_of(bob)) == bob.net.peer_id
        assert len(ann.net.peers()) == len(bob.net.peers()) == 1


async def test_meet__says_why_nobody_was_met() -> None:
    ann = a_station("ann", dial_s=0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        async with running(ann):
            with pytest.raises(DialFailed, match="it is our own address"):
                await ann.net.meet(place_of(ann))
            with pytest.raises(DialFailed, match=r"cannot reach /ip4/127\.0\.0\.1/tcp/1:"):
                await ann.net.meet("/ip4/127.0.0.1/tcp/1")
            with trio.fail_after(3), pytest.raises(DialFailed, match=r"no answer in 0.3 s"):
                await ann.net.meet(f"/ip4/127.0.0.1/tcp/{port}")
            assert not ann.net.peers()


async def test_dial__says_who_answers_in_place_of_the_peer() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        cat = Station("cat").build().peer_id

        with pytest.raises(WrongPeer, match=f"/p2p/{cat}: {bob.net.peer_id} answers there") as met:
            await ann.net.dial(f"{place_of(bob)}/p2p/{cat}")

    assert met.value.found == bob.net.peer_id


async def test_dial__blames_no_place_when_there_is_no_room_for_a_connection() -> None:
    """An address that is honest would be tried ever more seldom for what is our own limit."""
    ann, bob, cat = a_station("ann", connections_max=1), a_station("bob"), a_station("cat")
    async with running(ann, bob, cat):
        await ann.net.dial(bob.net.addresses()[0])

        with pytest.raises(NoRoom) as dialled:
            await ann.net.dial(cat.net.addresses()[0])
        with pytest.raises(NoRoom):
            await ann.net.meet(place_of(cat))
        with pytest.raises(NoRoom):
            await ann.net._dialer.reach(cat.net.addresses()[0])

        assert isinstance(dialled.value, AlreadyConnected)
        assert [peer.peer_id for peer in ann.net.peers()] == [bob.net.peer_id]
