"""The peer book: bounded, loyal to what worked, and never in the way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.addresses import BadAddress
from bootstrap.buckets import NEW_MAX, NEW_PER_BUCKET, TRIED_MAX
from bootstrap.dial_policy import OUTBOUND_TARGET
from bootstrap.peer_book import (
    ADDRESSES_PER_PEER_MAX,
    ANCHORS_MAX,
    CHALLENGES_MAX,
    HEARD_AGAIN_MS,
    PINS_MAX,
    TERM_MS,
    TRIED_PER_GROUP_MIN,
    TRIED_SHARE_OF_GROUP,
    PeerBook,
)
from bootstrap.place import FAILURES_MAX, GONE_FAILURES, STALE_MS
from tests.bootstrap.peer_names import address, peer, public

SECRET = bytes(16)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["heard", "worked", "failed", "left", "wait"]),
        st.integers(0, 3),  # group
        st.integers(0, 40),  # peer within it
        st.integers(4000, 4002),  # port
        st.integers(0, 5),  # source
    ),
    max_size=250,
)


def a_book(deeds: list[tuple[str, int, int, int, int]], *configured: str) -> PeerBook:
    book = PeerBook(configured, SECRET)
    for now_ms, (deed, group, number, port, source) in enumerate(deeds, 1):
        text = public(group, number, port)
        if deed == "heard":
            book.heard(text, now_ms, str(source))
        elif deed == "left":
            book.left(text, now_ms)
        elif deed == "wait":
            book.wait(number * TERM_MS // 40, now_ms)
        else:
            (book.worked if deed == "worked" else book.failed)(text, now_ms)
    return book


def test_worked__puts_the_latest_first() -> None:
    book = PeerBook()
    book.heard(address(1), 50)
    book.worked(address(2), 10)
    book.worked(address(3), 20)

    assert [place.address for place in book.places()] == [address(3), address(2), address(1)]


@given(DEEDS)
def test_book__stays_within_its_bounds_whatever_it_is_told(
    deeds: list[tuple[str, int, int, int, int]],
) -> None:
    book = a_book(deeds)

    tried, rumours = list(book.tried()), list(book.rumours())
    assert len(tried) <= TRIED_MAX
    assert len(rumours) <= NEW_MAX
    assert not {place.address for place in tried} & {place.address for place in rumours}
    by_peer = Counter(place.peer_id for place in (*tried, *rumours))
    assert all(count <= ADDRESSES_PER_PEER_MAX for count in by_peer.values())
    share = max(TRIED_PER_GROUP_MIN, len(tried) // TRIED_SHARE_OF_GROUP)
    assert all(count <= share for count in Counter(place.group for place in tried).values())
    assert len(book.challenged()) <= CHALLENGES_MAX
    assert set(book.challenged()) <= {place.address for place in tried}
    assert all(place.worked_ms for place in tried)
    assert [p.worked_ms for p in book.places()] == sorted(
        (p.worked_ms for p in book.places()), reverse=True
    )


@pytest.mark.parametrize(("seed", "does_answer"), [(1, False), (2, True)])
def test_book__two_groups_never_have_more_than_a_quarter_of_what_worked(
    seed: int, does_answer: bool
) -> None:
    configured = public(90, 1)
    book = PeerBook([configured], seed.to_bytes(16, "big"))
    honest = [public(group, 1) for group in range(1, 41)]
    for text in honest:
        book.worked(text, 10)
    before = set(book.tried())
    anchors = honest[:ANCHORS_MAX]
    book.anchor(anchors)

    for number in range(5_000):
        text = public(100 + number % 2, number)
        book.heard(text, 20, str(number % 2))
        if does_answer and number < 500:
            book.worked(text, 30)

    tried = list(book.tried())
    hostile = [place for place in tried if place.group in ("120.100", "120.101")]
    assert 4 * len(hostile) <= len(tried)
    assert set(tried) >= before
    flood = [place for place in book.rumours() if place.group in ("120.100", "120.101")]
    assert len(flood) <= 4 * NEW_PER_BUCKET  # one bucket for each group and source
    assert [place.address for place in book.anchors()] == anchors
    assert {place.address for place in book.places() if place.is_configured} == {configured}


def test_heard__one_teller_reaches_a_quarter_of_the_table_whomever_it_names() -> None:
    book = PeerBook(secret=SECRET)

    for group in range(200):
        for number in range(10):
            book.heard(public(group, number), 1, "one teller")

    assert len(list(book.rumours())) <= NEW_MAX // 4


def test_book__has_a_bounded_part_for_all_circuits_however_many_relays_there_are() -> None:
    book = PeerBook(secret=SECRET)
    circuits = [f"{public(n, 1)}/p2p-circuit/p2p/{peer(n)}" for n in range(100)]
    for text in circuits:
        book.heard(text, 1, "a teller")
    assert len(list(book.rumours())) > 64

    for text in circuits:
        book.worked(text, 2)

    assert len(list(book.tried())) == TRIED_PER_GROUP_MIN


def test_heard__never_displaces_what_worked_elsewhere() -> None:
    book = PeerBook(secret=SECRET)
    for group in range(30):
        book.worked(public(group, 1), 1)
    before = set(book.tried())

    for number in range(2_000):
        book.heard(public(number % 200, 1_000 + number), 10**6, str(number))

    assert set(book.tried()) == before


def test_heard__makes_way_for_newcomers_only_where_places_failed_or_are_stale() -> None:
    book = PeerBook(secret=SECRET)
    for number in range(NEW_PER_BUCKET):
        assert book.heard(public(1, number), 1, "teller")

    assert not book.heard(public(1, 99), 2, "teller")
    for _ in range(FAILURES_MAX):
        book.failed(public(1, 3), 3)
    assert book.heard(public(1, 99), 4, "teller")
    assert not book.knows(public(1, 3))
    assert book.heard(public(1, 100), 2 + STALE_MS, "teller")


def test_heard__lets_the_newest_addresses_of_a_peer_stand() -> None:
    book = PeerBook(secret=SECRET)
    for port in range(4000, 4000 + ADDRESSES_PER_PEER_MAX):
        book.worked(address(1, port), port)

    assert book.heard(address(1, 9_000), 9_000)

    assert {place.address for place in book.places()} == {
        address(1, port) for port in (4001, 4002, 4003, 9_000)
    }


def test_heard__again_is_news_once_in_a_while() -> None:
    book = PeerBook()

    assert book.heard(address(1), 1_000)
    assert not book.heard(address(1), 999 + HEARD_AGAIN_MS)
    assert book.heard(address(1), 1_000 + HEARD_AGAIN_MS)


def test_worked__tests_who_is_there_before_it_gives_the_place_away() -> None:
    book = PeerBook(secret=SECRET)
    old = [public(1, number) for number in range(TRIED_PER_GROUP_MIN)]
    for now_ms, text in enumerate(old, 1):
        book.worked(text, now_ms)

    book.worked(public(1, 9), 100)
    assert book.challenged() == (old[0],)
    assert {place.address for place in book.tried()} == set(old)
    assert book.knows(public(1, 9))

    book.worked(old[0], 200)
    assert book.challenged() == ()
    book.worked(public(1, 9), 300)
    assert book.challenged() == (old[1],)
    book.failed(old[1], 400)

    assert {place.address for place in book.tried()} == {old[0], *old[2:], public(1, 9)}
    assert book.knows(old[1])


def test_failed__promotes_no_newcomer_that_gave_way_meanwhile() -> None:
    book = PeerBook(secret=SECRET)
    incumbents = [public(1, number) for number in range(TRIED_PER_GROUP_MIN)]
    for text in incumbents:
        book.worked(text, 1_000)
    newcomer = f"/ip4/120.1.9.1/tcp/1/p2p/{peer(99)}"
    book.worked(newcomer, 2_000)
    assert len(book.challenged()) == 1
    for number in range(ADDRESSES_PER_PEER_MAX):
        book.heard(f"/ip4/121.{number}.9.1/tcp/1/p2p/{peer(99)}", 3_000 + number)
    assert not book.knows(newcomer)

    for text in incumbents:
        book.failed(text, 9_000)

    assert not book.knows(newcomer)
    assert {place.address for place in book.tried()} == set(incumbents)


def test_failed__promotes_a_newcomer_as_it_is_by_then() -> None:
    book = PeerBook(secret=SECRET)
    incumbents = [public(1, number) for number in range(TRIED_PER_GROUP_MIN)]
    for text in incumbents:
        book.worked(text, 1_000)
    book.worked(public(1, 9), 2_000)
    book.worked(public(1, 9), 3_000)

    for text in book.challenged():
        book.failed(text, 9_000)

    assert [one.worked_ms for one in book.tried() if one.address == public(1, 9)] == [3_000]


def test_book__never_forgets_what_is_configured() -> None:
    book = PeerBook([address(77_777)], SECRET)
    for number in range(1_000):
        book.worked(address(number), 10 + number)
    for _ in range(100):
        book.failed(address(77_777), 10)

    named = [place for place in book.places() if place.is_configured]
    assert [place.address for place in named] == [address(77_777)]


def test_book__refuses_a_configured_address_that_cannot_be_dialled() -> None:
    with pytest.raises(BadAddress, match="localhost:4001"):
        PeerBook(["localhost:4001"])


def test_book__has_room_for_a_network_on_one_machine_or_in_one_house() -> None:
    house, machine = PeerBook(secret=SECRET), PeerBook(secret=SECRET)
    for number in range(32):
        house.worked(f"/ip4/192.168.1.{number + 2}/tcp/7460/p2p/{peer(number)}", 1)
        machine.worked(f"/ip4/127.0.0.1/tcp/{7460 + number}/p2p/{peer(number)}", 1)

    for book in (house, machine):
        assert len(list(book.tried())) >= 3 * OUTBOUND_TARGET
        assert len(book.places()) >= 28


def test_pin__remembers_so_many_and_the_last_word_on_each() -> None:
    book = PeerBook()
    for number in range(PINS_MAX + 5):
        book.pin(f"/ip4/192.0.2.7/tcp/{number + 1}", peer(number), number)
    book.pin("/ip4/192.0.2.7/tcp/60", peer(1), 999)

    assert len(list(book.pins())) == PINS_MAX
    assert book.pinned("/ip4/192.0.2.7/tcp/60") == peer(1)
    assert book.pinned("/ip4/192.0.2.7/tcp/1") is None


def test_anchor__takes_places_it_knows_and_two_of_them() -> None:
    book = PeerBook()
    for number in range(1, 5):
        book.worked(address(number), number)

    assert book.anchor([address(9), address(1), address(2), address(3)])
    assert not book.anchor([address(1), address(2)])
    assert [place.address for place in book.anchors()] == [address(1), address(2)]


def test_heard__has_room_for_a_network_that_goes_by_names() -> None:
    book = PeerBook(secret=SECRET)
    places = [f"/dns4/node{n}.lan{n}/tcp/7460/p2p/{peer(n)}" for n in range(100)]

    assert sum(book.heard(place, 1, "10.0.0.1") for place in places) > 64


def test_heard__makes_way_for_newcomers_where_what_once_worked_is_gone() -> None:
    book, day_ms = PeerBook(secret=SECRET), 24 * 3_600_000
    places = [f"/dns4/node{n}.in.lan/tcp/7460/p2p/{peer(n)}" for n in range(60)]
    for place in places[:30]:
        book.worked(place, 1)
    for place in places[:30]:
        for _ in range(GONE_FAILURES):
            book.failed(place, 1)

    early = sum(book.heard(place, 1 + day_ms) for place in places[30:])
    late = sum(book.heard(place, 1 + 2 * day_ms) for place in places[30:])

    assert early <= 1 < NEW_PER_BUCKET - 1 <= late
