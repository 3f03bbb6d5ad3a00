"""What a `/dnsaddr` name stands for: the addresses in its TXT records, and in those they point to.

Whoever answers for the name decides what stands there, so how far we follow is bounded.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from bootstrap.addresses import BadAddress, parse_address
from bootstrap.leads import DNSADDR, AddressList, parse_lead
from protocol.errors import MarketError

PREFIX = "_dnsaddr."
MARK = "dnsaddr="
DEPTH_MAX = 4  # names one after the other; a guess: public lists take two
LOOKUPS_MAX = 16
ADDRESSES_MAX = 16  # of one list; more than twice as many as are dialled
RECORDS_MAX = 64  # read of one name

# Returns the TXT records of one name. Raises MarketError when there is no answer.
Lookup = Callable[[str], Awaitable[Sequence[str]]]


class NoAddressThere(MarketError):
    """A name lists no address that can be dialled; the message says what was found instead."""


async def follow_list(wanted: AddressList, lookup: Lookup) -> tuple[str, ...]:
    """Return the full addresses a name stands for, in the order of its records.

    Follows at most DEPTH_MAX names in a row, LOOKUPS_MAX in all, each once.

    Raises:
        NoAddressThere: It lists none.
        MarketError: Its own records cannot be had.
    """
    found: dict[str, None] = {}
    level, seen, records_seen = [wanted], {wanted.name}, 0
    for depth in range(DEPTH_MAX):
        further: list[AddressList] = []
        for each in level:
            try:
                records = await lookup(PREFIX + each.name)
            except MarketError:
                if depth == 0:
                    raise
                continue
            records_seen += len(records)
            addresses, names = read_records(records, each)
            found.update(dict.fromkeys(addresses))
            for name in names:
                if name.name not in seen and len(seen) < LOOKUPS_MAX:
                    seen.add(name.name)
                    further.append(name)
        level = further
    if not found:
        where = f"the TXT records of {PREFIX}{wanted.name}"
        said = f"{records_seen} of them" if records_seen else "there are none"
        raise NoAddressThere(f"{wanted.text}: {where} name no address to dial: {said}")
    return tuple(found)[:ADDRESSES_MAX]


def read_records(
    records: Iterable[str], wanted: AddressList
) -> tuple[tuple[str, ...], tuple[AddressList, ...]]:
    """Sort the records of one name into full addresses and further names; others are passed over.

    A peer id at the end of what was asked for holds for all that is found behind it.
    """
    addresses: list[str] = []
    names: list[AddressList] = []
    for record in list(records)[:RECORDS_MAX]:
        if not record.startswith(MARK):
            continue
        text = record.removeprefix(MARK).strip()
        try:
            if text.startswith(DNSADDR):
                further = parse_lead(text)
                assert isinstance(further, AddressList)
                if wanted.peer_id is None or further.peer_id in (None, wanted.peer_id):
                    peer_id = wanted.peer_id or further.peer_id
                    names.append(AddressList(further.text, further.name, peer_id))
            else:
                parsed = parse_address(text)
                if wanted.peer_id in (None, parsed.peer_id):
                    addresses.append(parsed.text)
        except BadAddress:
            continue
    return tuple(addresses), tuple(names)
