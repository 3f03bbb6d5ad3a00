"""Takes in where a peer says that it can be dialled, as far as that may be dialled from here."""

from collections.abc import Sequence

from bootstrap.addresses import BadAddress, PeerAddress, parse_address
from bootstrap.neighbours import Neighbours
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PeerBook
from bootstrap.reachable import is_within_reach
from protocol.ids import PeerId


def take_in(
    book: PeerBook,
    peer_id: PeerId,
    addresses: Sequence[str],
    *,
    teller: PeerId | None,
    is_local: bool,
    neighbours: Neighbours,
    now_ms: int,
) -> bool:
    """Note the addresses of a peer in the book; return whether there is news among them.

    Args:
        book: Changed in place.
        peer_id: Whose addresses they are, and who signed them.
        addresses: Full multiaddrs.
        teller: The connected peer that handed them to us; None if that is not known.
        is_local: Whether the local network itself told us, which no stranger far away can.
        neighbours: Who is connected, by which the addresses are weighed.
        now_ms: The date.
    """
    is_news = False
    source = None
    for text in addresses[:ADDRESSES_PER_PEER_MAX]:
        parsed = _parse_quietly(text)
        if parsed is None or parsed.peer_id != peer_id:
            continue
        if not is_local and not is_within_reach(parsed.host, neighbours.hosts()):
            continue
        if source is None and not book.knows(parsed.text):
            source = neighbours.group_of(teller)
        is_news |= book.heard(parsed.text, now_ms, source or "")
    return is_news


def _parse_quietly(text: str) -> PeerAddress | None:
    try:
        return parse_address(text)
    except BadAddress:
        return None
