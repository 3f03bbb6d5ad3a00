"""Changes on their way to the disk, in the order in which scans want them."""

from bisect import bisect_left, bisect_right

from consensus.rows import Changes


class Overlay:
    """Changed rows, findable by key and by prefix.

    Keys are put in order by the first scan after they came: most are never scanned before they
    reach the disk.
    """

    __slots__ = ("_fresh", "_keys", "rows")

    def __init__(self) -> None:
        self.rows: Changes = {}
        self._keys: list[bytes] = []  # ascending
        self._fresh: list[bytes] = []  # as they came

    def update(self, changes: Changes) -> None:
        """Take in newer changes."""
        self._fresh += [key for key in changes if key not in self.rows]
        self.rows.update(changes)

    def under(self, prefix: bytes, after: bytes) -> Changes:
        """Return the changes whose key begins with `prefix` and is above `after`, ascending."""
        if self._fresh:
            self._keys += self._fresh
            self._keys.sort()
            self._fresh = []
        keys, rows, found = self._keys, self.rows, {}
        begin = bisect_left(keys, prefix) if after < prefix else bisect_right(keys, after)
        for index in range(begin, len(keys)):
            key = keys[index]
            if not key.startswith(prefix):
                break
            found[key] = rows[key]
        return found
