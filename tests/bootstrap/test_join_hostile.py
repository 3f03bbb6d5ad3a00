"""Joining among many who want to surround us, and while nothing can be reached."""

import itertools
import random
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from bootstrap.book_file import encode_book, open_book
from bootstrap.dial_policy import DIALS_AT_ONCE_MAX, OUTBOUND_PER_GROUP_MAX, OUTBOUND_TARGET
from bootstrap.peer_book import TRIED_PER_GROUP_MIN, TRIED_SHARE_OF_GROUP, PeerBook
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Link, Scene, most_in_a_window
from tests.bootstrap.peer_names import address, peer, public
from tests.sim.seeds import seeds

HONEST = [public(group, 1) for group in range(1, 31)]
FLOOD = [public(200 + number % 2, number) for number in range(5_000)]


def honest_links(scene: Scene) -> int:
    honest = {text.rpartition("/p2p/")[2] for text in HONEST}
    return sum(link.outbound and link.peer_id in honest for link in scene.dialer.links.values())


@pytest.mark.parametrize("seed", seeds(100, usual=2))
async def test_join__keeps_two_honest_links_though_an_attacker_floods_it_and_it_restarts(
    autojump_clock: MockClock, seed: int
) -> None:
    """Scenario B5 of the reliability plan, with attackers that answer wherever they are dialled."""
    rng = random.Random(seed)
    scene = Scene(
        named=HONEST[:1],
        book=PeerBook(secret=rng.randbytes(16)),
        dialer=FakeDialer(up={*HONEST, *FLOOD}),
        dice=rng.random,
    )
    joiner = scene.joiner()
    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        for text in HONEST:
            joiner.learn(_peer(text), [text], peer(1))
        await trio.sleep(900)
        for text in rng.sample(FLOOD, 96):  # every place for those who come in
            place = text.rpartition("/p2p/")[0]
            scene.dialer.links[_peer(text)] = Link(_peer(text), place, outbound=False)
        for number, text in enumerate(FLOOD):
            joiner.learn(_peer(text), [text], _peer(FLOOD[number % 7]))
        for _ in range(20):
            for link in [link for link in scene.dialer.links.values() if link.outbound]:
                if rng.random() < 0.3:
                    del scene.dialer.links[link.peer_id]
            await trio.sleep(61)
        nursery.cancel_scope.cancel()
    anchors = [place.address for place in scene.book.anchors()]
    again = Scene(
        book=open_book(encode_book(scene.book))[0],
        dialer=FakeDialer(up={*HONEST, *FLOOD}),
        dice=rng.random,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(again.joiner().run)
        await trio.sleep(60)
        for _ in range(300):
            assert honest_links(again) >= 2
            await trio.sleep(1)
        nursery.cancel_scope.cancel()

    for book in (scene.book, again.book):
        tried = list(book.tried())
        assert 4 * sum(place.address in FLOOD for place in tried) <= len(tried)
    at_once = {text for moment, text in again.dialer.dials if moment == again.dialer.dials[0][0]}
    assert set(anchors) <= at_once
    assert sum(link.outbound for link in again.dialer.links.values()) >= OUTBOUND_TARGET


class Host(FakeDialer):
    """Behind every name is one host."""

    def _link(self, peer_id: PeerId, place: str) -> PeerId:
        super()._link(peer_id, place)
        if place.startswith("/dns"):
            link = self.links[peer_id]
            self.links[peer_id] = replace(link, address="/ip4/121.1.0.1/tcp/4001")
        return peer_id


async def test_join__takes_all_names_for_one_part_of_the_internet(
    autojump_clock: MockClock,
) -> None:
    rng = random.Random(5)
    names = [f"/dns4/evil{n}.example{n}/tcp/4001/p2p/{peer(n)}" for n in range(1, 400)]
    scene = Scene(
        book=PeerBook(secret=rng.randbytes(16)),
        dialer=Host(up={*HONEST, *names}),
        dice=rng.random,
    )
    joiner = scene.joiner()
    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        for number, text in enumerate((*HONEST, *names)):
            joiner.learn(_peer(text), [text], _peer(HONEST[number % 30]))
        for _ in range(40):
            await trio.sleep(61)
            outbound = [link.peer_id for link in scene.dialer.links.values() if link.outbound]
            assert len(outbound) == OUTBOUND_TARGET
            assert sum(name in map(_peer, names) for name in outbound) <= OUTBOUND_PER_GROUP_MAX
            for name in rng.sample(outbound, 2):
                del scene.dialer.links[name]
                joiner.look()
        nursery.cancel_scope.cancel()

    tried = list(scene.book.tried())
    share = max(TRIED_PER_GROUP_MIN, len(tried) // TRIED_SHARE_OF_GROUP)
    assert sum(place.address in names for place in tried) <= share


async def test_join__is_not_kept_alone_by_those_who_name_ever_new_dead_addresses(
    autojump_clock: MockClock,
) -> None:
    rng = random.Random(1)
    scene = Scene(
        book=PeerBook(secret=rng.randbytes(16)),
        dialer=FakeDialer(up={*HONEST}, fails_after_s=5.0),
        dice=rng.random,
    )
    joiner = scene.joiner()
    for text in HONEST:
        joiner.learn(_peer(text), [text])
    await trio.sleep(5)  # the others speak later

    async def speak_again_and_again() -> None:
        ports = itertools.count(1)
        while True:
            for number, port in zip(range(16), ports, strict=False):
                name = peer(700_000 + number)
                hosts = [f"{rng.randrange(130, 190)}.{rng.randrange(256)}.1.1" for _ in range(4)]
                joiner.learn(name, [f"/ip4/{host}/tcp/{port}/p2p/{name}" for host in hosts])
            await trio.sleep(20)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak_again_and_again)
        await trio.testing.wait_all_tasks_blocked()
        await nursery.start(joiner.run)
        await trio.sleep(60)
        assert honest_links(scene) >= 4
        nursery.cancel_scope.cancel()


async def test_join__never_storms_while_nothing_can_be_reached_and_is_back_soon(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(dialer=FakeDialer(fails_after_s=0.0), dice=random.Random(4).random)
    for number in range(1, 31):
        for port in range(4001, 4004):
            scene.book.worked(address(number, port), number)
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.joiner().run)
        await trio.sleep(900)
        outage = list(scene.dialer.dials)
        scene.dialer.up.update(place.address for place in scene.book.places())
        await trio.sleep(60)
        links = len(scene.dialer.links)
        nursery.cancel_scope.cancel()

    moments = [moment for moment, _ in outage]
    assert most_in_a_window(moments, 1) <= DIALS_AT_ONCE_MAX + 1
    assert most_in_a_window(moments[::10], 60) <= (DIALS_AT_ONCE_MAX + 60) // 10 + 1
    for dials in scene.dialer.dials_by_peer().values():
        assert most_in_a_window(dials, 60) <= 10
    assert links == OUTBOUND_TARGET


async def test_moved__has_what_failed_tried_again_soon(autojump_clock: MockClock) -> None:
    scene = Scene(named=[address(1)])
    joiner = scene.joiner()
    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        await trio.sleep(3_600)
        scene.dialer.up.add(address(1))
        for _ in range(10):
            joiner.moved()
        await trio.sleep(10)
        assert list(scene.dialer.links) == [peer(1)]
        nursery.cancel_scope.cancel()

    assert most_in_a_window([moment for moment, _ in scene.dialer.dials], 60) <= 10


async def test_join__reaches_a_peer_soon_at_the_address_it_moved_to(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    for port in range(4001, 4005):  # as many as are kept of one peer
        scene.book.worked(address(1, port), port)
    joiner = scene.joiner()
    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        await trio.sleep(600)
        scene.dialer.up.add(address(1, 9_000))
        joiner.learn(peer(1), [address(1, 9_000)], is_local=True)
        await trio.sleep(20)  # it may just have been dialled as often as it may be in a minute
        assert list(scene.dialer.links) == [peer(1)]
        nursery.cancel_scope.cancel()


async def test_join__feels_out_rumours_and_lets_go_of_them(autojump_clock: MockClock) -> None:
    scene = Scene(dialer=FakeDialer(up={address(number) for number in range(1, 20)}))
    for number in range(1, 20):
        scene.book.heard(address(number), number, str(number))
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.joiner().run)
        await trio.sleep(3_600)
        nursery.cancel_scope.cancel()

    assert len(list(scene.book.tried())) == 19
    assert len(scene.dialer.links) == OUTBOUND_TARGET
    assert len(scene.dialer.hung_up) == 19 - OUTBOUND_TARGET


def _peer(text: str) -> PeerId:
    return PeerId(text.rpartition("/p2p/")[2])
