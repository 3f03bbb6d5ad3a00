"""The peers we remember, so that the network is found again after a restart without anybody's list.

What worked is never pushed out by what was only heard of: an attacker who names a thousand peers
displaces other rumours at most.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bootstrap.addresses import BadAddress, parse_address
from protocol.ids import PeerId

VERSION = 1
PEERS_MAX = 256
ADDRESSES_PER_PEER_MAX = 4
BOOK_BYTES_MAX = 1024 * 1024  # three times what a full book takes


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a peer and what we know of it.

    Attributes:
        address: The full multiaddr.
        peer_id: The identity at its end.
        worked_ms: When it last led to a connection; 0 if it never did.
        learned_ms: When we first heard of it.
        is_configured: Whether the operator named it; such a place is never forgotten.
    """

    address: str
    peer_id: PeerId
    worked_ms: int
    learned_ms: int
    is_configured: bool = False


class PeerBook:
    """Places by address, at most so many peers and so many places of each; configured ones on top.

    Raises:
        BadAddress: A configured address cannot be dialled.
    """

    def __init__(self, configured: Iterable[str] = ()) -> None:
        self._places: dict[str, Place] = {}
        for text in configured:
            parsed = parse_address(text)
            self._places[parsed.text] = Place(parsed.text, parsed.peer_id, 0, 0, True)

    def places(self) -> tuple[Place, ...]:
        """Return all places, the most proven first, ties by address."""
        return tuple(sorted(self._places.values(), key=_most_proven_first))

    def worked(self, address: str, now_ms: int) -> bool:
        """Note that an address led to the peer it names; return whether that is news.

        Raises:
            BadAddress: The address cannot be dialled.
        """
        return self._note(address, learned_ms=now_ms, worked_ms=now_ms)

    def heard(self, address: str, now_ms: int) -> bool:
        """Note that somebody says a peer can be dialled there; return whether that is news.

        Raises:
            BadAddress: The address cannot be dialled.
        """
        return self._note(address, learned_ms=now_ms, worked_ms=0)

    def encode(self) -> bytes:
        """Return the book as bytes; what the operator configures is not in it unless it worked."""
        kept = [place for place in self.places() if place.worked_ms or not place.is_configured]
        rows = [[place.address, place.worked_ms, place.learned_ms] for place in kept]
        return json.dumps({"version": VERSION, "places": rows}, indent=1).encode()

    def _note(self, address: str, *, learned_ms: int, worked_ms: int) -> bool:
        parsed = parse_address(address)
        known = self._places.get(parsed.text)
        if known is not None:
            self._places[parsed.text] = replace(known, worked_ms=max(known.worked_ms, worked_ms))
            return worked_ms > known.worked_ms
        self._places[parsed.text] = Place(parsed.text, parsed.peer_id, worked_ms, learned_ms)
        self._evict(parsed.peer_id)
        return parsed.text in self._places

    def _evict(self, peer_id: PeerId) -> None:
        mine = [place for place in self._free() if place.peer_id == peer_id]
        for place in sorted(mine, key=_most_proven_first)[ADDRESSES_PER_PEER_MAX:]:
            del self._places[place.address]
        best: dict[PeerId, Place] = {}
        for place in sorted(self._free(), key=_most_proven_first):
            best.setdefault(place.peer_id, place)
        kept = sorted(best.values(), key=_most_proven_first)[:PEERS_MAX]
        kept_ids = {place.peer_id for place in kept}
        for place in self._free():
            if place.peer_id not in kept_ids:
                del self._places[place.address]

    def _free(self) -> list[Place]:
        return [place for place in self._places.values() if not place.is_configured]


def open_book(data: bytes, configured: Iterable[str] = ()) -> tuple[PeerBook, str]:
    """Read a book as `encode` wrote it, and say in one line what was wrong with it, if anything.

    A damaged book is an empty one: it only saves time.

    Raises:
        BadAddress: A configured address cannot be dialled.
    """
    book = PeerBook(configured)
    if not data:
        return book, ""
    try:
        rows = _read_rows(data)
    except (ValueError, RecursionError) as error:
        return book, f"the peer book is damaged and starts empty: {error}"
    unusable = 0
    for address, worked_ms, learned_ms in rows:
        try:
            book._note(address, learned_ms=learned_ms, worked_ms=worked_ms)
        except BadAddress:
            unusable += 1
    return book, f"left out {unusable} unusable addresses of the peer book" if unusable else ""


def _read_rows(data: bytes) -> list[tuple[str, int, int]]:
    if len(data) > BOOK_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes, at most {BOOK_BYTES_MAX}")
    whole = json.loads(data)
    if not isinstance(whole, dict) or whole.get("version") != VERSION:
        raise ValueError(f"not a book of version {VERSION}")
    rows = whole.get("places")
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise ValueError("its places are not rows of an address and two moments")
    return [(address, worked_ms, learned_ms) for address, worked_ms, learned_ms in rows]


def _is_row(row: object) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and all(type(moment) is int and 0 <= moment < 2**53 for moment in row[1:])
    )


def _most_proven_first(place: Place) -> tuple[int, int, str]:
    return (
        -place.worked_ms,
        -place.learned_ms if place.worked_ms else place.learned_ms,
        place.address,
    )
