"""The log as rows, bytes to bytes: what consensus reads, whatever disk or memory holds it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Protocol

# What one step writes: None deletes the row.
Changes = dict[bytes, bytes | None]


class Rows(Protocol):
    """A sorted map. Keys of this package begin with a lower-case letter, a node's own do not."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending."""
        ...


class Draft:
    """Rows with unwritten changes on top: later steps of one fold see what earlier ones wrote.

    Whoever writes `changes` directly must not scan before the draft is thrown away: the keys are
    put in order once for many scans.
    """

    __slots__ = ("_base", "_below", "_keys", "changes")

    def __init__(self, base: Rows) -> None:
        self._base = base
        self._below = base.get
        self._keys: list[bytes] | None = None  # ascending; None once they changed
        self.changes: Changes = {}

    @property
    def bottom(self) -> Rows:
        """Return rows that read the same until this draft changes: those below, if it has not."""
        return self if self.changes else self._base

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        changes = self.changes
        return changes[key] if key in changes else self._below(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a row."""
        self._keys = None
        self.changes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a row."""
        self._keys = None
        self.changes[key] = None

    def update(self, changes: Changes) -> None:
        """Lay more changes on top."""
        self._keys = None
        self.changes.update(changes)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending."""
        if self._keys is None:
            self._keys = sorted(self.changes)
        keys = self._keys
        begin = bisect_left(keys, prefix) if after < prefix else bisect_right(keys, after)
        above: Changes = {}
        for index in range(begin, len(keys)):
            if not keys[index].startswith(prefix):
                break
            above[keys[index]] = self.changes[keys[index]]
        return merged(self._base.scan(prefix, after=after), above, prefix, after)


def merged(
    base: Iterator[tuple[bytes, bytes]], changes: Changes, prefix: bytes, after: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Lay changes over ascending rows of one prefix."""
    above = sorted(key for key in changes if key.startswith(prefix) and key > after)
    position = 0
    for key, value in base:
        while position < len(above) and above[position] < key:
            changed = changes[above[position]]
            if changed is not None:
                yield above[position], changed
            position += 1
        if position < len(above) and above[position] == key:
            continue
        yield key, value
    for late in above[position:]:
        changed = changes[late]
        if changed is not None:
            yield late, changed
