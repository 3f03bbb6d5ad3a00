"""Connections whose own address is gone are cut; what is back by the next look is left alone."""

import socket

import psutil
import pytest

from node.net.counters import Counters
from node.net.limits import NetLimits
from node.net.stranded import Stranded, is_ours
from tests.node.net_hosts import Station, connect, running, until


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3"])
def test_is_ours__knows_this_machine(host: str) -> None:
    assert is_ours(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1%999999"])
def test_is_ours__knows_what_is_not_here(host: str) -> None:
    assert not is_ours(host)


def test_is_ours__knows_every_address_of_every_interface() -> None:
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    addresses = [
        found.address
        for name, all_found in psutil.net_if_addrs().items()
        for found in all_found
        if name in up and found.family in (socket.AF_INET, socket.AF_INET6)
    ]

    for address in addresses:
        host, _, interface = address.partition("%")
        scope = f"%{socket.if_nametoindex(interface)}" if interface else ""
        assert is_ours(host + scope), address
    assert "127.0.0.1" in addresses


async def test_look__cuts_what_is_stranded_for_two_looks() -> None:
    ann, bob = Station("ann"), Station("bob")
    for station in (ann, bob):
        station.build(limits=NetLimits())
    here: set[str] = {"127.0.0.1"}
    counters = Counters()
    async with running(ann, bob):
        await connect(ann, bob)
        watch = Stranded(swarm=ann.net._swarm, counters=counters, is_ours=here.__contains__)

        await watch.look()
        here.clear()
        await watch.look()
        here.add("127.0.0.1")
        await watch.look()  # it was renewed
        here.clear()
        await watch.look()
        left_alone = len(ann.net.peers())
        await watch.look()
        await until(lambda: not ann.net.peers() and not bob.net.peers())

    assert left_alone == 1
    assert counters.snapshot() == {"connections_stranded": 1}
