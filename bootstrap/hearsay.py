"""Takes in where a peer says that it can be dialled, as far as that may be dialled from here."""

from collections.abc import Sequence

from bootstrap.addresses import BadAddress, PeerAddress, parse_address
from bootstrap.neighbours import Neighbours
from bootstrap.network_group import host_at
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PeerBook
from bootstrap.reachable import by_turns, is_within_reach
from protocol.ids import PeerId
from protocol.params import ADDRESSES_MAX


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

    Of all that one presence may name, ADDRESSES_PER_PEER_MAX that may be dialled are taken, of each
    kind some. What is far off or of somebody else by its text is left out before it is parsed,
    which takes a tenth of a millisecond and more.

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
    likely = [
        text
        for text in addresses[:ADDRESSES_MAX]
        if text.endswith(f"/p2p/{peer_id}")
        and (is_local or is_within_reach(host_at(text), neighbours.hosts()))
    ]
    taken_count = 0
    for text in by_turns(likely, is_near=is_local):
        if taken_count == ADDRESSES_PER_PEER_MAX:
            break
        parsed = _parse_quietly(text)
        if parsed is None or parsed.peer_id != peer_id:
            continue
        if not is_local and not is_within_reach(parsed.host, neighbours.hosts()):
            continue
        taken_count += 1
        if source is None and not book.knows(parsed.text):
            source = neighbours.group_of(teller)
        is_news |= book.heard(parsed.text, now_ms, source or "")
    return is_news


def _parse_quietly(text: str) -> PeerAddress | None:
    try:
        return parse_address(text)
    except BadAddress:
        return None
