"""Circuits from end to end: two hosts that meet through a relay and nowhere else."""

from contextlib import suppress
from dataclasses import replace

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import StopMessage

from bootstrap.dialing import Allows
from node.errors import DialFailed, PeerFailed
from node.net.circuit import STOP, CircuitLimits, hear, say
from node.net.limits import NetLimits
from node.net.observed import Sighting
from node.net.reach import LOOK_S, _is_far
from tests.node.circuit_hosts import (
    ANSWER_S,
    ECHO,
    call_from,
    circuit_addresses,
    connected,
    hide,
    serve_anybody,
    stream_to,
    town,
)
from tests.node.net_hosts import LOG, Station, holds, meshed, running, until


async def test_dial__a_circuit_carries_requests_and_gossip() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        await made.reserve(bob)
        (address,) = circuit_addresses(bob)

        peer_id = await alice.net.dial(address)
        answer = await alice.net.ask(bob.net.peer_id, ECHO, bytes(300_000))
        await until(lambda: meshed(alice, bob) and meshed(bob, alice))
        await alice.net.publish(LOG, b"hello")
        await until(lambda: b"hello" in bob.messages())

        assert peer_id == bob.net.peer_id
        assert answer == bytes(300_000)
        assert address.startswith(made.relay.net.addresses()[0])
        assert bob.net.addresses()[0] == address
        assert made.counted("relay_circuits") == 1
        assert made.counted("relay_bytes") > 300_000


async def test_hang_up__ends_a_circuit_at_both_ends_and_at_the_relay() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        await made.reserve(bob)
        await alice.net.dial(circuit_addresses(bob)[0])
        assert connected(alice, bob)
        assert connected(bob, alice)

        await alice.net.hang_up(bob.net.peer_id)

        await until(lambda: not connected(alice, bob) and not connected(bob, alice))
        await until(lambda: made.service.sizes() == (1, 0))
        assert connected(alice, made.relay)
        assert connected(bob, made.relay)


async def test_dial__one_circuit_that_ends_leaves_another_alone() -> None:
    async with town("alice", "bob", "dave") as made:
        alice, bob, dave = made.stations
        await made.reserve(bob)
        for station in (alice, dave):
            await station.net.dial(circuit_addresses(bob)[0])

        await dave.net.hang_up(bob.net.peer_id)
        await until(lambda: not connected(bob, dave))

        assert await alice.net.ask(bob.net.peer_id, ECHO, b"still here") == b"still here"
        assert made.service.sizes() == (1, 1)


async def test_place__is_renewed_while_it_is_needed_and_given_up_after() -> None:
    async with town("bob") as made:
        (bob,) = made.stations
        await made.reserve(bob)
        reach = bob.net._nat._reach
        (relay_id,) = reach._places

        reach._places[relay_id] = replace(reach._places[relay_id], renew_s=0.0)
        await until(lambda: bob.net.stats()["reservations"] == 2)
        renewed_s = reach._places[relay_id].until_s
        plain = Sighting("192.168.1.2", "192.168.1.2", "198.51.100.7")
        reach._sightings.note(str(relay_id), plain)

        await until(lambda: not reach._places)
        assert renewed_s > trio.current_time() + CircuitLimits().reservation_s - 60
        assert "/p2p-circuit" not in "".join(bob.net.addresses())


async def test_dial__says_what_the_relay_says() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        address = f"{made.relay.net.addresses()[0]}/p2p-circuit/p2p/{bob.net.peer_id}"

        with pytest.raises(DialFailed, match="the relay says NO_RESERVATION"):
            await alice.net.dial(address)

        assert not connected(alice, bob)


async def test_dial__keeps_no_connection_to_a_relay_that_was_of_no_use() -> None:
    """Six such relays would look like six links of our own choice."""
    far = Station("far")
    far.build(topics=["/other"])
    async with town("alice", "bob") as made, running(far):
        alice, bob = made.stations
        address = f"{far.net.addresses()[0]}/p2p-circuit/p2p/{bob.net.peer_id}"

        with pytest.raises(DialFailed):
            await alice.net.dial(address)

        await until(lambda: not connected(alice, far))


async def test_dial__keeps_no_relay_of_no_use_when_another_is_dialled_meanwhile() -> None:
    names = ("fast", "slow", "alice", "bob", "eve")
    fast, slow, alice, bob, eve = (Station(name) for name in names)
    for station in (fast, slow):
        station.build(topics=["/other"])
    for station in (alice, bob, eve):
        station.build()
    circuits = alice.net._nat._circuits
    dial_relay, ask = circuits._dial_relay, circuits._ask
    is_fast_here, is_slow_here = trio.Event(), trio.Event()

    async def dial_slowly(address: str, allows: Allows) -> ID:
        if slow.net.peer_id in address:
            await is_fast_here.wait()
        return await dial_relay(address, allows)

    async def ask_once_both_are_here(relay_id: ID, peer_id: ID) -> INetStream:
        (is_slow_here if str(relay_id) == slow.net.peer_id else is_fast_here).set()
        await is_slow_here.wait()
        return await ask(relay_id, peer_id)

    async def fail(relay: Station, target: Station) -> None:
        address = f"{relay.net.addresses()[0]}/p2p-circuit/p2p/{target.net.peer_id}"
        with pytest.raises(DialFailed):
            await alice.net.dial(address)

    circuits._dial_relay = dial_slowly
    circuits._ask = ask_once_both_are_here  # type: ignore[method-assign]
    async with running(fast, slow, alice):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, slow, bob)
            nursery.start_soon(fail, fast, eve)

        await until(lambda: not alice.net.peers())


async def test_relay_of_another_network__stays_while_it_is_of_use() -> None:
    relay, alice, bob = Station("relay"), Station("alice"), Station("bob")
    relay.build(topics=("/other/log",))
    for station in (alice, bob):
        station.build(limits=NetLimits(probe_s=0.1, stranger_s=3))
    serve_anybody(relay)
    async with running(relay, alice, bob):
        await bob.net.dial(relay.net.addresses()[0])
        hide(bob)
        await until(lambda: bool(circuit_addresses(bob)))
        await alice.net.dial(circuit_addresses(bob)[0])

        assert await holds(lambda: connected(alice, relay) and connected(bob, relay), for_s=4)
        await alice.net.hang_up(bob.net.peer_id)
        await until(lambda: not connected(alice, relay))
        assert connected(bob, relay)


async def test_dial__refused_by_a_relay_does_not_end_another_circuit_through_it() -> None:
    names = ("relay", "alice", "bob", "eve", "somebody")
    relay, alice, bob, eve, somebody = (Station(name) for name in names)
    relay.build(topics=("/other/log",))
    for station in (alice, bob, eve, somebody):
        station.build()
    serve_anybody(relay)
    async with running(relay, alice, bob, eve):
        await bob.net.dial(relay.net.addresses()[0])
        hide(bob)
        await until(lambda: bool(circuit_addresses(bob)))
        to_eve = circuit_addresses(bob)[0].replace(bob.net.peer_id, eve.net.peer_id)

        async def fail(target: str = to_eve) -> None:
            with pytest.raises(DialFailed, match="NO_RESERVATION"):
                await alice.net.dial(target)

        to_ann = to_eve.replace(eve.net.peer_id, somebody.net.peer_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(fail, to_ann)
        await until(lambda: not connected(alice, relay))  # of no use to anybody

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.net.dial, circuit_addresses(bob)[0])
            nursery.start_soon(fail)

        assert await holds(lambda: connected(alice, bob) and connected(alice, relay), for_s=0.5)


async def test_place__is_taken_at_no_relay_in_our_own_house() -> None:
    async with town("bob") as made:
        (bob,) = made.stations
        reach = bob.net._nat._reach
        await until(lambda: any(line.relays for line in reach._lines.values()))
        hide(bob)
        reach._serves_others = _is_far

        assert reach.is_hidden()
        assert await holds(lambda: not circuit_addresses(bob), for_s=2.5 * LOOK_S)


async def test_dial__is_not_served_by_somebody_else_than_was_dialled() -> None:
    async with town("alice", "bob", "dave") as made:
        alice, bob, dave = made.stations
        await made.reserve(bob)
        await made.reserve(dave)
        made.service._places[bob.net._host.get_id()] = made.service._places[dave.net._host.get_id()]
        bob_id, dave_id = bob.net._host.get_id(), dave.net._host.get_id()
        call = made.service._call
        made.service._call = lambda source, target: call(  # type: ignore[method-assign]
            source, dave_id if target == bob_id else target
        )

        with pytest.raises(DialFailed):
            await alice.net.dial(circuit_addresses(bob)[0])

        assert not connected(alice, bob)
        assert not connected(alice, dave)


async def test_admit__refuses_circuits_from_whom_we_did_not_ask() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        await bob.net.dial(alice.net.addresses()[0])

        async with stream_to(alice, bob, STOP) as stream:
            await say(stream, call_from(made.relay), within_s=ANSWER_S)
            answer = await hear(stream, StopMessage, within_s=ANSWER_S)

        assert answer.status == 202  # PERMISSION_DENIED


async def test_admit__takes_so_many_circuits_of_one_relay_and_no_more() -> None:
    async with town("alice", "bob", "dave") as made:
        alice, bob, dave = made.stations
        circuits = bob.net._nat._circuits
        circuits._limits = replace(circuits._limits, inbound_per_relay_max=1)
        await made.reserve(bob)

        await alice.net.dial(circuit_addresses(bob)[0])
        with pytest.raises(DialFailed, match="the relay says CONNECTION_FAILED"):
            await dave.net.dial(circuit_addresses(bob)[0])
        await alice.net.hang_up(bob.net.peer_id)
        await until(lambda: not circuits._inbound)
        await dave.net.dial(circuit_addresses(bob)[0])

        assert connected(dave, bob)


async def test_relay_that_ends__takes_its_circuits_and_places_along() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        await made.reserve(bob)
        await alice.net.dial(circuit_addresses(bob)[0])

        await made.relay.net.hang_up(bob.net.peer_id)

        await until(lambda: not connected(alice, bob) and not connected(bob, alice))
        await until(lambda: not circuit_addresses(bob))


@pytest.mark.parametrize(
    "limits",
    [CircuitLimits(circuit_s=0.5), CircuitLimits(circuit_bytes_max=20_000)],
    ids=["time", "bytes"],
)
async def test_carry__ends_a_circuit_at_its_limit(limits: CircuitLimits) -> None:
    async with town("alice", "bob", limits=limits) as made:
        alice, bob = made.stations
        await made.reserve(bob)
        await alice.net.dial(circuit_addresses(bob)[0])

        with suppress(PeerFailed):
            while connected(alice, bob):
                await alice.net.ask(bob.net.peer_id, ECHO, bytes(5_000))
        await until(lambda: not connected(alice, bob) and not connected(bob, alice))

        assert made.counted("relay_bytes") <= limits.circuit_bytes_max
        await until(lambda: made.service.sizes() == (1, 0))
