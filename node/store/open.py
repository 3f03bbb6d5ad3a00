"""Opening what a node keeps on disk: the directory first, so that nobody else opens it too."""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consensus.log import record_count
from node.errors import StartError, StoreDamaged, StoreError
from node.store.directory import (
    FORMAT,
    MARKER_NAME,
    NEVER_SIGN,
    DataDirectory,
    Marker,
    read_marker,
)
from node.store.journal import Journal
from node.store.level import LevelLog
from node.store.salvage import copy_log
from node.store.upgrade import Progress, upgrade

COPY_NAME = "log.verifying"  # what is looked at in place of the log

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """What a node keeps on disk.

    Attributes:
        directory: The data directory, locked.
        journal: What this key said.
        log: The records of the network, and all that is computed from them.
        fresh: Whether the store was begun just now.
    """

    directory: DataDirectory
    journal: Journal
    log: LevelLog
    fresh: bool

    @property
    def torn(self) -> bool:
        """Return whether the journal's last write was cut short."""
        return self.journal.torn

    @property
    def journal_entries(self) -> Iterator[bytes]:
        """Walk the journal, oldest entry first."""
        return self.journal.replay()

    def close(self) -> None:
        """Close everything, the lock last; what is staged and not flushed is dropped."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.directory.close)
            stack.callback(self.journal.close)
            stack.callback(self.log.close)


def open_store(
    path: Path,
    *,
    network_id: bytes,
    public_key: bytes,
    nickname: str,
    progress: Progress = lambda done, total: None,
) -> Store:
    """Take a data directory and open the store in it; begin one if nothing was begun there.

    What an older program left is brought up to date before this returns.

    Args:
        path: The data directory; created if there is none.
        network_id: The network whose records the store holds.
        public_key: The key whose journal the store holds.
        nickname: What a second process on the same directory is told about us.
        progress: Told how far an upgrade is.

    Raises:
        StartError: The directory is in use, is of another network, key or newer version, or
            cannot be used.
        StoreDamaged: What was written there is gone or changed.
        StoreError: The disk refuses.
    """
    owner = network_id + public_key
    with contextlib.ExitStack() as opened:
        directory = DataDirectory(path, nickname=nickname)
        opened.callback(directory.close)
        marker = directory.admit(network_id=network_id, public_key=public_key)
        if marker is None:
            directory.begin()
            journal = Journal.create(directory.journal_path, owner=owner)
        else:
            journal = open_journal(directory, owner=owner)
        opened.callback(journal.close)
        log = LevelLog(directory.log_path, create=marker is None, advice=directory.advice)
        opened.callback(log.close)
        if marker is None:
            directory.complete(network_id=network_id, public_key=public_key)
        else:
            _bring_up_to_date(directory, marker, log, progress)
        opened.pop_all()
    return Store(directory=directory, journal=journal, log=log, fresh=marker is None)


@contextlib.contextmanager
def looking_at(path: Path, *, network_id: bytes, nickname: str) -> Iterator[tuple[Marker, Store]]:
    """Lend the store of a node that does not run, to be read only: its log is a copy.

    LevelDB changes its files whenever it is opened; here it changes those of the copy.

    Raises:
        StartError: The directory is in use, was never used, or is of another network or format.
        StoreDamaged: What was written there is gone or changed.
        StoreError: The disk refuses.
    """
    if not path.is_dir():
        raise StartError(f"there is no directory {path}")
    with contextlib.ExitStack() as opened:
        directory = DataDirectory(path, nickname=nickname)
        opened.callback(directory.close)
        marker = _marker_of(directory)
        directory.admit(network_id=network_id, public_key=marker.public_key)
        if marker.format != FORMAT:
            older = f"{path} has format {marker.format}, this program writes format {FORMAT}"
            raise StartError(f"{older}; start the node once, then it is brought up to date")
        journal = open_journal(directory, owner=network_id + marker.public_key)
        opened.callback(journal.close)
        copy = path / COPY_NAME
        opened.callback(_remove, copy)
        _remove(copy)
        copy_log(directory.log_path, copy)
        try:
            log = LevelLog(copy, advice=directory.advice)
            opened.callback(log.close)
            store = Store(directory=directory, journal=journal, log=log, fresh=False)
            yield marker, store
        except StoreError as error:
            message = str(error).replace(str(copy), str(directory.log_path))
            raise type(error)(message) from error


def _marker_of(directory: DataDirectory) -> Marker:
    try:
        marker = read_marker(directory.path)
    except StoreDamaged as error:
        raise StoreDamaged(f"{error}; {directory.advice}") from error
    if marker is None:
        missing = f"{directory.path / MARKER_NAME} is missing"
        raise StartError(f"{missing}: either nothing was begun there, or {directory.advice}")
    return marker


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def open_journal(directory: DataDirectory, *, owner: bytes) -> Journal:
    """Open the journal of a directory that was used before.

    Raises:
        StoreDamaged: It is not what was written: its key may never sign again.
        StoreError: The disk refuses.
    """
    try:
        return Journal(directory.journal_path, owner=owner)
    except StoreDamaged as error:
        raise StoreDamaged(f"{error}; {NEVER_SIGN}") from error


def _bring_up_to_date(
    directory: DataDirectory, marker: Marker, log: LevelLog, progress: Progress
) -> None:
    if marker.format == FORMAT:
        return
    begun = marker.format
    path, count = directory.path, record_count(log)
    logger.info("upgrading %s from format %d to %d: %d records", path, begun, FORMAT, count)
    while marker.format < FORMAT:
        newer = upgrade(log, format=marker.format, progress=progress)
        marker = directory.mark(marker, format=newer)
    logger.info("upgraded %s to format %d", path, FORMAT)
