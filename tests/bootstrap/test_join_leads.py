"""Joining by less than a full address, and by one that leads somewhere else."""

import pytest
from trio.testing import MockClock

from bootstrap.address_list import PREFIX
from bootstrap.book_file import encode_book, open_book
from bootstrap.dial_policy import DELAY_MS_MAX
from tests.bootstrap.join_scene import NETWORK, Link, Scene, most_in_a_window, run_for
from tests.bootstrap.peer_names import address, peer

PLACE = address(1).rpartition("/p2p/")[0]
OTHER = f"{PLACE}/p2p/{peer(2)}"


def after(scene: Scene, *named: str) -> Scene:
    """Return the same node at its next start."""
    return Scene(named=list(named), book=open_book(encode_book(scene.book))[0])


async def test_join__trusts_who_answers_first_says_so_and_pins_it(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=["10.0.0.1:4001"])
    scene.dialer.up.add(address(1))

    await run_for(scene.joiner(), 20)

    assert list(scene.dialer.links) == [peer(1)]
    assert [text for _, text in scene.dialer.dials] == [PLACE]
    (line,) = scene.notices
    assert line.startswith(f"{PLACE} is {peer(1)}: trusted as the first to answer there")
    assert scene.book.pinned(PLACE) == peer(1)
    assert [place.address for place in scene.book.tried()] == [address(1)]


async def test_join__refuses_who_answers_later_and_says_what_to_do(
    autojump_clock: MockClock,
) -> None:
    first = Scene(named=[PLACE])
    first.dialer.up.add(address(1))
    await run_for(first.joiner(), 20)
    again = after(first, PLACE)
    again.dialer.up.add(OTHER)

    await run_for(again.joiner(), 600)

    assert not again.dialer.links
    (line,) = again.notices
    assert line == (
        f"{peer(2)} answers at {PLACE}, not {peer(1)}, who did on 1970-01-01; refused: "
        f"if it has a new key, start once with --bootstrap {OTHER}"
    )
    assert f"{peer(2)} answers at {PLACE}, not {peer(1)}" in again.reports[-1]


async def test_join__does_as_it_said_one_should(autojump_clock: MockClock) -> None:
    first = Scene(named=[PLACE])
    first.dialer.up.add(address(1))
    await run_for(first.joiner(), 20)
    second = after(first, OTHER, PLACE)
    second.dialer.up.add(OTHER)
    await run_for(second.joiner(), 20)
    third = after(second, PLACE)
    third.dialer.up.add(OTHER)

    await run_for(third.joiner(), 20)

    assert list(second.dialer.links) == list(third.dialer.links) == [peer(2)]
    assert third.notices == []


async def test_join__waits_for_somebody_to_answer_without_a_storm(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=[PLACE])

    await run_for(scene.joiner(), 3_600)

    assert most_in_a_window([moment for moment, _ in scene.dialer.dials], 60) <= 8
    assert scene.dialer.dials[-1][0] > 3_500
    assert "cannot reach" in scene.reports[-1]


async def test_join__reads_a_list_of_addresses_again_until_one_works(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=["/dnsaddr/boot.example"])
    scene.dialer.records[f"{PREFIX}boot.example"] = [f"dnsaddr={address(1)}"]
    scene.dialer.up.add(address(2))
    await run_for(scene.joiner(), 200)
    assert not scene.dialer.links
    assert most_in_a_window(range(len(scene.dialer.lookups)), 60) <= 10

    scene.dialer.records[f"{PREFIX}boot.example"] = [f"dnsaddr={address(2)}"]
    await run_for(scene.joiner(), 2 * DELAY_MS_MAX / 1000)

    assert list(scene.dialer.links) == [peer(2)]
    count = len(scene.dialer.lookups)
    await run_for(scene.joiner(), 600)
    assert len(scene.dialer.lookups) <= count + 1


async def test_join__reads_a_list_again_though_a_stranger_is_connected(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=["/dnsaddr/boot.example"])
    scene.dialer.records[f"{PREFIX}boot.example"] = [f"dnsaddr={address(1)}"]
    scene.dialer.up.add(address(2))
    scene.dialer.links[peer(9)] = Link(peer(9), outbound=False, is_ours=False)
    joiner = scene.joiner()
    await run_for(joiner, 30)

    scene.dialer.records[f"{PREFIX}boot.example"] = [f"dnsaddr={address(2)}"]
    await run_for(joiner, 2 * DELAY_MS_MAX / 1000)

    assert peer(2) in scene.dialer.links


async def test_join__says_when_it_tries_a_place_again_and_not_at_each_try(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=[PLACE])

    await run_for(scene.joiner(), 120)

    assert not any("no address to dial" in line for line in scene.reports)
    assert any(
        line.startswith("waiting for peers: tried 1 address, next try in") for line in scene.reports
    )
    assert len(scene.reports) <= 120 / 5 + 2


async def test_join__forgets_what_a_list_names_no_more_but_not_what_the_operator_names(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=["/dnsaddr/boot.example", "/dnsaddr/other.example", address(1)])
    scene.dialer.records[f"{PREFIX}other.example"] = [f"dnsaddr={address(2)}"]
    joiner = scene.joiner()
    for named in ((1, 2, 3), (4, 5), (6,)):
        listed = [f"dnsaddr={address(number)}" for number in named]
        scene.dialer.records[f"{PREFIX}boot.example"] = listed
        await run_for(joiner, 2 * DELAY_MS_MAX / 1000)

        configured = {place.address for place in scene.book.places() if place.is_configured}
        assert configured == {address(number) for number in (1, 2, *named)}


async def test_join__pins_nobody_who_is_not_of_our_network(autojump_clock: MockClock) -> None:
    scene = Scene(named=[PLACE])
    scene.dialer.up.add(address(1))
    scene.dialer.networks[peer(1)] = ["cd" * 16]
    joiner = scene.joiner()

    await run_for(joiner, 3_600)

    assert scene.book.pinned(PLACE) is None
    assert not any(place.is_configured for place in scene.book.places())
    assert most_in_a_window([moment for moment, _ in scene.dialer.dials], 60) <= 2
    (line,) = scene.notices
    assert line.startswith(f"{address(1)} answers, but is of another network")

    scene.dialer.up = {OTHER}
    await run_for(joiner, 120)

    assert scene.book.pinned(PLACE) == peer(2)


async def test_join__says_why_a_list_of_addresses_leads_nowhere(autojump_clock: MockClock) -> None:
    scene = Scene(named=["/dnsaddr/boot.example"])
    scene.dialer.records[f"{PREFIX}boot.example"] = ["v=spf1"]

    await run_for(scene.joiner(), 60)

    assert "/dnsaddr/boot.example: the TXT records of _dnsaddr.boot.example" in scene.reports[-1]


@pytest.mark.parametrize(
    ("networks", "said"),
    [(["cd" * 16], f"is of another network, {'cd' * 16}"), ([], "is of no network we know")],
)
async def test_join__tells_a_wrong_network_from_one_that_cannot_be_reached(
    autojump_clock: MockClock, networks: list[str], said: str
) -> None:
    scene = Scene(named=[address(1)])
    scene.dialer.up.add(address(1))
    scene.dialer.networks[peer(1)] = networks

    await run_for(scene.joiner(), 3_600)

    assert scene.notices == [
        f"{address(1)} answers, but {said}; ours is {NETWORK}; see --network and --bootstrap"
    ]
    assert said in scene.reports[-1]
    assert not any("connected to" in line for line in scene.reports)
    assert not list(scene.book.tried())
    assert not scene.book.anchors()
    assert most_in_a_window([moment for moment, _ in scene.dialer.dials], 60) <= 2
    assert scene.dialer.hung_up.count(peer(1)) == len(scene.dialer.dials)


async def test_join__takes_no_notice_of_strangers_it_only_heard_of(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.book.heard(address(1), 1)
    scene.book.heard(address(2), 1)
    scene.dialer.up.update({address(1), f"{address(2).rpartition('/p2p/')[0]}/p2p/{peer(3)}"})
    scene.dialer.networks[peer(1)] = ["cd" * 16]

    await run_for(scene.joiner(), 3_600)

    assert scene.notices == []
    assert not scene.dialer.links
    assert len(scene.dialer.dials_by_peer()[peer(1)]) <= 8
