"""The peer book as a file: what was written is read back, and damage costs no start."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bootstrap.book_file import BOOK_BYTES_MAX, VERSION, encode_book, open_book
from bootstrap.buckets import NEW_MAX, TRIED_MAX
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PeerBook
from tests.bootstrap.peer_names import address, peer, public
from tests.bootstrap.test_peer_book import DEEDS, a_book


@given(DEEDS, st.sets(st.integers(0, 40), max_size=3))
def test_open_book__reads_what_encode_wrote(
    deeds: list[tuple[str, int, int, int, int]], anchors: set[int]
) -> None:
    book = a_book(deeds)
    book.anchor(public(1, number, 4001) for number in sorted(anchors))
    for number in anchors:
        book.pin(f"/dns/a.example/tcp/{number + 1}", peer(number), number)

    again, complaint = open_book(encode_book(book))

    assert again.places() == book.places()
    assert set(again.tried()) == set(book.tried())
    assert set(again.rumours()) == set(book.rumours())
    assert again.anchors() == book.anchors()
    assert list(again.pins()) == list(book.pins())
    assert again.secret == book.secret
    assert complaint == ""


def test_open_book__keeps_the_configured_places_apart() -> None:
    book = a_book([("worked", 1, 1, 4001, 0)], address(1), address(2))

    again, _ = open_book(encode_book(book), [address(2), address(3)])

    assert {(p.address, p.worked_ms, p.is_configured) for p in again.places()} == {
        (public(1, 1), 1, False),
        (address(2), 0, True),
        (address(3), 0, True),
    }


def test_open_book__remembers_that_a_configured_place_worked() -> None:
    book = PeerBook([address(1)])
    book.worked(address(1), 7)

    named, _ = open_book(encode_book(book), [address(1)])
    unnamed, _ = open_book(encode_book(book))

    assert [(p.worked_ms, p.is_configured) for p in named.places()] == [(7, True)]
    assert [(p.worked_ms, p.is_configured) for p in unnamed.places()] == [(7, False)]


def test_encode_book__of_a_full_book_takes_less_than_may_be_read() -> None:
    book = PeerBook()
    for group in range(128):
        for number in range(12):
            text = f"{public(group, number)}/p2p-circuit/p2p/{peer(1000 * group + number)}"
            book.heard(text, 2**52, f"teller {number}")
            if number < 2:
                book.worked(text, 2**52)

    assert len(encode_book(book)) * 2 < BOOK_BYTES_MAX


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 1_500), st.integers(0, 1_500))
def test_open_book__is_empty_or_whole_after_any_damage(noise: bytes, start: int, end: int) -> None:
    whole = a_book([("worked", 0, number, 4001, 0) for number in range(4)])
    whole.anchor([public(0, 1)])
    whole.pin("/ip4/192.0.2.7/tcp/1", peer(1), 1)
    data = encode_book(whole)

    book, complaint = open_book(data[:start] + noise + data[end:], [address(9)])

    assert address(9) in {place.address for place in book.places()}
    assert complaint == "" or complaint.startswith(("the peer book is damaged", "left out"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"[]",
        b"{}",
        b'{"version": true}',
        b'{"version": 3, "places": []}',
        b'{"version": 2}',
        b'{"version": 2, "anchors": [], "pins": [], "tried": [], "new": [["x", 1, 1, -1, ""]]}',
        b'{"version": 2, "anchors": [], "pins": [["x", "y"]], "tried": [], "new": []}',
        b'{"version": 2, "secret": "ab", "anchors": [], "pins": [], "tried": [], "new": []}',
        b'{"version": 1, "places": {}}',
        b'{"version": 1, "places": [["x", 1]]}',
        b'{"version": 1, "places": [["x", true, 1]]}',
        b'{"version": 1, "places": [["x", 1, -1]]}',
        b"[" * 100_000,
        b" " * (BOOK_BYTES_MAX + 1),
    ],
)
def test_open_book__says_that_a_damaged_book_starts_empty(data: bytes) -> None:
    book, complaint = open_book(data)

    assert book.places() == ()
    assert complaint.startswith("the peer book is damaged and starts empty: ")
    assert "\n" not in complaint


TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["\ud800", "x" * 300, "1.2", f"{address(3)}\udfff"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(TEXTS, some, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200)
@given(st.sampled_from(["anchors", "tried", "new", "pins"]), st.integers(0, 4), ANYTHING | TEXTS)
@example("new", 4, "\ud800")
@example("pins", 2, 2**53 - 1)
def test_open_book__starts_whatever_one_field_of_a_row_says(
    table: str, at: int, value: object
) -> None:
    whole = a_book([("worked", 0, number, 4001, 0) for number in range(2)])
    whole.heard(public(5, 1), 1, "9.9")
    whole.anchor([public(0, 1)])
    whole.pin("/ip4/192.0.2.7/tcp/1", peer(1), 1)
    document = json.loads(encode_book(whole))
    row = document[table][0]
    row[at % len(row)] = value

    book, complaint = open_book(json.dumps(document).encode(), [address(9)])

    assert address(9) in {place.address for place in book.places()}
    assert complaint == "" or complaint.startswith(("the peer book is damaged", "left out"))
    for _, _, pinned_ms in book.pins():  # the operator is told the day
        assert datetime.fromtimestamp(pinned_ms / 1000, UTC)
    again, complaint = open_book(encode_book(book))
    assert complaint == ""
    assert {place.address for place in (*again.tried(), *again.rumours())} == {
        place.address for place in (*book.tried(), *book.rumours())
    }


def test_open_book__reads_version_1() -> None:
    rows = [[address(1), 5, 1], ["localhost:1", 1, 1], [address(2), 0, 3]]

    book, complaint = open_book(json.dumps({"version": 1, "places": rows}).encode())

    assert [place.address for place in book.tried()] == [address(1)]
    assert [(place.address, place.heard_ms) for place in book.rumours()] == [(address(2), 3)]
    assert complaint == "left out 1 unusable addresses of the peer book"
    assert json.loads(encode_book(book))["version"] == VERSION
    assert open_book(b"")[1] == ""


def test_open_book__takes_no_more_than_a_book_holds_whatever_the_file_says() -> None:
    def rows(first: int, count: int) -> list[list[object]]:
        return [[public(n % 250, n), 5, 5, 0, str(n)] for n in range(first, first + count)]

    document = {
        "version": VERSION,
        "anchors": rows(0, 9),
        "pins": [],
        "tried": [*rows(0, 1_500), *[[address(1, port), 1, 1, 0, ""] for port in range(1, 99)]],
        "new": [*rows(5_000, 1_500), *rows(0, 10)],
    }

    book, _ = open_book(json.dumps(document).encode())

    assert len(list(book.tried())) <= TRIED_MAX
    assert len(list(book.rumours())) <= NEW_MAX
    assert len(book.anchors()) == 2
    mine = [place for place in book.places() if place.peer_id == peer(1)]
    assert len(mine) <= ADDRESSES_PER_PEER_MAX
