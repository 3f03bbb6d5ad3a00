"""Joining a real node by its host and port, and being told when somebody else answers there."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.params import NetworkParams, network_of
from tests.loopback.nodes import RealNode, Street, until

pytestmark = pytest.mark.e2e

SOON_S = 20.0
STAYS_AWAY_S = 2.0


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path / "home")
    yield street
    street.close()


def is_beside(node: RealNode, other: str) -> bool:
    return any(peer["connected"] and peer["peer_id"] == other for peer in node.ask("/peers"))


def network_id(street: Street) -> str:
    genesis = bytes.fromhex(street.genesis)
    return network_of(NetworkParams(genesis=genesis, name="private")).network_id.hex()


def test_host_and_port__are_enough_once_and_hold_for_ever(town: Street) -> None:
    alice, bob = town.node("alice"), town.node("bob")
    alice.launch()
    alice.wait_serving()
    place, _, alice_id = alice.address.rpartition("/p2p/")
    _, _, host, _, port = place.split("/")

    bob.launch("--bootstrap", f"{host}:{port}")
    bob.wait_serving()
    until(lambda: is_beside(bob, alice_id), within_s=SOON_S, what="bob found alice")
    # A link alone is not yet proof that who answers is of our network: the pin comes after it.
    until(
        lambda: f"{place} is {alice_id}: trusted as the first to answer there" in bob.words(),
        within_s=SOON_S,
        what="bob says whom it trusts",
    )
    bob.stop()
    alice.stop()

    mallory = town.node("mallory", "--listen", place)
    mallory.launch()
    mallory.wait_serving()
    mallory_id = mallory.address.rpartition("/p2p/")[2]
    bob.launch("--bootstrap", f"{host}:{port}")
    bob.wait_serving()
    until(
        lambda: f"start once with --bootstrap {place}/p2p/{mallory_id}" in bob.words(),
        within_s=SOON_S,
        what="bob says that somebody else answers",
    )
    until_s = time.monotonic() + STAYS_AWAY_S
    while time.monotonic() < until_s:
        assert not is_beside(bob, mallory_id)


def test_a_node_of_another_network__is_named_as_one(town: Street, tmp_path: Path) -> None:
    abroad = Street(tmp_path / "abroad")
    alice, bob = town.node("alice"), abroad.node("bob")
    try:
        alice.launch()
        alice.wait_serving()
        ours = network_id(town)
        bob.launch("--bootstrap", alice.address)
        bob.wait_serving()
        theirs = network_id(abroad)

        said = f"{alice.address} answers, but is of another network, {ours}; ours is {theirs}"
        until(lambda: said in bob.status()["waiting"], within_s=SOON_S, what="bob says so")
        assert f"{said}; see --network and --bootstrap" in bob.words()
    finally:
        abroad.close()
