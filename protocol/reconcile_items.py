"""What is compared with a peer: items in the order of the log, and what a range of them comes to.

An additive fingerprint can be kept up to date item by item. It tells apart what differs by
accident; who may choose 2**16 ids can make two ranges look equal for about 2**32 steps of work.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

from protocol.ids import sha256
from protocol.reconcile_wire import FINGERPRINT_BYTES, ID_BYTES, Bound, varint

_SUM_MASK: Final[int] = 2 ** (8 * ID_BYTES) - 1
_MOMENT_BYTES: Final = 8
_CREATED_MS_MAX: Final = 2 ** (8 * _MOMENT_BYTES) - 2
_BLOCK: Final = 8
KEY_BYTES: Final = _MOMENT_BYTES + ID_BYTES


class Item(NamedTuple):
    """One record as the comparison sees it; they sort as the log does.

    Attributes:
        created_ms: Less than 2**64 - 1.
        record_id: 32 bytes.
    """

    created_ms: int
    record_id: bytes


class Items(Protocol):
    """Different items in ascending order, each with its place from 0; they stay as they are."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def lower_bound(self, bound: Bound) -> int:
        """Return how many items are below a bound."""
        ...

    def between(self, start: int, end: int) -> Sequence[Item]:
        """Return the items from place `start` up to but not at `end`."""
        ...

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return what the items from place `start` up to but not at `end` come to, 16 bytes."""
        ...


def fingerprint_of(id_sum: int, count: int) -> bytes:
    """Turn a sum of ids and their number into a fingerprint, 16 bytes.

    Source: Negentropy Protocol V1, "Fingerprint Algorithm".

    Args:
        id_sum: The ids read as little-endian numbers, added up; reduced mod 2**256 here.
        count: How many they are.
    """
    reduced = (id_sum & _SUM_MASK).to_bytes(ID_BYTES, "little")
    return sha256(reduced, varint(count))[:FINGERPRINT_BYTES]


def number_of(record_id: bytes) -> int:
    """Read an id as the number that is added up."""
    return int.from_bytes(record_id, "little")


EMPTY_FINGERPRINT: Final = fingerprint_of(0, 0)


class SortedItems:
    """Items in memory; a fingerprint of any range costs two subtractions and a hash."""

    __slots__ = ("_items", "_sums")

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = sorted(set(items))
        numbers = (number_of(item.record_id) for item in self._items)
        self._sums = list(accumulate(numbers, _add, initial=0))

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._items)

    def lower_bound(self, bound: Bound) -> int:
        """Return how many items are below a bound."""
        return bisect_left(self._items, bound)

    def between(self, start: int, end: int) -> Sequence[Item]:
        """Return the items from place `start` up to but not at `end`."""
        return self._items[start:end]

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return what the items from place `start` up to but not at `end` come to, 16 bytes."""
        return fingerprint_of(self._sums[end] - self._sums[start], end - start)


class PackedItems:
    """Items of a large log in memory, 48 bytes each; sums are kept for every 8th.

    A view from a later start shares all of it.
    """

    __slots__ = ("_first", "_keys", "_sums", "size")

    def __init__(self, keys: bytes) -> None:
        """Take ascending keys, one after the other.

        Args:
            keys: created_ms in 8 bytes, big-endian, then the id, for each item.
        """
        self._keys = keys
        self._first = 0
        self.size = len(keys) // KEY_BYTES
        self._sums = [0]
        for block in range(0, self.size - _BLOCK + 1, _BLOCK):
            self._sums.append(self._sums[-1] + self._sum_of(block, block + _BLOCK) & _SUM_MASK)

    def since(self, start: Bound) -> "PackedItems":
        """Return the items from a bound on."""
        view = object.__new__(PackedItems)
        first = self.lower_bound(start)
        view._keys, view._sums = self._keys, self._sums
        view._first, view.size = self._first + first, self.size - first
        return view

    def lower_bound(self, bound: Bound) -> int:
        """Return how many items are below a bound."""
        if bound.created_ms > _CREATED_MS_MAX:
            return self.size
        sought = bound.created_ms.to_bytes(_MOMENT_BYTES) + bound.id_prefix
        return bisect_left(range(self.size), sought, key=self._key)

    def between(self, start: int, end: int) -> Sequence[Item]:
        """Return the items from place `start` up to but not at `end`."""
        keys = map(self._key, range(start, min(end, self.size)))
        return [Item(int.from_bytes(key[:_MOMENT_BYTES]), key[_MOMENT_BYTES:]) for key in keys]

    def record_id(self, place: int) -> bytes:
        """Return the id of the item at a place."""
        return self._key(place)[_MOMENT_BYTES:]

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return what the items from place `start` up to but not at `end` come to, 16 bytes."""
        total = self._total_below(self._first + end) - self._total_below(self._first + start)
        return fingerprint_of(total, end - start)

    def _key(self, place: int) -> bytes:
        at = (self._first + place) * KEY_BYTES
        return self._keys[at : at + KEY_BYTES]

    def _total_below(self, index: int) -> int:
        block = index // _BLOCK
        return self._sums[block] + self._sum_of(block * _BLOCK, index)

    def _sum_of(self, start: int, end: int) -> int:
        keys = self._keys
        return sum(
            int.from_bytes(keys[at + _MOMENT_BYTES : at + KEY_BYTES], "little")
            for at in range(start * KEY_BYTES, end * KEY_BYTES, KEY_BYTES)
        )


def _add(total: int, number: int) -> int:
    return total + number & _SUM_MASK
