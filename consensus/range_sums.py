"""The log in the order of the sync, and what every range of it comes to.

Two rows know of a record's place: its order row, and the sums above it (protocol.reconcile_tree).
Both are written in the batch that stores the record, so what peers compare is never ahead of the
log or behind it.
"""

from collections.abc import Iterator

from consensus import layout
from consensus.rows import Changes, Draft, Rows
from protocol.reconcile_items import Item
from protocol.reconcile_tree import Places, TreeItems, add_one, apply
from protocol.reconcile_wire import INFINITY, START, Bound

PLACES = Places(order=layout.ORDER, sums=layout.RANGE_SUM)
ROOT = layout.RANGE_SUM + bytes([0])  # the key of the sum over all records
REBUILT_TOGETHER = 10_000  # items or rows a batch; a guess: some 10 MB while it is made
_PRESENT = b""


class Moved:
    """Records that one fold puts into the order of the log, or takes out of it."""

    __slots__ = ("_added", "_removed")

    def __init__(self) -> None:
        self._added: dict[Item, None] = {}
        self._removed: dict[Item, None] = {}

    def add(self, created_ms: int, record_id: bytes) -> None:
        """Put a record in that is not there, or no longer."""
        item = Item(created_ms, record_id)
        if item in self._removed:
            del self._removed[item]
        else:
            self._added[item] = None

    def drop(self, created_ms: int, record_id: bytes) -> None:
        """Take a record out, be it of this very fold."""
        item = Item(created_ms, record_id)
        if item in self._added:
            del self._added[item]
        else:
            self._removed[item] = None

    def changes(self, rows: Rows) -> Changes:
        """Return the rows to write, given those of the log before."""
        if len(self._added) == 1 and not self._removed:
            (item,) = self._added
            summed = add_one(rows, PLACES, item)
            if summed is not None:
                return {layout.order_key(*item): _PRESENT, **summed}
        draft = Draft(rows)
        for item in self._added:
            draft.put(layout.order_key(*item), _PRESENT)
        for item in self._removed:
            draft.delete(layout.order_key(*item))
        apply(draft, PLACES, added=list(self._added), removed=list(self._removed))
        return draft.changes


def sync_items(rows: Rows, *, start: Bound = START, end: Bound = INFINITY) -> TreeItems:
    """Return the records between two bounds as a sync compares them; the log must not change."""
    return TreeItems(rows, PLACES, start=start, end=end)


def order_keys(rows: Rows, *, since_ms: int = 0) -> Iterator[bytes]:
    """Walk the places of all records from a moment on: created_ms in 8 bytes, then the id."""
    after = layout.order_key(since_ms - 1, b"\xff" * 33) if since_ms else b""
    return (key[len(layout.ORDER) :] for key, _ in rows.scan(layout.ORDER, after=after))


def fingerprint_below(rows: Rows, horizon_ms: int) -> tuple[int, bytes]:
    """Return how many records are dated before a moment, and their fingerprint, 16 bytes."""
    items = sync_items(rows, end=Bound(horizon_ms, b""))
    return items.size, items.fingerprint(0, items.size)


def rebuilt(rows: Rows) -> Iterator[Changes]:
    """Walk the batches that make all sums anew from the order rows.

    Each is to be written before the next is asked for. Whatever sums are there are removed first,
    so this begins right from none, from wrong ones, and from those of a run that was killed.
    """
    while wrong := _some_keys(rows, layout.RANGE_SUM, b""):
        yield dict.fromkeys(wrong)
    # Leaves are grown from order rows that are all there already: a leaf must only count what came.
    after = b""
    while keys := _some_keys(rows, layout.ORDER, after):
        after = keys[-1]
        draft = Draft(_Below(rows, after))
        apply(draft, PLACES, added=[_item(key) for key in keys])
        yield draft.changes


class _Below:
    """A log as it would be if its order ended with one key."""

    def __init__(self, rows: Rows, last: bytes) -> None:
        self._rows = rows
        self._last = last

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._rows.scan(prefix, after=after):
            if key.startswith(layout.ORDER) and key > self._last:
                return
            yield key, value


def _some_keys(rows: Rows, prefix: bytes, after: bytes) -> list[bytes]:
    keys: list[bytes] = []
    for key, _ in rows.scan(prefix, after=after):
        keys.append(key)
        if len(keys) == REBUILT_TOGETHER:
            break
    return keys


def _item(order_key: bytes) -> Item:
    place = order_key[len(layout.ORDER) :]
    return Item(int.from_bytes(place[:8]), place[8:])
