"""A log and a journal in memory that keep the promises of those on disk."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consensus.rows import Changes, Rows
from tests.fakes import MemoryRows


class MemoryLog:
    """Rows in memory; `crash` forgets what was not flushed, as a killed process would."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._flushed: dict[bytes, bytes] = {}
        self._staged: Changes = {}

    @property
    def staged_count(self) -> int:
        return len(self._staged)

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        keys = self._keys
        begin = bisect_left(keys, prefix) if after < prefix else bisect_right(keys, after)
        found = []
        for index in range(begin, len(keys)):
            if not keys[index].startswith(prefix):
                break
            found.append((keys[index], self._rows[keys[index]]))
        return iter(found)

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        rows = MemoryRows()
        rows.apply({**self._flushed})
        yield rows

    def stage(self, changes: Changes) -> None:
        for key, value in changes.items():
            if value is not None:
                if key not in self._rows:
                    insort(self._keys, key)
                self._rows[key] = value
            elif self._rows.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        self._staged.update(changes)

    def flush(self, *, sync: bool = False) -> None:
        for key, value in self._staged.items():
            if value is None:
                self._flushed.pop(key, None)
            else:
                self._flushed[key] = value
        self._staged = {}

    def crash(self) -> None:
        self._rows = dict(self._flushed)
        self._keys = sorted(self._rows)
        self._staged = {}

    def close(self) -> None:
        pass


class MemoryJournal:
    """A journal in memory: never torn unless told so."""

    def __init__(self, *, torn: bool = False) -> None:
        self.torn = torn
        self._entries: list[bytes] = []

    @property
    def entry_count(self) -> int:
        return len(self._entries)

    def append(self, payloads: Sequence[bytes]) -> None:
        if not all(payloads):
            raise ValueError("a journal entry is not empty")
        self._entries.extend(payloads)
        if payloads:
            self.torn = False

    def replay(self) -> Iterator[bytes]:
        return iter(tuple(self._entries))

    def close(self) -> None:
        pass
