"""How often it is asked who is connected, whatever strangers say and however they come and go."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from bootstrap.dialing import Connected
from bootstrap.peer_book import CHALLENGES_MAX, PeerBook
from bootstrap.place import Place
from tests.bootstrap.join_scene import FakeDialer, Link, Scene, run_for
from tests.bootstrap.peer_names import address, peer, public


class CountingDialer(FakeDialer):
    """Counts how often it is asked who is connected."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def peers(self) -> Sequence[Connected]:
        self.asked += 1
        return super().peers()


class CountingBook(PeerBook):
    """Counts how often everything in it is put in order."""

    def __init__(self) -> None:
        super().__init__(secret=bytes(16))
        self.asked = 0

    def places(self) -> tuple[Place, ...]:
        self.asked += 1
        return super().places()


async def test_learn__asks_once_who_is_connected_however_many_addresses_it_is_told(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(dialer=(dialer := CountingDialer()))
    dialer.links[peer(2)] = Link(peer(2), "/ip4/10.0.0.2/tcp/4001")
    joiner = scene.joiner()

    for number in (1, 3):
        told = [address(number, port) for port in range(4001, 4005)]
        joiner.learn(peer(number), told, peer(2))

    assert len(scene.book.places()) == 8
    assert dialer.asked == 1


async def test_learn__knows_soon_of_a_neighbour_that_came(autojump_clock: MockClock) -> None:
    scene = Scene(dialer=(dialer := CountingDialer()))
    joiner = scene.joiner()
    joiner.learn(peer(1), [address(1)], peer(2))
    dialer.links[peer(2)] = Link(peer(2), "/ip4/10.0.0.2/tcp/4001")
    await trio.sleep(1)

    joiner.learn(peer(1), [address(1)], peer(2))

    assert [place.address for place in scene.book.places()] == [address(1)]


async def test_look__is_not_taken_for_each_of_those_who_come_and_go(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(dialer=(dialer := CountingDialer()))
    joiner = scene.joiner()

    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        for _ in range(100):
            joiner.look()
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()

    assert dialer.asked <= 3


async def test_look__puts_the_book_in_order_once(autojump_clock: MockClock) -> None:
    dialer, book = CountingDialer(), CountingBook()
    scene = Scene(dialer=dialer, book=book)
    for group in range(CHALLENGES_MAX):
        for number in range(3):
            book.worked(public(group, number), number + 1)
    assert book.challenged()
    joiner = scene.joiner()
    dialer.asked = book.asked = 0
    await run_for(joiner, 10)

    assert 0 < book.asked <= dialer.asked


async def test_learn__knows_at_once_of_a_neighbour_whose_coming_was_told(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(dialer=(dialer := FakeDialer()))
    joiner = scene.joiner()
    joiner.learn(peer(1), [address(1)], peer(2))
    dialer.links[peer(2)] = Link(peer(2), "/ip4/10.0.0.2/tcp/4001")
    joiner.look()

    joiner.learn(peer(1), [address(1)], peer(2))

    assert [place.address for place in scene.book.places()] == [address(1)]
