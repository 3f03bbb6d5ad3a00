"""The disk of one simulated machine: a journal that is synced, rows that may be cut short."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from consensus.rows import Changes

# So many batches of rows the system may still hold back; what is older is on the disk for sure.
UNSYNCED_MAX = 64
_UNSHARED = (b"x"[0], b"s"[0])  # families whose values no two logs share for long


class SimRows:
    """Rows in memory. Equal keys and values of all logs are one object, or 5,000 would not fit."""

    __slots__ = ("_keeps_undo", "_orders", "_rows", "_shared", "_undo")

    def __init__(self, shared: dict[bytes, bytes], *, keeps_undo: bool) -> None:
        """Begin empty.

        Args:
            shared: Bytes that all logs have in common.
            keeps_undo: Whether power may be cut.
        """
        self._shared = shared
        self._keeps_undo = keeps_undo
        self._rows: dict[bytes, bytes] = {}
        self._orders: dict[int, list[bytes]] = {}  # by first byte; made when first scanned
        self._undo: list[Changes] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self._rows.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending."""
        keys = self._order(prefix[0])
        begin = bisect_left(keys, prefix) if after < prefix else bisect_right(keys, after)
        found = []
        for index in range(begin, len(keys)):
            if not keys[index].startswith(prefix):
                break
            found.append((keys[index], self._rows[keys[index]]))
        return iter(found)

    def keys(self, family: bytes) -> list[bytes]:
        """Return the keys that begin with one letter, ascending; not to be changed."""
        return self._order(family[0])

    def copy(self) -> Changes:
        """Return everything as it is now, as a backup would hold it."""
        return dict(self._rows)

    def stage(self, changes: Changes) -> None:
        """Write rows, all or none."""
        rows, orders, shared = self._rows, self._orders, self._shared
        if self._keeps_undo:
            self._undo.append({key: rows.get(key) for key in changes})
            if len(self._undo) > UNSYNCED_MAX:
                del self._undo[0]
        for key, value in changes.items():
            if value is None:
                if rows.pop(key, None) is not None and key[0] in orders:
                    order = orders[key[0]]
                    del order[bisect_left(order, key)]
                continue
            family = key[0]
            held = value if family in _UNSHARED else shared.setdefault(value, value)
            if key in rows:
                rows[key] = held
            else:
                own = shared.setdefault(key, key)
                rows[own] = held
                if family in orders:
                    insort(orders[family], own)

    def flush(self, *, sync: bool = False) -> None:
        """Hand rows to the system; synced, no cut of power undoes them."""
        if sync:
            self._undo.clear()

    def lose(self, batches: int) -> int:
        """Undo the last batches, as far as they were not synced; return how many."""
        lost = self._undo[len(self._undo) - min(batches, len(self._undo)) :]
        for before in reversed(lost):
            for key, value in before.items():
                if value is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = value
        self._orders.clear()
        self._undo.clear()
        return len(lost)

    def _order(self, family: int) -> list[bytes]:
        keys = self._orders.get(family)
        if keys is None:
            keys = self._orders[family] = sorted(key for key in self._rows if key[0] == family)
        return keys
