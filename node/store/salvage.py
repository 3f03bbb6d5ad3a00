"""Reading a log that LevelDB refuses to open, on a copy; the log itself is never touched.

What comes out was on the disk, but not each row is what was written: the write-ahead log is read
without its checksums. Whoever takes rows from here proves them by what they say of themselves.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import plyvel

from node.errors import StoreError
from node.store.files import FOLDER_MODE, one_line, sync_folder

TABLE_NAMES = ("*.ldb", "*.sst")  # written once and never changed, so a second name is a copy
IGNORED_NAMES = ("LOCK",)


def copy_log(source: Path, target: Path) -> None:
    """Copy the files of a log that nobody has open; tables get a second name where that works.

    Raises:
        StoreError: The disk refuses.
    """
    try:
        target.mkdir(mode=FOLDER_MODE)
        for path in sorted(source.iterdir()):
            if path.is_file() and not path.is_symlink() and path.name not in IGNORED_NAMES:
                _copy(path, target / path.name)
        sync_folder(target)
    except OSError as error:
        raise StoreError(f"cannot copy {source} to {target}: {one_line(error)}") from error


class Wreck:
    """What can be read of a damaged log; use it as a context.

    Attributes:
        gaps: How many places could not be read so far.
    """

    def __init__(self, copy: Path) -> None:
        """Take a copy, which this changes as it likes; if nothing can be read, it is empty."""
        self.gaps = 0
        self._db: Any = None
        try:
            plyvel.repair_db(str(copy), paranoid_checks=True)
            self._db = plyvel.DB(str(copy))
        except plyvel.Error:
            self.gaps += 1

    def __enter__(self) -> Self:
        """Return the wreck itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the copy."""
        if self._db is not None:
            self._db.close()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; None also if it cannot be read."""
        return next((value for found, value in self.scan(key) if found == key), None)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, over all damage."""
        start: bytes | None = prefix
        stride = 1
        while start is not None and self._db is not None:
            place = start
            try:
                rows = self._db.iterator(start=start, verify_checksums=True)
                for key, value in rows:
                    if not key.startswith(prefix):
                        return
                    place, stride = key, 1
                    if key > after:
                        yield key, value
                return
            except plyvel.Error:
                self.gaps += stride == 1
            # Steps that double from one to the next pass over a gap of any width.
            start = _beyond(place, prefix, stride)
            stride *= 2


def _beyond(key: bytes, prefix: bytes, stride: int) -> bytes | None:
    """Return a key that many steps above another, counted in the eight bytes after the prefix."""
    place = int.from_bytes(key[len(prefix) : len(prefix) + 8].ljust(8, b"\0")) + stride
    return prefix + place.to_bytes(8) if place < 2**64 else None


def _copy(source: Path, target: Path) -> None:
    if any(source.match(name) for name in TABLE_NAMES):
        try:
            target.hardlink_to(source)
            return
        except OSError:  # a file system without second names
            pass
    shutil.copyfile(source, target)
