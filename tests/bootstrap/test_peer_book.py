"""The peer book: bounded, loyal to what worked, and never in the way."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.addresses import BadAddress
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PEERS_MAX, PeerBook, open_book
from tests.bootstrap.peer_names import address

NOTES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 12), st.integers(4000, 4007), st.integers(1, 2**52)),
    max_size=60,
)


def a_book(notes: list[tuple[bool, int, int, int]], *configured: str) -> PeerBook:
    book = PeerBook(configured)
    for did_work, number, port, now_ms in notes:
        (book.worked if did_work else book.heard)(address(number, port), now_ms)
    return book


def test_worked__puts_the_latest_first() -> None:
    book = PeerBook()
    book.heard(address(1), 50)
    book.worked(address(2), 10)
    book.worked(address(3), 20)

    assert [place.address for place in book.places()] == [address(3), address(2), address(1)]


def test_heard__never_displaces_what_worked() -> None:
    book = PeerBook()
    for number in range(PEERS_MAX):
        book.worked(address(number), 1)

    is_news = book.heard(address(9_999), 10**12)

    assert not is_news
    assert {place.worked_ms for place in book.places()} == {1}
    assert len(book.places()) == PEERS_MAX


def test_worked__displaces_a_rumour_then_what_worked_longest_ago() -> None:
    book = PeerBook()
    for number in range(PEERS_MAX - 1):
        book.worked(address(number), 100 + number)
    book.heard(address(5_000), 10**12)

    book.worked(address(6_000), 10**12)
    assert address(5_000) not in {place.address for place in book.places()}
    book.worked(address(7_000), 10**12)
    assert address(0) not in {place.address for place in book.places()}
    assert len(book.places()) == PEERS_MAX


def test_book__never_forgets_what_is_configured() -> None:
    book = PeerBook([address(77_777)])
    for number in range(PEERS_MAX + 50):
        book.worked(address(number), 10 + number)

    assert address(77_777) in {place.address for place in book.places()}
    assert len(book.places()) == PEERS_MAX + 1


def test_book__refuses_a_configured_address_that_cannot_be_dialled() -> None:
    with pytest.raises(BadAddress, match="localhost:4001"):
        PeerBook(["localhost:4001"])


@given(NOTES)
def test_book__stays_within_its_bounds_and_prefers_what_worked(
    notes: list[tuple[bool, int, int, int]],
) -> None:
    places = a_book(notes).places()

    by_peer: dict[str, int] = {}
    for place in places:
        by_peer[place.peer_id] = by_peer.get(place.peer_id, 0) + 1
    assert all(count <= ADDRESSES_PER_PEER_MAX for count in by_peer.values())
    assert [p.worked_ms for p in places] == sorted((p.worked_ms for p in places), reverse=True)


@given(NOTES)
def test_open_book__reads_what_encode_wrote(notes: list[tuple[bool, int, int, int]]) -> None:
    book = a_book(notes)

    again, complaint = open_book(book.encode())

    assert again.places() == book.places()
    assert complaint == ""


def test_open_book__keeps_the_configured_places_apart() -> None:
    book = a_book([(True, 1, 4001, 5)], address(1), address(2))

    again, _ = open_book(book.encode(), [address(2), address(3)])

    assert {(p.address, p.worked_ms, p.is_configured) for p in again.places()} == {
        (address(1), 5, False),
        (address(2), 0, True),
        (address(3), 0, True),
    }


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 400))
def test_open_book__is_empty_or_whole_after_any_damage(noise: bytes, start: int, end: int) -> None:
    whole = a_book([(True, number, 4001, number + 1) for number in range(4)]).encode()
    damaged = whole[:start] + noise + whole[end:]

    book, complaint = open_book(damaged, [address(9)])

    assert address(9) in {place.address for place in book.places()}
    assert complaint == "" or complaint.startswith(("the peer book is damaged", "left out"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"[]",
        b"{}",
        b'{"version": 2, "places": []}',
        b'{"version": 1, "places": {}}',
        b'{"version": 1, "places": [["x", 1]]}',
        b'{"version": 1, "places": [["x", true, 1]]}',
        b'{"version": 1, "places": [["x", 1, -1]]}',
        b"[" * 100_000,
        b" " * (1024 * 1024 + 1),
    ],
)
def test_open_book__says_that_a_damaged_book_starts_empty(data: bytes) -> None:
    book, complaint = open_book(data)

    assert book.places() == ()
    assert complaint.startswith("the peer book is damaged and starts empty: ")
    assert "\n" not in complaint


def test_open_book__leaves_out_single_bad_addresses_and_an_empty_file_is_fine() -> None:
    rows = [[address(1), 1, 1], ["localhost:1", 1, 1]]

    book, complaint = open_book(json.dumps({"version": 1, "places": rows}).encode())

    assert [place.address for place in book.places()] == [address(1)]
    assert complaint == "left out 1 unusable addresses of the peer book"
    assert open_book(b"")[1] == ""
