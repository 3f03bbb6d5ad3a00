"""Sets to compare, from a few numbers each: what the reference said about them is in the vectors.

Moments are seconds: the reference's JavaScript reads no number of more than 31 bits.
"""

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from protocol.reconcile_items import Item

_BEGIN: Final = 1_700_000_000
_SHOWN_BYTES_MAX: Final = 512


class Case(NamedTuple):
    """Two sets and two limits.

    Attributes:
        name: Also what the ids follow from.
        both: How many items both sides have.
        asker: How many only the side has that asks.
        asked: How many only the other side has.
        span: All moments are less than this apart; small ones make equal moments.
        asker_frame: The limit of the one; 0 is none.
        asked_frame: The limit of the other.
    """

    name: str
    both: int
    asker: int
    asked: int
    span: int
    asker_frame: int = 0
    asked_frame: int = 0


CASES: Final = (
    Case("nothing at all", 0, 0, 0, 1),
    Case("one item here", 0, 1, 0, 1),
    Case("one item there", 0, 0, 1, 1),
    Case("the longest list", 31, 0, 0, 100),
    Case("the shortest split", 32, 0, 1, 100),
    Case("all at one moment", 500, 2, 3, 1),
    Case("few moments", 300, 5, 5, 20),
    Case("equal", 2000, 0, 0, 5000),
    Case("one of many", 2000, 1, 0, 5000),
    Case("a newcomer asks", 0, 0, 300, 1000),
    Case("a newcomer is asked", 0, 300, 0, 1000),
    Case("a newcomer asks a small frame", 0, 0, 300, 100, 0, 4096),
    Case("small frames", 600, 60, 60, 1000, 4096, 4096),
    Case("a small frame asks", 300, 100, 100, 200, 4096, 20_000),
    Case("a small frame is asked", 300, 100, 100, 200, 20_000, 4096),
)


def items_of(case: Case, *, is_asker: bool) -> list[Item]:
    """Return the set of one side, in no order."""
    first = case.both if is_asker else case.both + case.asker
    count = case.asker if is_asker else case.asked
    return [_item(case, number) for number in (*range(case.both), *range(first, first + count))]


def lines_of(case: Case, *, is_asker: bool) -> Iterator[str]:
    """Return the set of one side as the harness says it."""
    for moment, record_id in items_of(case, is_asker=is_asker):
        yield f"item,{moment},{record_id.hex()}"


def shown(message: bytes) -> str:
    """Return a message as it stands in the vectors: in hex, or if it is long its digest."""
    if len(message) <= _SHOWN_BYTES_MAX:
        return message.hex()
    return f"{len(message)} bytes, SHA-256 {hashlib.sha256(message).hexdigest()}"


def _item(case: Case, number: int) -> Item:
    record_id = hashlib.sha256(f"{case.name} {number}".encode()).digest()
    return Item(_BEGIN + int.from_bytes(record_id[:4]) % case.span, record_id)
