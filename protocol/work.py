"""The work a network may ask for each record: a number that makes its id begin with zero bits.

The number stands before the statements in the signed bytes, after the author and the date: no work
can be done before it is known what is to be said, and none serves for a second record.
"""

import hashlib
from dataclasses import dataclass

from protocol.canonical import pack
from protocol.params import UINT_END

ID_BITS = 256


@dataclass(frozen=True, slots=True)
class Unworked:
    """The signed bytes of a record, but for the number.

    Attributes:
        before: The bytes before it.
        after: The bytes after it.
        bits: How many zero bits the id must begin with.
    """

    before: bytes
    after: bytes
    bits: int

    @property
    def size(self) -> int:
        """Return how many bytes are hashed for each number that is tried."""
        return len(self.before) + len(self.after)


def has_work(record_id: bytes, bits: int) -> bool:
    """Answer whether an id begins with so many zero bits."""
    return int.from_bytes(record_id) >> (ID_BITS - bits) == 0


def find_work(record: Unworked, *, start: int, tries: int) -> int | None:
    """Try so many numbers from a first one on; return the least that will do, or None.

    A record takes `2 ** bits` tries on average, and one in a thousand seven times as many.
    """
    begun = hashlib.sha256(record.before)
    after, bits = record.after, record.bits
    for work in range(start, min(start + tries, UINT_END)):
        hashed = begun.copy()
        hashed.update(pack(work) + after)
        if has_work(hashed.digest(), bits):
            return work
    return None
