"""What becomes of who has a place among what worked, and is to be tested before another gets it."""

from dataclasses import dataclass, field

import pytest
from trio.testing import MockClock

from bootstrap.dialing import Allows, AlreadyConnected, anywhere
from bootstrap.feeling import FEEL_MS
from bootstrap.join import Joiner
from bootstrap.peer_book import TERM_MS, TESTS_MAX, TRIED_PER_GROUP_MIN
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Link, Scene, run_for
from tests.bootstrap.peer_names import peer, public

INCUMBENTS = [public(1, number) for number in range(TRIED_PER_GROUP_MIN)]
OLD, NEWCOMER = INCUMBENTS[0], public(1, 9)
RUMOURS = [public(group, 1) for group in range(20, 40)]


def peer_of(text: str) -> PeerId:
    return PeerId(text.rpartition("/p2p/")[2])


@dataclass
class FickleDialer(FakeDialer):
    """Some take a connection and leave before anybody looks."""

    fickle: set[str] = field(default_factory=set)

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        if peer_of(address) in self.links:
            raise AlreadyConnected(f"{address} is connected already")
        found = await super().dial(address, allows=allows)
        if address in self.fickle:
            del self.links[found]
        return found


def a_scene(*fickle: str) -> tuple[Scene, Joiner]:
    """Return a node with six connections, and a newcomer that waits for the place of OLD."""
    dialer = FickleDialer(up={*INCUMBENTS, NEWCOMER, *RUMOURS}, fickle={*fickle})
    scene = Scene(dialer=dialer)
    for now_ms, text in enumerate((*INCUMBENTS, NEWCOMER), 1):
        scene.book.worked(text, now_ms)
    assert scene.book.challenged() == (OLD,)
    for text in RUMOURS:
        scene.book.heard(text, 1, text)
    for number in range(6):
        dialer.links[peer(number + 1)] = Link(peer(number + 1), f"/ip4/121.{number}.0.1/tcp/1")
    return scene, scene.joiner()


async def test_join__lets_who_never_proves_himself_give_way_and_feels_out_others_meanwhile(
    autojump_clock: MockClock,
) -> None:
    scene, joiner = a_scene(*INCUMBENTS, NEWCOMER)

    await run_for(joiner, 2 * TESTS_MAX * FEEL_MS / 1_000 + 10)

    dialled = [text for _, text in scene.dialer.dials]
    assert dialled.count(OLD) == TESTS_MAX
    assert len(set(RUMOURS) & {*dialled}) >= TESTS_MAX - 1
    assert {place.address for place in scene.book.tried()} >= {*INCUMBENTS[1:], NEWCOMER}
    assert OLD not in {place.address for place in scene.book.tried()}
    assert scene.book.challenged() == ()


async def test_join__leaves_its_place_to_who_proves_himself(autojump_clock: MockClock) -> None:
    scene, joiner = a_scene()

    await run_for(joiner, 3_600)

    assert {place.address for place in scene.book.tried()} >= {*INCUMBENTS}
    assert scene.book.challenged() == ()
    assert [text for _, text in scene.dialer.dials].count(OLD) == 1


@pytest.mark.parametrize("outbound", [True, False])
async def test_join__takes_nobody_for_tested_who_is_connected_some_other_way(
    autojump_clock: MockClock, outbound: bool
) -> None:
    scene, joiner = a_scene()
    scene.dialer.links[peer_of(OLD)] = Link(peer_of(OLD), "/ip4/122.1.0.1/tcp/9", outbound=outbound)

    await run_for(joiner, TERM_MS / 1_000 - 10)
    assert scene.book.challenged() == (OLD,)
    assert {place.address: place.worked_ms for place in scene.book.tried()}[OLD] == 1
    await run_for(joiner, 20)

    assert scene.book.challenged() == ()
    assert {place.address for place in scene.book.tried()} >= {*INCUMBENTS[1:], NEWCOMER}
    assert scene.book.knows(OLD)


async def test_join__takes_for_tested_who_is_connected_at_the_very_place(
    autojump_clock: MockClock,
) -> None:
    scene, _ = a_scene()
    scene.dialer.links.clear()
    for text in RUMOURS:
        scene.dialer.up.discard(text)

    await run_for(scene.joiner(), 60)

    assert {*map(peer_of, INCUMBENTS)} <= scene.dialer.links.keys()
    assert {place.address for place in scene.book.tried()} == {*INCUMBENTS}
    assert scene.book.challenged() == ()
