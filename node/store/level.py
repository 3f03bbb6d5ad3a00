"""The log in LevelDB: rows that are read at once and written a little later.

A step of the machine stages its changes in memory, where every read sees them, and a thread
writes them afterwards, so the network never waits for the disk. What a crash takes with it comes
back from the journal (our own records) and from peers (everything else).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import plyvel

from consensus.rows import Changes, Rows, merged
from node.errors import StoreDamaged, StoreError
from node.store.files import FOLDER_MODE, one_line
from node.store.overlay import Overlay
from node.store.snapshot import Snapshot, cursor_of, is_past

# Blocks that were read and unpacked. A guess: the index and the newest records of a busy network.
CACHE_BYTES_MAX = 8 << 20
# Rows in memory before they become a table; two such buffers live at a time. Measured: half of it
# saves 5 MiB and makes writing cost half as much again, for tables are merged more often.
WRITE_BUFFER_BYTES = 4 << 20
# One key in a hundred that is not there still costs a read of a block; without it, all do.
BLOOM_BITS_PER_KEY = 10
# Descriptors and mapped tables. LevelDB's 1,000 leave too few of the usual 1,024 for sockets.
OPEN_TABLES_MAX = 128


class LevelLog:
    """An open log: read and staged by its owner, while another thread may run `flush`.

    It takes a lock file of its own in its folder, so a second one on the same folder is refused.

    Once damage was met, every later call raises it again, so that a node ends of it whoever met it:
    a stranger's request may, and what that raises is taken for the stranger's own fault.
    """

    def __init__(self, folder: Path, *, create: bool = False, advice: str = "") -> None:
        """Open the log in a folder.

        Args:
            folder: LevelDB's folder.
            create: Begin an empty log, which must not exist; else it must exist.
            advice: What an operator does about damage; ends the line that tells of it.

        Raises:
            StoreDamaged: It is missing, or it is not what was written.
            StoreError: The disk refuses, or another process has it.
        """
        self._folder = folder
        self._staging = threading.Lock()
        self._flushing = threading.Lock()
        self._staged = Overlay()
        self._leaving = Overlay()
        self._failure: str | None = None
        self._advice = advice
        self._damage = ""
        try:
            if create:
                folder.mkdir(mode=FOLDER_MODE)
        except OSError as error:
            raise StoreError(f"cannot create {folder}: {one_line(error)}") from error
        self._db: Any = self._opened(create=create)
        self._read = self._db.get

    @property
    def staged_count(self) -> int:
        """Return how many rows wait to be written."""
        return len(self._staged.rows) + len(self._leaving.rows)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None.

        Raises:
            StoreDamaged: The disk holds something else than was written.
            StoreError: The disk does not answer.
        """
        # Newest first. `flush` fills `_leaving` before it empties `_staged`, and empties that only
        # when LevelDB has it, so a row on its way is always found at one of the three.
        rows = self._staged.rows
        if key in rows:
            return rows[key]
        rows = self._leaving.rows
        if key in rows:
            return rows[key]
        try:
            value: bytes | None = self._read(key, None, verify_checksums=True)
        except plyvel.Error as error:
            raise self._failed("read", error) from error
        return value

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Walk the rows whose key begins with `prefix` and is above `after`, ascending.

        The walk shows the rows as they are at the call, whatever is staged during it.

        Raises:
            StoreDamaged: While walking: the disk holds something else than was written.
            StoreError: While walking: the disk does not answer.
        """
        with self._staging:
            changes = self._leaving.under(prefix, after)
            changes.update(self._staged.under(prefix, after))
        # LevelDB is asked last: a row that reaches it meanwhile is found twice rather than never.
        if is_past(prefix, after):
            return iter(())
        if self._damage:
            raise StoreDamaged(self._damage)
        try:
            cursor = cursor_of(self._db, prefix, after)
        except plyvel.Error as error:
            raise self._failed("read", error) from error
        return merged(self._walk(cursor), changes, prefix, after)

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        """Lend the rows as they are on the disk now, to the thread that reads here.

        What is written meanwhile is not among them, nor what is staged. While they are lent the
        disk keeps what is overwritten.

        Raises:
            StoreDamaged: Now or while reading: the disk holds something else than was written.
            StoreError: Now or while reading: the disk does not answer.
        """
        if self._damage:
            raise StoreDamaged(self._damage)
        try:
            taken = self._db.snapshot()
        except (plyvel.Error, RuntimeError) as error:
            raise self._unread(error) from error
        try:
            yield Snapshot(taken, unread=self._unread)
        finally:
            taken.close()

    def stage(self, changes: Changes) -> None:
        """Change rows: at once for whoever reads here, on the disk with the next flush."""
        with self._staging:
            self._staged.update(changes)

    def flush(self, *, sync: bool = False) -> None:
        """Write everything staged so far, all or nothing; for a thread other than the reader's.

        Args:
            sync: Wait until a power cut would lose none of it. Without, only a killed process is
                survived.

        Raises:
            StoreError: It was not written. It stays visible, and every later flush fails too:
                LevelDB writes again only after it is closed and opened.
        """
        with self._flushing:
            if self._damage:
                raise StoreDamaged(self._damage)
            if self._failure is not None:
                raise StoreError(self._failure)
            with self._staging:
                self._leaving = self._staged
                self._staged = Overlay()
            try:
                with self._db.write_batch(sync=sync) as batch:
                    for key, value in self._leaving.rows.items():
                        if value is None:
                            batch.delete(key)
                        else:
                            batch.put(key, value)
            except plyvel.Error as error:
                failure = self._failed("write", error)
                self._failure = str(failure)
                raise failure from error
            self._leaving = Overlay()

    def drop_staged(self) -> None:
        """Forget what was staged and not written: rows read as they are on the disk."""
        with self._flushing, self._staging:
            self._staged, self._leaving = Overlay(), Overlay()

    def reopen(self) -> None:
        """Close the log and open it again, without what was staged; for its reader's thread.

        After a write that failed, LevelDB takes no other until this is done.

        Raises:
            StoreDamaged: It is not what was written.
            StoreError: The disk refuses still; until a later try succeeds, nothing can be read.
        """
        with self._flushing:
            with self._staging:
                self._staged, self._leaving = Overlay(), Overlay()
            self._failure = f"{self._folder} is not open"
            self._db.close()
            self._db = _Closed()
            self._read = self._db.get
            self._db = self._opened()
            self._read = self._db.get
            self._failure = None

    def close(self) -> None:
        """Close the log; what is staged is dropped, and a second time does nothing."""
        with self._flushing:  # LevelDB must not be closed under a thread that writes
            self._failure = self._failure or f"{self._folder} is closed"
            self._db.close()

    def _walk(self, cursor: Any) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from cursor
        except (plyvel.Error, RuntimeError) as error:
            raise self._unread(error) from error
        finally:
            cursor.close()

    def _unread(self, error: Exception) -> StoreError:
        if isinstance(error, plyvel.Error):
            return self._failed("read", error)
        # What plyvel says once the log is closed or opened anew.
        return StoreError(f"cannot read {self._folder}: {one_line(error)}")

    def _failed(self, verb: str, error: plyvel.Error) -> StoreError:
        message = f"cannot {verb} {self._folder}: {one_line(error)}"
        if not isinstance(error, plyvel.CorruptionError):
            return StoreError(message)
        return self._damaged(message)

    def _damaged(self, message: str) -> StoreDamaged:
        self._damage = f"{message}; {self._advice}" if self._advice else message
        self._read = self._refuse
        return StoreDamaged(self._damage)

    def _refuse(self, *_: object, **__: object) -> None:
        raise StoreDamaged(self._damage)

    def _opened(self, *, create: bool = False) -> Any:
        if self._damage:
            raise StoreDamaged(self._damage)
        try:
            return _open(self._folder, create=create)
        except plyvel.IOError as error:
            raise StoreError(f"cannot open {self._folder}: {one_line(error)}") from error
        except plyvel.Error as error:
            raise self._damaged(f"{self._folder} is damaged: {one_line(error)}") from error


class _Closed:
    """Stands for LevelDB while it cannot be opened."""

    def get(self, key: bytes, *_: object, **__: object) -> None:
        del key
        raise plyvel.IOError("it is not open")

    def iterator(self, **_: object) -> None:
        raise plyvel.IOError("it is not open")

    def snapshot(self) -> None:
        raise plyvel.IOError("it is not open")

    def close(self) -> None:
        pass


def _open(folder: Path, *, create: bool) -> Any:
    return plyvel.DB(
        str(folder),
        create_if_missing=create,
        error_if_exists=create,
        paranoid_checks=True,
        write_buffer_size=WRITE_BUFFER_BYTES,
        lru_cache_size=CACHE_BYTES_MAX,
        bloom_filter_bits=BLOOM_BITS_PER_KEY,
        max_open_files=OPEN_TABLES_MAX,
    )
