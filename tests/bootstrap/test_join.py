"""Joining, against a dialer that lives in a dictionary and a clock that jumps."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from bootstrap.book_file import open_book
from bootstrap.dial_policy import OUTBOUND_TARGET
from bootstrap.dialing import Connected
from bootstrap.peer_book import PeerBook
from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.join_scene import Link, Scene, run_for
from tests.bootstrap.peer_names import address, peer, public


async def test_join__connects_to_what_is_configured_and_remembers_it(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(book=PeerBook([address(1)]))
    scene.dialer.up.add(address(1))

    await run_for(scene.joiner(), 15)

    assert [text for _, text in scene.dialer.dials] == [address(1)]
    assert scene.reports == [
        "waiting for peers: tried 0 addresses, dialling now",
        "connected to 1 peer",
    ]
    book, _ = open_book(scene.saved[-1][1])
    assert [place.address for place in book.tried()] == [address(1)]
    assert book.places()[0].worked_ms >= 1_000_000
    assert book.places()[0].is_anchor


async def test_join__never_gives_up_and_never_storms(autojump_clock: MockClock) -> None:
    scene = Scene(book=PeerBook([address(1)]))

    await run_for(scene.joiner(), 3_600)

    times = [time for time, _ in scene.dialer.dials]
    assert len(times) >= 50
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= 10
    assert any(
        line.startswith("waiting for peers: tried 1 address, next try in") for line in scene.reports
    )


async def test_join__redials_after_a_loss(autojump_clock: MockClock) -> None:
    scene = Scene(book=PeerBook([address(1)]))
    scene.dialer.up.add(address(1))
    joiner = scene.joiner()

    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        await trio.sleep(120)
        scene.dialer.links.clear()
        joiner.look()
        await trio.sleep(0.5)
        assert len(scene.dialer.links) == 1
        nursery.cancel_scope.cancel()


async def test_join__backs_off_from_a_peer_that_hangs_up_at_once(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(book=PeerBook([address(1)]))
    scene.dialer.up.add(address(1))

    async with trio.open_nursery() as nursery:
        await nursery.start(scene.joiner().run)
        for _ in range(600):
            await trio.sleep(0.1)
            scene.dialer.links.clear()
        assert len(scene.dialer.dials) <= 10
        nursery.cancel_scope.cancel()


def peer_of(address: str) -> PeerId:
    return PeerId(address.rpartition("/p2p/")[2])


async def test_join__lets_go_of_those_who_only_say_that_they_are_of_our_network(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    strangers = [public(group, 1) for group in range(1, 9)]
    scene.dialer.idle.update(map(peer_of, strangers))
    for one in strangers:
        scene.book.heard(one, 1)
    scene.dialer.up.update(strangers)
    joiner = scene.joiner()
    await run_for(joiner, 10)
    assert len(scene.dialer.links) == OUTBOUND_TARGET

    scene.book.heard(honest := public(20, 1), 2)
    scene.dialer.up.add(honest)
    await run_for(joiner, 10)
    assert peer_of(honest) in scene.dialer.links
    await run_for(joiner, 120)

    assert list(scene.dialer.links) == [peer_of(honest)]


async def test_join__does_not_count_relays_and_others_who_take_no_part(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    for group in range(OUTBOUND_TARGET):
        stranger, host = public(group, 1), f"/ip4/120.{group}.0.1/tcp/4001"
        scene.dialer.links[peer_of(stranger)] = Link(peer_of(stranger), host, is_ours=False)
    scene.book.heard(honest := public(20, 1), 2)
    scene.dialer.up.add(honest)

    await run_for(scene.joiner(), 10)

    assert peer_of(honest) in scene.dialer.links


async def test_join__blames_nobody_who_goes_while_it_is_asked_what_it_is(
    autojump_clock: MockClock,
) -> None:
    scene, slow = Scene(), public(1, 1)
    scene.dialer.up.add(slow)
    scene.dialer.idle.add(peer_of(slow))
    scene.book.heard(slow, 1)

    async def networks_of(peer_id: PeerId) -> Sequence[str]:
        await trio.sleep(1)
        scene.dialer.links.clear()
        scene.dialer.idle.clear()  # after its restart it is quick
        raise MarketError("not connected")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.dialer, "networks_of", networks_of)
        await run_for(scene.joiner(), 60)

    assert len(scene.dialer.dials) == 2
    assert list(scene.dialer.links) == [peer_of(slow)]
    assert scene.notices == []


async def test_join__asks_a_stranger_again_who_was_away_only_for_a_moment(
    autojump_clock: MockClock,
) -> None:
    scene, stranger = Scene(), public(1, 1)
    scene.dialer.up.add(stranger)
    scene.dialer.networks[peer_of(stranger)] = ["cd" * 16]
    scene.book.heard(stranger, 1)
    peers, networks_of = scene.dialer.peers, scene.dialer.networks_of
    moments: list[str] = []

    async def networks_after_a_moment(peer_id: PeerId) -> Sequence[str]:
        if not moments:
            moments.append("away")
            raise MarketError("not connected")
        return await networks_of(peer_id)

    def peers_but_for_a_moment() -> Sequence[Connected]:
        if moments == ["away"]:
            moments.append("back")
            return ()
        return peers()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.dialer, "networks_of", networks_after_a_moment)
        patch.setattr(scene.dialer, "peers", peers_but_for_a_moment)
        await run_for(scene.joiner(), 60)

    assert moments == ["away", "back"]
    assert scene.dialer.hung_up == [peer_of(stranger)]


async def test_learn__dials_what_it_is_told_and_only_of_the_teller(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.dialer.up.update({address(1), address(2), address(3)})
    joiner = scene.joiner()
    joiner.learn(peer(1), [address(1), address(2), "nonsense"], is_local=True)
    joiner.learn(peer(0), [address(0)], is_local=True)

    await run_for(joiner, 5)

    assert {text for _, text in scene.dialer.dials} == {address(1)}


async def test_learn__has_no_stranger_make_us_look_at_our_own_network(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.dialer.up.add(address(1))
    joiner = scene.joiner()
    joiner.learn(peer(1), [address(1)], peer(2))

    await run_for(joiner, 60)

    assert scene.dialer.dials == []


async def test_learn__takes_a_bounded_number_of_addresses() -> None:
    scene = Scene()

    told = [address(1, port) for port in range(4000, 4100)]
    scene.joiner().learn(peer(1), told, is_local=True)

    assert len(scene.book.places()) == 4


async def test_join__saves_at_a_bounded_rate_and_once_more_at_the_end(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    joiner = scene.joiner()

    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        for number in range(1, 96):
            joiner.learn(peer(number), [address(number)], is_local=True)
            await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert 9 <= len(scene.saved) <= 14
    assert open_book(scene.saved[-1][1])[0].places() == scene.book.places()


async def test_join__has_saved_whom_it_met_when_it_is_killed_soon_after_its_start(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(book=PeerBook([address(1)]))
    scene.dialer.up.add(address(1))

    await run_for(scene.joiner(), 30)

    first_s, book = scene.saved[0]
    assert first_s < 3
    assert [place.peer_id for place in open_book(book)[0].places()] == [peer(1)]


async def test_join__survives_a_disk_that_does_not_take_the_book(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(save_error=OSError("no space"))
    scene.book.heard(address(1), 1)
    joiner = scene.joiner()
    joiner.learn(peer(2), [address(2)], is_local=True)

    await run_for(joiner, 30)
    scene.save_error = None
    with suppress(trio.Cancelled):
        await run_for(joiner, 30)

    assert len(open_book(scene.saved[-1][1])[0].places()) == 2


async def test_join__says_so_when_there_is_nobody_to_dial(autojump_clock: MockClock) -> None:
    scene = Scene()

    await run_for(scene.joiner(), 30)

    assert scene.reports[0] == "waiting for peers: no address to dial; others can dial us"
    assert len(scene.reports) <= 7
