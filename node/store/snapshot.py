"""The rows of LevelDB as they were at one moment, whatever is written meanwhile."""

from collections.abc import Callable, Iterator
from typing import Any

import plyvel

from node.errors import StoreError


class Snapshot:
    """Lent by `LevelLog.snapshot`; implements `consensus.rows.Rows`."""

    def __init__(self, taken: Any, *, unread: Callable[[Exception], StoreError]) -> None:
        """Take LevelDB's snapshot, and who turns what it raises into an error of the store."""
        self._taken = taken
        self._unread = unread

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        try:
            value: bytes | None = self._taken.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise self._unread(error) from error
        return value

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending."""
        if is_past(prefix, after):
            return
        try:
            cursor = cursor_of(self._taken, prefix, after)
            try:
                yield from cursor
            finally:
                cursor.close()
        except (plyvel.Error, RuntimeError) as error:
            raise self._unread(error) from error


def cursor_of(source: Any, prefix: bytes, after: bytes) -> Any:
    """Return LevelDB's own walk over the rows of a prefix above a key."""
    return source.iterator(
        start=max(prefix, after),
        include_start=after < prefix,
        stop=_end_of(prefix),
        verify_checksums=True,
    )


def is_past(prefix: bytes, after: bytes) -> bool:
    """Answer whether no key of a prefix is above another key."""
    stop = _end_of(prefix)
    return stop is not None and after >= stop


def _end_of(prefix: bytes) -> bytes | None:
    """Return the first key after all that begin with a prefix; None if there is no such key."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
