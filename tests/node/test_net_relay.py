"""What a relay does for whom, and where it stops."""

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, PeerId

from node.net import relay
from node.net.circuit import HOP, CircuitLimits, hear, say
from tests.node.circuit_hosts import (
    ANSWER_S,
    circuit_addresses,
    connect_to,
    connected,
    stream_to,
    town,
)
from tests.node.net_hosts import until

OK, REFUSED, LIMIT, DENIED, NO_PLACE, MALFORMED, UNEXPECTED = 100, 200, 201, 202, 204, 400, 401
RESERVE = HopMessage(type=HopMessage.RESERVE)


async def test_reserve__keeps_a_place_for_whoever_asks_and_nobody_else() -> None:
    async with town("alice", "bob", limits=CircuitLimits(reservations_max=2)) as made:
        alice, bob = made.stations

        for number in range(8):
            somebody = PeerId(id=bytes.fromhex("002408011220") + bytes([number]) * 32)
            await made.ask(alice, HopMessage(type=HopMessage.RESERVE, peer=somebody))
        answer = await made.ask(bob, RESERVE)

        assert answer.status == OK
        assert made.service.sizes() == (2, 0)


@pytest.mark.parametrize(
    "limits", [CircuitLimits(reservations_max=1), CircuitLimits(reservations_per_ip_max=1)]
)
async def test_reserve__has_so_many_places_and_no_more(limits: CircuitLimits) -> None:
    async with town("alice", "bob", limits=limits) as made:
        alice, bob = made.stations

        answers = [(await made.ask(who, RESERVE)).status for who in (alice, bob, alice)]

        assert answers == [OK, REFUSED, OK]


async def test_reserve__gives_a_place_back_when_its_holder_hangs_up() -> None:
    async with town("alice", "bob", limits=CircuitLimits(reservations_max=1)) as made:
        alice, bob = made.stations
        await made.ask(alice, RESERVE)

        await alice.net.hang_up(made.relay.net.peer_id)
        await until(lambda: not connected(made.relay, alice))

        assert (await made.ask(bob, connect_to(alice))).status == NO_PLACE
        assert (await made.ask(bob, RESERVE)).status == OK


async def test_reserve__is_for_members_alone() -> None:
    async with town("alice") as made:
        made.service._is_member = lambda peer_id: False

        answer = await made.ask(made.stations[0], RESERVE)

        assert answer.status == DENIED
        assert made.service.sizes() == (0, 0)


async def test_connect__refuses_who_has_no_place_and_what_is_nobody() -> None:
    async with town("alice", "bob") as made:
        alice, bob = made.stations
        myself, nobody = connect_to(alice), HopMessage(type=HopMessage.CONNECT)

        answers = [(await made.ask(alice, one)).status for one in (connect_to(bob), myself, nobody)]
        odd = await made.ask(alice, HopMessage(type=HopMessage.STATUS))

        assert answers == [NO_PLACE, MALFORMED, MALFORMED]
        assert odd.status == UNEXPECTED


@pytest.mark.parametrize(
    "limits", [CircuitLimits(circuits_max=1), CircuitLimits(circuits_per_peer_max=1)]
)
async def test_connect__carries_so_many_circuits_and_no_more(limits: CircuitLimits) -> None:
    async with town("alice", "bob", limits=limits) as made:
        alice, bob = made.stations
        await made.reserve(bob)

        async with stream_to(alice, made.relay, HOP) as first:
            await say(first, connect_to(bob), within_s=ANSWER_S)
            answers = [(await hear(first, HopMessage, within_s=ANSWER_S)).status]
            answers += [(await made.ask(alice, connect_to(bob))).status]
        await until(lambda: made.service.sizes() == (1, 0))
        answers += [(await made.ask(alice, connect_to(bob))).status]

        assert answers == [OK, LIMIT, OK]


async def test_connect__carries_so_many_circuits_for_one_address_whatever_its_names() -> None:
    async with town("alice", "bob", "carol", limits=CircuitLimits(circuits_per_ip_max=1)) as made:
        alice, bob, carol = made.stations
        await made.reserve(bob)

        async with stream_to(alice, made.relay, HOP) as first:
            await say(first, connect_to(bob), within_s=ANSWER_S)
            answers = [(await hear(first, HopMessage, within_s=ANSWER_S)).status]
            answers += [(await made.ask(carol, connect_to(bob))).status]
        await until(lambda: made.service.sizes() == (1, 0))
        answers += [(await made.ask(carol, connect_to(bob))).status]

        assert answers == [OK, LIMIT, OK]


async def test_connect__leaves_places_at_a_peer_to_those_who_ask_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with town(
        "alice", "bob", "carol", "dave", limits=CircuitLimits(circuits_per_group_max=1)
    ) as made:
        alice, bob, carol, dave = made.stations
        ips = ("120.1.0.1", "120.9.0.1", "120.1.200.7", "120.2.0.1")
        by_id = {str(one.net.peer_id): ip for one, ip in zip(made.stations, ips, strict=True)}
        monkeypatch.setattr(relay, "ip_of", lambda stream: by_id[str(stream.muxed_conn.peer_id)])
        await made.reserve(bob)
        await made.reserve(dave)

        async with stream_to(alice, made.relay, HOP) as first:
            await say(first, connect_to(bob), within_s=ANSWER_S)
            answers = [(await hear(first, HopMessage, within_s=ANSWER_S)).status]
            for who, target in ((carol, bob), (dave, bob), (carol, dave)):
                answers += [(await made.ask(who, connect_to(target))).status]
        await until(lambda: made.service.sizes() == (2, 0))
        answers += [(await made.ask(carol, connect_to(bob))).status]

        assert answers == [OK, LIMIT, OK, OK, OK]


@pytest.mark.parametrize("limits", [CircuitLimits(circuit_s=0.3), CircuitLimits(idle_s=0.3)])
async def test_carry__ends_a_silent_circuit(limits: CircuitLimits) -> None:
    async with town("alice", "bob", limits=limits) as made:
        alice, bob = made.stations
        await made.reserve(bob)

        async with stream_to(alice, made.relay, HOP) as stream:
            await say(stream, connect_to(bob), within_s=ANSWER_S)
            await hear(stream, HopMessage, within_s=ANSWER_S)
            await until(lambda: made.service.sizes() == (1, 0), within_s=3.0)

        assert circuit_addresses(bob)


@pytest.mark.parametrize(
    "limits", [CircuitLimits(circuit_bytes_per_s=20_000), CircuitLimits(total_bytes_per_s=40_000)]
)
async def test_carry__keeps_to_its_pace(limits: CircuitLimits) -> None:
    async with town("alice", "bob", limits=limits) as made:
        alice, bob = made.stations
        await made.reserve(bob)
        await alice.net.dial(circuit_addresses(bob)[0])
        begun_s, before = trio.current_time(), made.counted("relay_bytes")

        await alice.net.ask(bob.net.peer_id, "/test/echo", bytes(40_000))

        passed_s, bytes_ = trio.current_time() - begun_s, made.counted("relay_bytes") - before
        assert bytes_ >= 80_000
        assert passed_s > 40_000 / 20_000 - 1.5  # a second ahead, and a chunk


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8))
def test_serve__survives_whatever_is_said_to_it(noises: list[bytes]) -> None:
    async def say_all() -> None:
        async with town("alice") as made:
            (alice,) = made.stations
            for noise in noises:
                async with stream_to(alice, made.relay, HOP) as stream:
                    await stream.write(noise or b"\x00")
                    await stream.close()
            assert (await made.ask(alice, RESERVE)).status == OK
            await until(lambda: made.service.sizes() == (1, 0))

    trio.run(say_all)
