"""What a stranger names is dialled only where it may be, and proves nothing unless it was tried."""

import pytest
from trio.testing import MockClock

from bootstrap.dialing import Allows, AlreadyConnected, anywhere
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Link, Scene, run_for
from tests.bootstrap.peer_names import peer, public

HOST = "/ip4/120.1.0.1/tcp/7460"
BOB, EVIL = peer(1), peer(66)
LOCAL = ("127.0.0.1", "10.1.2.3", "::1")


class CrossedDialer(FakeDialer):
    """While an address with one identity is dialled, its owner connects some other way."""

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        if address == f"{HOST}/p2p/{EVIL}":
            self.links[EVIL] = Link(EVIL, "/ip4/120.66.0.1/tcp/1")
            raise AlreadyConnected(f"{EVIL} is connected already")
        return await super().dial(address, allows=allows)


async def test_join__takes_no_address_for_proven_that_was_not_tried(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=[HOST], dialer=CrossedDialer())
    joiner = scene.joiner()
    joiner.learn(EVIL, [f"{HOST}/p2p/{EVIL}"])

    await run_for(joiner, 10)
    assert EVIL in scene.dialer.links
    assert scene.book.pinned(HOST) is None
    assert not [*scene.book.tried(), *scene.book.anchors()]

    scene.dialer.up.add(f"{HOST}/p2p/{BOB}")
    await run_for(joiner, 120)
    assert scene.book.pinned(HOST) == BOB


async def test_join__counts_whoever_is_behind_a_relay_among_the_circuits(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    circuits = [f"{public(n, 1)}/p2p-circuit/p2p/{peer(n)}" for n in (1, 2, 3)]
    for text in (*circuits[:2], public(9, 1), public(9, 2), public(10, 1)):  # one is wanting
        name = PeerId(text.rpartition("/p2p/")[2])
        scene.dialer.links[name] = Link(name, text)
    scene.book.heard(circuits[2], 1)
    scene.book.heard(direct := public(9, 3), 1)
    scene.dialer.up.update({circuits[2], direct})

    await run_for(scene.joiner(), 5)

    assert [text for _, text in scene.dialer.dials] == [direct]


class AskingDialer(FakeDialer):
    """Notes which addresses of our own networks each name may lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: dict[str, list[str]] = {}

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        self.allowed[address] = [ip for ip in (*LOCAL, "120.1.0.1") if allows(ip)]
        return await super().dial(address, allows=allows)


async def test_join__dials_the_anchors_of_its_own_network_whatever_they_are_called(
    autojump_clock: MockClock,
) -> None:
    name, public = f"/dns4/node.lan/tcp/7460/p2p/{BOB}", f"{HOST}/p2p/{peer(2)}"
    scene = Scene(named=[public], dialer=(dialer := AskingDialer()))
    scene.book.worked(name, 1)
    scene.book.anchor([name])
    dialer.up.update({name, public})

    await run_for(scene.joiner(), 5)

    assert dialer.allowed[name] == [*LOCAL, "120.1.0.1"]


@pytest.mark.parametrize("is_named_by_the_operator", [True, False])
async def test_join__has_no_name_of_a_stranger_lead_into_our_own_network(
    autojump_clock: MockClock, is_named_by_the_operator: bool
) -> None:
    name = f"/dns4/node.example.org/tcp/7460/p2p/{BOB}"
    scene = Scene(named=[name] * is_named_by_the_operator, dialer=(dialer := AskingDialer()))
    joiner = scene.joiner()
    joiner.learn(BOB, [name])

    await run_for(joiner, 5)

    assert dialer.allowed[name] == ([*LOCAL] * is_named_by_the_operator) + ["120.1.0.1"]
