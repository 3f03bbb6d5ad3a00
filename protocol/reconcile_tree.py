"""Sums over the order of the log, kept in rows, so that equal logs compare without reading ids.

A tree over the digits of (created_ms, record id), written in hex. A node says how many items begin
with its digits and what their ids add up to; one of more than `LEAF_MAX` items has children, one of
fewer has none. So the rows follow from the set of items alone, not from their history: two nodes
with equal logs hold equal rows, and a rebuilt tree is the one that grew. An item more or less
changes one row per level; a leaf that overflows reads its own `LEAF_MAX` items, once.

Nobody can make the tree deep cheaply: moments are 16 digits, and ids that begin alike by choice
take 16 times the work for each digit more.

Nothing here knows where the log lies. `Places` says under which letters its rows are, and whoever
folds records calls `apply` on the draft of the same batch, or `add_one`.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, islice, takewhile
from typing import Final, NamedTuple, Protocol

from protocol.reconcile_items import Item, fingerprint_of, number_of
from protocol.reconcile_wire import ID_BYTES, INFINITY, START, Bound

LEAF_MAX: Final = 64  # a guess: as many ids to read at either end of a range, for fewer rows
_MOMENT_BYTES: Final = 8
_DIGITS: Final = 2 * (_MOMENT_BYTES + ID_BYTES)
# How many digits tell the nodes of each level apart. The first steps are long, 17 years, 2 years
# and 3 days, because honest moments begin alike; a moment below 2**53 makes at most 512 branches.
_LEVELS: Final = (0, 5, 7, *range(9, _DIGITS + 1))
_LENGTH_BYTES: Final = tuple(bytes([length]) for length in _LEVELS)
_LEVELS_AND_BYTES: Final = tuple(zip(_LEVELS, _LENGTH_BYTES, strict=True))
_ABOVE_DIGITS: Final = b"g"
_SIZE_BYTES: Final = 8
_ROW_BYTES: Final = _SIZE_BYTES + ID_BYTES
_ONE: Final[int] = 2 ** (8 * ID_BYTES)  # the size of a single item, in a row read as one number
_SUM_MASK: Final = _ONE - 1
_ONE_ABOVE_LEAF: Final = (LEAF_MAX + 1) * _ONE
_TWO_ABOVE_LEAF: Final = (LEAF_MAX + 2) * _ONE


class Rows(Protocol):
    """A sorted map, as `consensus.rows.Rows`."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending."""
        ...


class Draft(Rows, Protocol):
    """A sorted map that is being changed, as `consensus.rows.Draft`."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a row."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove a row."""
        ...


class Places(NamedTuple):
    """Where the rows lie.

    Attributes:
        order: Begins the key of one row per item; created_ms in 8 bytes, big-endian, and the id
            follow. These rows belong to the caller.
        sums: Begins the keys of the tree; the level and the digits follow.
    """

    order: bytes
    sums: bytes


class _Sum(NamedTuple):
    size: int
    total: int  # of the ids, reduced mod 2**256


def apply(
    draft: Draft, places: Places, *, added: Sequence[Item] = (), removed: Sequence[Item] = ()
) -> None:
    """Count items in and out, all at once: each node of the tree is read and written once.

    Args:
        draft: Holds the order rows as they are afterwards, and the sums as they were before.
        places: Where both lie.
        added: Items that were not counted; different from each other and from the next.
        removed: Items that were.
    """
    steps = [(_digits(item), 1, number_of(item.record_id)) for item in added]
    steps += [(_digits(item), -1, -number_of(item.record_id)) for item in removed]
    if steps:
        steps.sort()
        _apply(draft, places, 0, _Steps(steps), 0, len(steps))


def add_one(rows: Rows, places: Places, item: Item) -> dict[bytes, bytes] | None:
    """Count one item in, the most common change by far; nothing is written.

    Each row is read as one number, the size above the total.

    Args:
        rows: Hold the sums as they were before.
        places: Where they lie.
        item: Was not counted.

    Returns:
        The rows that change; None if a leaf overflows, which is for `apply`.
    """
    changes: dict[bytes, bytes] = {}
    get, sums, digits = rows.get, places.sums, _digits(item)
    number = number_of(item.record_id)
    step = _ONE + number
    for length, length_byte in _LEVELS_AND_BYTES:
        key = sums + length_byte + digits[:length]
        value = get(key)
        if value is None:
            changes[key] = step.to_bytes(_ROW_BYTES)
            return changes
        node = int.from_bytes(value) + step
        if node & _SUM_MASK < number:  # the total went beyond its end, into the size
            node -= _ONE
        changes[key] = node.to_bytes(_ROW_BYTES)
        if node < _TWO_ABOVE_LEAF:
            return changes if node < _ONE_ABOVE_LEAF else None
    raise AssertionError("items that share all digits are one item")


class _Steps:
    """Changes in ascending order, and what all before each of them come to."""

    __slots__ = ("digits", "sizes", "totals")

    def __init__(self, steps: Sequence[tuple[bytes, int, int]]) -> None:
        """Take digits, what they add to the size, and what they add to the total."""
        self.digits = [digits for digits, _, _ in steps]
        self.sizes = list(accumulate((size for _, size, _ in steps), initial=0))
        self.totals = list(accumulate((total for _, _, total in steps), initial=0))

    def end_of(self, branch: bytes, start: int, end: int) -> int:
        """Return where those that begin with some digits end."""
        return bisect_left(self.digits, branch + _ABOVE_DIGITS, start, end)


def _apply(draft: Draft, places: Places, level: int, steps: _Steps, start: int, end: int) -> None:
    """Change the node that some steps have in common, and what is below it."""
    digits = steps.digits[start][: _LEVELS[level]]
    key = places.sums + _LENGTH_BYTES[level] + digits
    size_before, total_before = _read(draft.get(key))
    size = size_before + steps.sizes[end] - steps.sizes[start]
    assert size >= 0, f"{digits.decode()} was never counted"
    total = total_before + steps.totals[end] - steps.totals[start] & _SUM_MASK
    _put(draft, key, size, total)
    if size_before <= LEAF_MAX < size:
        _grow(draft, places, level, list(_keys_under(draft, places, digits)))
    elif size <= LEAF_MAX < size_before:
        _prune(draft, places, level, digits)
    elif size > LEAF_MAX:
        while start < end:
            branch_end = steps.end_of(steps.digits[start][: _LEVELS[level + 1]], start, end)
            _apply(draft, places, level + 1, steps, start, branch_end)
            start = branch_end


class TreeItems:
    """The items of a log between two bounds, read from its rows, which must stay as they are.

    Every question costs a walk down the tree or two, some 0.3 ms on LevelDB. That is little for a
    first query, and for an answer to it; for more rounds read the items into `SortedItems`, 2 us
    each. Answer strangers from here only with a low `Limits.ranges_max`.
    """

    __slots__ = ("_first", "_known", "_places", "_rows", "_size")

    def __init__(
        self, rows: Rows, places: Places, *, start: Bound = START, end: Bound = INFINITY
    ) -> None:
        self._rows = rows
        self._places = places
        self._first = _count_below(rows, places, start)
        self._size = max(0, _count_below(rows, places, end) - self._first)
        self._known = (0, 0)  # a place and the sum below it: ranges are asked for one by one

    @property
    def size(self) -> int:
        """How many there are."""
        return self._size

    def lower_bound(self, bound: Bound) -> int:
        """Return how many items are below a bound."""
        place = _count_below(self._rows, self._places, bound) - self._first
        return min(max(place, 0), self._size)

    def between(self, start: int, end: int) -> Sequence[Item]:
        """Return the items from place `start` up to but not at `end`."""
        after = b""
        if start + self._first > 0:
            _, before = _seek(self._rows, self._places, start + self._first - 1)
            after = self._places.order + before
        rows = self._rows.scan(self._places.order, after=after)
        return [_item(key[len(self._places.order) :]) for key, _ in islice(rows, end - start)]

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return what the items from place `start` up to but not at `end` come to, 16 bytes."""
        below = self._total_below(start)
        return fingerprint_of(self._total_below(end) - below, end - start)

    def _total_below(self, place: int) -> int:
        if self._known[0] != place + self._first:
            total, _ = _seek(self._rows, self._places, place + self._first)
            self._known = place + self._first, total
        return self._known[1]


def _count_below(rows: Rows, places: Places, bound: Bound) -> int:
    """Walk down towards a bound; count what lies to its left."""
    digits = _digits(bound)
    passed = level = 0
    while _node(rows, places, level, digits).size > LEAF_MAX:
        towards = digits[: _LEVELS[level + 1]]
        for branch, node in _children(rows, places, level, digits):
            if branch >= towards:
                break
            passed += node.size
        level += 1
    here = digits[: _LEVELS[level]]
    place = _place(bound)
    below = takewhile(lambda key: key < place, _keys_under(rows, places, here))
    return passed + sum(1 for _ in below)


def _seek(rows: Rows, places: Places, place: int) -> tuple[int, bytes]:
    """Walk down to a place; return the sum of all ids below it, and its key, none at the end."""
    total = level = 0
    digits = b""
    while _node(rows, places, level, digits).size > LEAF_MAX:
        for branch, node in _children(rows, places, level, digits):
            digits = branch
            if place < node.size:
                break
            place -= node.size
            total += node.total
        else:
            return total, b""
        level += 1
    for key in _keys_under(rows, places, digits):
        if place == 0:
            return total, key
        place -= 1
        total += number_of(key[_MOMENT_BYTES:])
    return total, b""


def _grow(draft: Draft, places: Places, level: int, keys: list[bytes]) -> None:
    """Give children to a node that has become too large for a leaf; its keys ascend."""
    length = _LEVELS[level + 1]
    above = places.sums + _LENGTH_BYTES[level + 1]
    for branch, group in groupby(keys, lambda key: key.hex()[:length]):
        below = list(group)
        total = sum(number_of(key[_MOMENT_BYTES:]) for key in below) & _SUM_MASK
        _put(draft, above + branch.encode(), len(below), total)
        if len(below) > LEAF_MAX:
            _grow(draft, places, level + 1, below)


def _prune(draft: Draft, places: Places, level: int, digits: bytes) -> None:
    """Take its children from a node that has become small enough for a leaf."""
    above = places.sums + _LENGTH_BYTES[level + 1]
    for branch, node in list(_children(draft, places, level, digits)):
        draft.delete(above + branch)
        if node.size > LEAF_MAX:
            _prune(draft, places, level + 1, branch)


def _children(
    rows: Rows, places: Places, level: int, digits: bytes
) -> Iterator[tuple[bytes, _Sum]]:
    above = places.sums + _LENGTH_BYTES[level + 1]
    for key, value in rows.scan(above + digits[: _LEVELS[level]]):
        yield key[len(above) :], _Sum(*_read(value))


def _keys_under(rows: Rows, places: Places, digits: bytes) -> Iterator[bytes]:
    """Walk the items that begin with some digits; half a byte is told apart here."""
    shown = digits.decode()
    is_odd = len(shown) % 2 == 1
    prefix = places.order + bytes.fromhex(shown[:-1] if is_odd else shown)
    after = places.order + bytes.fromhex(shown + "0") if is_odd else b""
    for row, _ in rows.scan(prefix, after=after):
        key = row[len(places.order) :]
        if is_odd and not key.hex().startswith(shown):
            return
        yield key


def _node(rows: Rows, places: Places, level: int, digits: bytes) -> _Sum:
    return _Sum(*_read(rows.get(places.sums + _LENGTH_BYTES[level] + digits[: _LEVELS[level]])))


def _put(draft: Draft, key: bytes, size: int, total: int) -> None:
    if size == 0:
        draft.delete(key)
    else:
        draft.put(key, (size * _ONE + total).to_bytes(_ROW_BYTES))


def _read(value: bytes | None) -> tuple[int, int]:
    """Return the size of a node and the total of its ids; both are 0 where there is none."""
    if value is None:
        return 0, 0
    return int.from_bytes(value[:_SIZE_BYTES]), int.from_bytes(value[_SIZE_BYTES:])


def _digits(at: Item | Bound) -> bytes:
    """Return the digits that lead to a place, one byte each."""
    return _place(at).hex().encode()


def _place(at: Item | Bound) -> bytes:
    created_ms, id_or_prefix = at
    return created_ms.to_bytes(_MOMENT_BYTES) + id_or_prefix.ljust(ID_BYTES, b"\0")


def _item(key: bytes) -> Item:
    return Item(int.from_bytes(key[:_MOMENT_BYTES]), key[_MOMENT_BYTES:])
