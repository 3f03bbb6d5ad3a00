"""How many circuits a node lets in, and that they take places of those who connect."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import trio
from libp2p.connection_types import ConnectionType
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import StopMessage
from libp2p.utils.varint import encode_varint_prefixed
from trio.testing import wait_all_tasks_blocked

from node.errors import DialFailed, NoRoom
from node.net.circuit import CircuitLimits
from node.net.circuits import Circuits
from node.net.counters import Counters
from node.net.limits import NetLimits
from tests.bootstrap.peer_names import peer
from tests.node.circuit_hosts import circuit_addresses, connected, hide, serve_anybody, town
from tests.node.net_hosts import Station, holds, running, until

OK, FULL = 100, 201  # RESOURCE_LIMIT_EXCEEDED
RELAY = ID.from_string(str(peer(1)))


class Line:
    """A connection, either the relay's or one that was made of a circuit."""

    peer_id = RELAY

    def __init__(self) -> None:
        self.event_closed = trio.Event()

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType.DIRECT


class Call:
    """The stream over which a relay brings somebody, who is not heard of again."""

    def __init__(self) -> None:
        self.muxed_conn = Line()
        self.said = b""
        self._waiting = encode_varint_prefixed(
            StopMessage(type=StopMessage.CONNECT).SerializeToString()
        )

    @property
    def status(self) -> int:
        return int(StopMessage.FromString(self.said[1:]).status)

    async def read(self, count: int) -> bytes:
        await trio.lowlevel.checkpoint()
        data, self._waiting = self._waiting[:count], self._waiting[count:]
        return data

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.said += data

    async def reset(self) -> None:
        await trio.lowlevel.checkpoint()

    close = reset


class Host:
    """A host and its swarm, where every handshake is done at once."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.admit: Callable[[Any], Any] = print

    def get_network(self) -> "Host":
        return self

    def set_stream_handler(self, _protocol: object, admit: Callable[[Any], Any]) -> None:
        self.admit = admit

    def get_connections(self, _peer_id: object = None) -> list[Any]:
        return []

    async def upgrade_inbound_raw_conn(self, _raw: object, _address: object) -> Line:
        await trio.lowlevel.checkpoint()
        self.lines.append(Line())
        return self.lines[-1]


def circuits_of(host: Host) -> Circuits:
    async def nothing(*_args: object, **_kwargs: object) -> Any:
        await trio.lowlevel.checkpoint()

    circuits = Circuits(
        host=cast(Any, host),
        dial_relay=nothing,
        is_welcome=lambda peer_id: True,
        is_member=lambda peer_id: True,
        is_reserved=lambda peer_id: True,
        admitted=nothing,
        handshake_s=5,
        limits=CircuitLimits(),
        counters=Counters(),
    )
    circuits.install()
    return circuits


async def test_admit__takes_no_more_circuits_when_many_ask_at_once() -> None:
    host = Host()
    circuits_of(host)
    most = CircuitLimits().inbound_per_relay_max
    calls = [Call() for _ in range(most + 1)]
    another = Call()
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(host.admit, call)
        await wait_all_tasks_blocked()
        statuses = sorted(call.status for call in calls)

        host.lines[0].event_closed.set()
        await wait_all_tasks_blocked()
        nursery.start_soon(host.admit, another)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert statuses == [*[OK] * most, FULL]
    assert another.status == OK


async def test_admit__gives_the_place_back_when_the_relay_does_not_take_the_answer() -> None:
    class Deaf(Call):
        async def write(self, data: bytes) -> None:
            raise OSError("nobody takes it")

    host = Host()
    circuits = circuits_of(host)

    for _ in range(2 * CircuitLimits().inbound_per_relay_max):
        await host.admit(Deaf())

    assert not circuits._inbound


async def test_admit__takes_no_circuit_where_others_hold_all_places() -> None:
    async with town("alice", "bob", "dave") as made:
        alice, bob, dave = made.stations
        circuits = bob.net._nat._circuits
        circuits._limits = replace(circuits._limits, connections_inbound_max=1)
        await made.reserve(bob)
        await dave.net.dial(str(bob.net._host.get_addrs()[0]))

        with pytest.raises(DialFailed, match="the relay says CONNECTION_FAILED"):
            await alice.net.dial(circuit_addresses(bob)[0])
        await dave.net.hang_up(bob.net.peer_id)
        await until(lambda: not connected(bob, dave))
        await alice.net.dial(circuit_addresses(bob)[0])

        assert connected(bob, alice)


async def test_admit_connection__counts_circuits_among_who_came_in() -> None:
    relay, alice, bob, dave = (Station(name) for name in ("relay", "alice", "bob", "dave"))
    for station in (relay, alice, dave):
        station.build()
    bob.build(limits=NetLimits(connections_inbound_max=1))
    serve_anybody(relay)
    async with running(relay, alice, bob, dave):
        await bob.net.dial(relay.net.addresses()[0])
        await alice.net.dial(relay.net.addresses()[0])
        hide(bob)
        await until(lambda: bool(circuit_addresses(bob)))
        await alice.net.dial(circuit_addresses(bob)[0])
        await until(lambda: connected(bob, alice))
        direct = str(bob.net._host.get_addrs()[0])

        with pytest.raises(DialFailed):
            await dave.net.dial(direct)
        assert await holds(lambda: not connected(bob, dave), for_s=0.2)
        await alice.net.hang_up(bob.net.peer_id)
        await until(lambda: not connected(bob, alice))
        await dave.net.dial(direct)

        await until(lambda: connected(bob, dave))


async def test_dial__a_circuit_for_which_there_is_no_room_blames_no_place() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        await made.reserve(bob)
        alice.net._swarm.connection_config.max_connections = 1

        with pytest.raises(NoRoom):
            await alice.net.dial(circuit_addresses(bob)[0])

        await until(lambda: made.service.sizes() == (1, 0))
