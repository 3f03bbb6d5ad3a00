"""The signing journal: what this key said, on disk before anyone hears it.

    file   = magic 8, anchor 32, entry*
    anchor = SHA-256(magic, owner)                         the first link of the chain
    entry  = length 4, length check 4, link 32, payload    numbers are big-endian
    link   = SHA-256(link before, length, payload)
    length check = SHA-256("length", link before, length)[:4]

A write that was cut short leaves the beginning of an entry, so a tail that ends too early is torn,
and nothing is wrong with it: nobody heard of it. All else that does not add up is damage. The
length has a check of its own because one flipped bit in it would make the rest of the file look
like a torn tail, and everything said since would be forgotten.

A file cut exactly between two entries looks whole. No file can know better: meeting an own record
that the journal lacks is what gives that away.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from node.errors import JournalLost, StoreDamaged, StoreError
from node.store.files import create_file, one_line, sync_file, sync_folder, write_fully
from protocol.ids import sha256

MAGIC = b"AIMJRNL1"
LENGTH_BYTES = 4
LENGTH_CHECK_BYTES = 4
LINK_BYTES = 32
FILE_HEAD_BYTES = len(MAGIC) + LINK_BYTES
ENTRY_HEAD_BYTES = LENGTH_BYTES + LENGTH_CHECK_BYTES + LINK_BYTES
# A packed record is at most 32 KiB and openings are smaller still; a guess with room to spare.
PAYLOAD_BYTES_MAX = 1 << 20


class Journal:
    """An open journal; `append` may run in any thread, one at a time.

    Attributes:
        torn: Whether the last write before this opening was cut short. The tail stays in the file
            until the first append, so that a start after a crash still learns of it: whoever
            appends has found out that signing is safe.
        entry_count: How many entries are whole.
    """

    def __init__(self, path: Path, *, owner: bytes) -> None:
        """Open a journal that exists and check every entry.

        Args:
            path: The file.
            owner: Whose journal it is: any bytes, the same ones as at its creation.

        Raises:
            StoreDamaged: It is missing, is not this owner's, or holds an entry that was changed.
            StoreError: The disk does not let us read it.
        """
        self._path = path
        self._busy = threading.Lock()
        self._lost = False
        self._anchor = sha256(MAGIC, owner)
        self._link = self._anchor  # of the last whole entry
        self._end = FILE_HEAD_BYTES  # where it ends
        self.entry_count = 0
        self.torn = False
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise StoreDamaged(f"{path} is missing") from error
        except OSError as error:
            raise StoreError(f"cannot open {path}: {one_line(error)}") from error
        try:
            self._measure()
            # A killed process may have left a whole entry that never reached the disk; it is about
            # to be published as if it had.
            sync_file(self._fd)
        except OSError as error:
            self.close()
            raise StoreError(f"cannot read {path}: {one_line(error)}") from error
        except StoreDamaged:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, *, owner: bytes) -> Self:
        """Begin an empty journal.

        Raises:
            StoreError: The name is taken, or the disk refuses.
        """
        try:
            create_file(path, MAGIC + sha256(MAGIC, owner))
            sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"cannot create {path}: {one_line(error)}") from error
        return cls(path, owner=owner)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Put entries on the disk: one write, one fsync. On return a power cut loses none.

        Args:
            payloads: 1 to `PAYLOAD_BYTES_MAX` bytes each; after a crash a beginning of them may
                be there.

        Raises:
            StoreError: They were not written; the journal ends where it ended before.
            JournalLost: Nobody knows what was written; never sign again in this process.
            ValueError: A payload is empty or too large.
        """
        with self._busy:
            if self._lost:
                raise JournalLost(f"{self._path} failed earlier; this process may not sign")
            link, data = self._link, bytearray()
            for payload in payloads:
                entry, link = _sealed(link, payload)
                data += entry
            if data:
                self._write(bytes(data))
                self._end += len(data)
                self._link = link
                self.entry_count += len(payloads)

    def replay(self) -> Iterator[bytes]:
        """Walk the entries that are there now, oldest first.

        Raises:
            StoreDamaged: An entry changed since the journal was opened.
            StoreError: The disk does not let us read it.
        """
        return self._replay(self._end)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._busy:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1
            self._lost = True

    def _replay(self, end: int) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                link = self._anchor
                self._read_head(file)
                while file.tell() < end:
                    payload, link = self._read_entry(file, link, end)
                    if payload is None:
                        raise StoreDamaged(f"{self._path} became shorter while it was open")
                    yield payload
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {one_line(error)}") from error

    def _measure(self) -> None:
        """Find the end of the last whole entry."""
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._read_head(file)
            while self._end < size:
                payload, link = self._read_entry(file, self._link, size)
                if payload is None:
                    break
                self._link, self._end = link, file.tell()
                self.entry_count += 1
        self.torn = self._end < size

    def _read_head(self, file: BinaryIO) -> None:
        head = file.read(FILE_HEAD_BYTES)
        if len(head) < FILE_HEAD_BYTES or not head.startswith(MAGIC):
            raise StoreDamaged(f"{self._path} does not begin like a journal")
        if head[len(MAGIC) :] != self._anchor:
            raise StoreDamaged(f"{self._path} was begun by another key or for another network")

    def _read_entry(self, file: BinaryIO, link: bytes, size: int) -> tuple[bytes | None, bytes]:
        """Read one entry; its payload is None if the file ends before the entry does."""
        start = file.tell()
        head = file.read(min(ENTRY_HEAD_BYTES, size - start))
        if len(head) < LENGTH_BYTES + LENGTH_CHECK_BYTES:
            return None, link
        length = head[:LENGTH_BYTES]
        check = head[LENGTH_BYTES : LENGTH_BYTES + LENGTH_CHECK_BYTES]
        if check != _length_check(link, length):
            # Some file systems lengthen a file before they fill it. Zeros are never an entry.
            if not any(head) and _is_zero(file, size):
                return None, link
            raise self._damaged(start)
        payload_bytes = int.from_bytes(length, "big")
        if start + ENTRY_HEAD_BYTES + payload_bytes > size:
            return None, link
        payload = file.read(payload_bytes)
        after = sha256(link, length, payload)
        if head[LENGTH_BYTES + LENGTH_CHECK_BYTES :] != after:
            raise self._damaged(start)
        return payload, after

    def _damaged(self, start: int) -> StoreDamaged:
        return StoreDamaged(f"{self._path} is damaged at byte {start}: never sign from it again")

    def _write(self, data: bytes) -> None:
        try:
            if self.torn:
                self._cut()
                self.torn = False
            write_fully(self._fd, data, offset=self._end)
        except OSError as error:
            self._cut_or_lose(error)
            raise StoreError(f"cannot write {self._path}: {one_line(error)}") from error
        try:
            sync_file(self._fd)
        except OSError as error:
            # The kernel forgets what it failed to write, so a second try would prove nothing.
            self._lost = True
            raise JournalLost(f"cannot sync {self._path}: {one_line(error)}") from error

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._end)
        sync_file(self._fd)

    def _cut_or_lose(self, cause: OSError) -> None:
        try:
            self._cut()
        except OSError as error:
            self._lost = True
            reason = f"{one_line(cause)}, then {one_line(error)}"
            raise JournalLost(f"cannot write or cut {self._path}: {reason}") from error


def _sealed(link: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """Return an entry that follows a link, and its own link."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        limits = f"1 to {PAYLOAD_BYTES_MAX}"
        raise ValueError(f"a journal entry has {limits} bytes, not {len(payload)}")
    length = len(payload).to_bytes(LENGTH_BYTES, "big")
    after = sha256(link, length, payload)
    return length + _length_check(link, length) + after + payload, after


def _length_check(link: bytes, length: bytes) -> bytes:
    return sha256(b"length", link, length)[:LENGTH_CHECK_BYTES]


def _is_zero(file: BinaryIO, size: int) -> bool:
    """Answer whether the rest of a file is zeros."""
    while file.tell() < size:
        if any(file.read(min(1 << 16, size - file.tell()))):
            return False
    return True
