"""What a node that reaches nobody holds against others: nothing, it may be its own line."""

import random

import pytest
import trio
from trio.testing import MockClock

from bootstrap.peer_book import TRIED_PER_GROUP_MIN, PeerBook
from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Scene, run_for
from tests.bootstrap.peer_names import address, peer, public

PROVEN = [public(1, number) for number in range(TRIED_PER_GROUP_MIN)]
NEWCOMER = public(1, 9)


def a_challenged_book() -> PeerBook:
    book = PeerBook(secret=bytes(16))
    for now_ms, text in enumerate((*PROVEN, NEWCOMER), 1):
        book.worked(text, now_ms)
    assert book.challenged() == (PROVEN[0],)
    return book


@pytest.mark.parametrize("takes_s", [0.0, 5.0])
async def test_join__blames_nobody_while_nobody_is_reached(
    autojump_clock: MockClock, takes_s: float
) -> None:
    scene = Scene(book=a_challenged_book(), dialer=FakeDialer(fails_after_s=takes_s))
    before = scene.book.places()

    await run_for(scene.joiner(), 3_600)

    assert len(scene.dialer.dials) > 100
    assert scene.book.places() == before
    assert {place.address for place in scene.book.tried()} == set(PROVEN)
    assert scene.book.challenged() == (PROVEN[0],)


async def test_join__lets_who_does_not_answer_give_way_while_another_does(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(book=a_challenged_book(), named=[address(5)])
    scene.dialer.up.add(address(5))

    await run_for(scene.joiner(), 60)

    tried = {place.address for place in scene.book.tried()}
    assert tried == {*PROVEN[1:], NEWCOMER, address(5)}
    failures = {place.address: place.failures for place in scene.book.places()}
    assert all(failures[text] > 0 for text in PROVEN)


async def test_join__comes_to_others_though_it_begins_among_dead_places_alone(
    autojump_clock: MockClock,
) -> None:
    rng = random.Random(3)
    scene = Scene(book=PeerBook(secret=rng.randbytes(16)), dice=rng.random)
    for number in range(400):
        scene.book.heard(public(number % 50, number), 1, f"120.{number % 7}")
    joiner = scene.joiner()
    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        await trio.sleep(600)
        scene.dialer.up.add(alive := public(60, 1))
        joiner.learn(PeerId(alive.rpartition("/p2p/")[2]), [alive])
        await trio.sleep(120)
        nursery.cancel_scope.cancel()

    assert len(scene.dialer.links) == 1


class MuteDialer(FakeDialer):
    """Whoever is connected says nothing, as over a line that died."""

    async def networks_of(self, peer_id: PeerId) -> list[str]:
        await trio.sleep(4)
        raise MarketError(f"{peer_id} gives no answer")


async def test_join__blames_nobody_for_silence_while_nobody_speaks(
    autojump_clock: MockClock,
) -> None:
    mute = MuteDialer(up={address(1)}, idle={peer(1)})
    scene = Scene(dialer=mute)
    scene.book.heard(address(1), 1)

    await run_for(scene.joiner(), 120)

    assert mute.hung_up
    assert [place.failures for place in scene.book.places()] == [0]
