"""Changes on their way to the disk, in the order in which scans want them."""

from bisect import bisect_left, bisect_right, insort

from consensus.rows import Changes


class Overlay:
    """Changed rows, findable by key and by prefix.

    The keys are kept sorted as they come: a scan then costs what it finds rather than what waits.
    """

    __slots__ = ("_keys", "rows")

    def __init__(self) -> None:
        self.rows: Changes = {}
        self._keys: list[bytes] = []

    def update(self, changes: Changes) -> None:
        """Take in newer changes."""
        for key in changes:
            if key not in self.rows:
                insort(self._keys, key)
        self.rows.update(changes)

    def under(self, prefix: bytes, after: bytes) -> Changes:
        """Return the changes whose key begins with `prefix` and is above `after`, ascending."""
        keys, rows, found = self._keys, self.rows, {}
        begin = bisect_left(keys, prefix) if after < prefix else bisect_right(keys, after)
        for index in range(begin, len(keys)):
            key = keys[index]
            if not key.startswith(prefix):
                break
            found[key] = rows[key]
        return found
