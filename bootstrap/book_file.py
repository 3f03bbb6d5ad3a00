"""The peer book as a file: JSON, since an operator may want to look at it."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bootstrap.addresses import BadAddress, parse_address
from bootstrap.buckets import SECRET_BYTES
from bootstrap.leads import OpenPlace, parse_lead
from bootstrap.peer_book import PINS_MAX, PeerBook
from bootstrap.place import Place, place_at

VERSION = 2
BOOK_BYTES_MAX = 1024 * 1024  # three times what a full book takes
MOMENT_MAX = 253_402_300_800_000  # the year 10000, which no date of the library can say
GROUP_BYTES_MAX = 256

Row = list[Any]


def encode_book(book: PeerBook) -> bytes:
    """Return the book as bytes; what the operator configures is not in it unless it worked."""
    document = {
        "version": VERSION,
        "secret": book.secret.hex(),
        "anchors": [_row(place) for place in book.anchors()],
        "pins": [list(pin) for pin in book.pins()],
        "tried": [_row(place) for place in book.tried()],
        "new": [_row(place) for place in book.rumours()],
    }
    return json.dumps(document, indent=1).encode()


def open_book(data: bytes, configured: Iterable[str] = ()) -> tuple[PeerBook, str]:
    """Read a book as `encode_book` wrote it, or version 1, and say in one line what was wrong.

    A damaged book is an empty one: it only saves time.

    Raises:
        BadAddress: A configured address cannot be dialled.
    """
    if not data:
        return PeerBook(configured), ""
    try:
        document = _upgraded(_read(data))
        book = PeerBook(configured, _secret(document))
        tables = {name: _rows(document, name) for name in ("anchors", "tried", "new")}
        pins = _pins(document)
    except (ValueError, RecursionError) as error:
        return PeerBook(configured), f"the peer book is damaged and starts empty: {error}"
    unusable = 0
    for name, rows in tables.items():
        for row in rows:
            place = _place(row)
            if place is None:
                unusable += 1
            else:
                book.restore(place, is_tried=name == "tried", is_anchor=name == "anchors")
    for lead, peer_id, pinned_ms in pins:
        try:
            opened = parse_lead(lead)
            if not isinstance(opened, OpenPlace):
                raise BadAddress(lead)
            full = parse_address(opened.address_of(peer_id))
            book.pin(opened.text, full.peer_id, pinned_ms)
        except BadAddress:
            unusable += 1
    return book, f"left out {unusable} unusable addresses of the peer book" if unusable else ""


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > BOOK_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes, at most {BOOK_BYTES_MAX}")
    document = json.loads(data)
    if not isinstance(document, dict) or type(document.get("version")) is not int:
        raise ValueError("not a book with a version")
    return document


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of this version; version 1 was one list without groups or failures."""
    if document["version"] == VERSION:
        return document
    if document["version"] != 1:
        raise ValueError(f"version {document['version']} of it, this program reads 1 to {VERSION}")
    rows = document.get("places")
    if not isinstance(rows, list) or not all(_is_row(row, moments=2, texts=0) for row in rows):
        raise ValueError("its places are not rows of an address and two moments")
    wide = [[address, worked_ms, heard_ms, 0, ""] for address, worked_ms, heard_ms in rows]
    return {
        "version": VERSION,
        "anchors": [],
        "pins": [],
        "tried": [row for row in wide if row[1]],
        "new": [row for row in wide if not row[1]],
    }


def _secret(document: dict[str, Any]) -> bytes | None:
    text = document.get("secret")
    if text is None:
        return None
    if not isinstance(text, str) or len(text) != 2 * SECRET_BYTES:
        raise ValueError("its secret is not one")
    return bytes.fromhex(text)


def _rows(document: dict[str, Any], name: str) -> list[Row]:
    rows = document.get(name)
    if not isinstance(rows, list) or not all(_is_row(row, moments=3, texts=1) for row in rows):
        raise ValueError(f"its list {name} has a row that is not one")
    return rows


def _pins(document: dict[str, Any]) -> list[Row]:
    pins = document.get("pins")
    if not isinstance(pins, list) or len(pins) > PINS_MAX:
        raise ValueError("its list pins is not one")
    for pin in pins:
        is_pin = isinstance(pin, list) and len(pin) == 3 and isinstance(pin[1], str)
        if not is_pin or not isinstance(pin[0], str) or not _is_moment(pin[2]):
            raise ValueError("its list pins has a row that is not one")
    return pins


def _is_row(row: object, *, moments: int, texts: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 1 + moments + texts
        and isinstance(row[0], str)
        and all(map(_is_moment, row[1 : 1 + moments]))
        and all(isinstance(text, str) for text in row[1 + moments :])
    )


def _is_moment(value: object) -> bool:
    return type(value) is int and 0 <= value < MOMENT_MAX


def _row(place: Place) -> Row:
    return [place.address, place.worked_ms, place.heard_ms, place.failures, place.source]


def _place(row: Row) -> Place | None:
    address, worked_ms, heard_ms, failures, source = row
    try:
        parsed = parse_address(address)
    except BadAddress:
        return None
    try:
        if len(source.encode()) > GROUP_BYTES_MAX:
            return None
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return None
    place = place_at(parsed, heard_ms=heard_ms, source=source)
    return replace(place, worked_ms=worked_ms, failures=failures)
