"""Stand-ins that keep a door's promise."""

from bisect import bisect_left
from collections.abc import Iterator

from consensus.rows import Changes


class MemoryRows:
    """Rows in a dictionary: what LevelDB does on disk."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self._sorted: list[bytes] | None = []

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        if self._sorted is None:
            self._sorted = sorted(self.rows)
        keys = self._sorted  # `apply` makes a new list, so a walk sees one moment
        at = bisect_left(keys, max(prefix, after))
        snapshot = self.rows
        while at < len(keys) and keys[at].startswith(prefix):
            if keys[at] > after and keys[at] in snapshot:
                yield keys[at], snapshot[keys[at]]
            at += 1

    def apply(self, changes: Changes) -> None:
        """Write changes, all at once."""
        for key, value in changes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self._sorted = None
