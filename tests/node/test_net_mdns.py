"""Nodes that find each other on one network, asked for over loopback alone."""

from collections.abc import Sequence
from functools import partial
from unittest.mock import Mock

import pytest
import trio
import trio.testing

from node.net.mdns import (
    ADDRESSES_MAX,
    NAMES_WAITING_MAX,
    SAY_AGAIN_S,
    SERVICE,
    LocalNetwork,
)
from protocol.ids import PeerId
from tests.bootstrap.peer_names import address, peer, public

NETWORK = "ab" * 16
Found = dict[PeerId, list[str]]


def a_node(found: Found, *addresses: str, network: str = NETWORK) -> LocalNetwork:
    def note(peer_id: PeerId, texts: Sequence[str]) -> None:
        found[peer_id] = list(texts)

    return LocalNetwork(
        network=network, addresses=lambda: addresses, found=note, interfaces=["127.0.0.1"]
    )


async def test_run__finds_the_nodes_of_its_own_network_only() -> None:
    by_ann: Found = {}
    by_bob: Found = {}
    nodes = [
        a_node(by_ann, address(1)),
        a_node(by_bob, address(2), address(2, 4002)),
        a_node({}, address(3), network="cd" * 16),
    ]

    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(node.run)
        with trio.fail_after(20):
            while not by_ann or not by_bob:  # noqa: ASYNC110 - threads of a library tell
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()

    assert by_ann == {peer(2): [address(2), address(2, 4002)]}
    assert by_bob == {peer(1): [address(1)]}


async def test_look_up_forever__goes_on_after_what_nobody_foresaw() -> None:
    heard: list[PeerId] = []

    def find(peer_id: PeerId, _texts: Sequence[str]) -> None:
        heard.append(peer_id)
        if len(heard) == 1:
            raise ValueError("no such codec")

    ann = LocalNetwork(network=NETWORK, addresses=tuple, found=find)
    said = {"net": NETWORK, "a0": address(1)}
    zeroconf = Mock(get_service_info=lambda *_: Mock(decoded_properties=said))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ann._look_up_forever, zeroconf)
        for name in ("one", "two"):
            ann._enqueue(name)
        with trio.fail_after(20):
            while len(heard) < 2:  # noqa: ASYNC110 - a thread of the library tells
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


def test_info__of_a_named_place_has_no_ip_address() -> None:
    named = f"/dns4/node.example/tcp/7460/p2p/{peer(1)}"

    info = a_node({})._info({"a0": named})

    assert info.addresses == []
    assert info.decoded_properties["a0"] == named


async def test_say_forever__says_what_is_nearest_and_leaves_room_for_the_rest() -> None:
    circuit = f"{public(9, 9)}/p2p-circuit/p2p/{peer(1)}"
    wide = [public(n, 1) for n in range(5)]
    near = [address(1, port) for port in range(4001, 4006)]
    zeroconf = Mock()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(a_node({}, circuit, *wide, *near)._say_forever, zeroconf)
        with trio.fail_after(20):
            while not zeroconf.register_service.called:  # noqa: ASYNC110 - in a thread
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

    (info,) = zeroconf.register_service.call_args.args
    said = [info.decoded_properties[f"a{n}"] for n in range(ADDRESSES_MAX)]
    assert said == [near[0], wide[0], near[1], wide[1]]


async def test_say_forever__lives_with_an_address_it_cannot_say(
    autojump_clock: trio.testing.MockClock,
) -> None:
    too_long = f"/dns4/{'a' * 60}.{'b' * 60}/tcp/1/p2p/{peer(1)}/p2p-circuit/p2p/{peer(2)}"
    zeroconf = Mock()

    with trio.move_on_after(2 * SAY_AGAIN_S) as scope:
        await a_node({}, too_long)._say_forever(zeroconf)

    assert scope.cancelled_caught
    assert not zeroconf.register_service.called


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"net": NETWORK},
        {"net": None, "a0": address(1)},
        {"net": "cd" * 16, "a0": address(1)},
        {"net": NETWORK, "a0": "nonsense", "a1": None},
        {"net": NETWORK, f"a{ADDRESSES_MAX}": address(1)},
    ],
)
def test_take__passes_over_what_is_no_address_of_our_network(said: dict[str, str | None]) -> None:
    found: Found = {}

    a_node(found)._take(said)

    assert found == {}


def test_take__believes_addresses_of_one_peer_only() -> None:
    found: Found = {}

    a_node(found)._take({"net": NETWORK, "a0": address(1), "a1": address(2), "a2": address(1, 9)})

    assert found == {peer(1): [address(1), address(1, 9)]}


async def test_enqueue__holds_a_bounded_number_of_answers() -> None:
    node = a_node({})

    for name in map(partial("{}.{}".format, SERVICE), range(10 * NAMES_WAITING_MAX)):
        node._enqueue(name)

    assert node._names.statistics().current_buffer_used == NAMES_WAITING_MAX
