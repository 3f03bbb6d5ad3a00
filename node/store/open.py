"""Opening what a node keeps on disk: the directory first, so that nobody else opens it too."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.store.directory import DataDirectory
from node.store.journal import Journal
from node.store.level import LevelLog


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


def open_store(path: Path, *, network_id: bytes, public_key: bytes, nickname: str) -> Store:
    """Take a data directory and open the store in it; begin one if nothing was begun there.

    Args:
        path: The data directory; created if there is none.
        network_id: The network whose records the store holds.
        public_key: The key whose journal the store holds.
        nickname: What a second process on the same directory is told about us.

    Raises:
        StartError: The directory is in use, is of another network, key or version, or cannot be
            used.
        StoreDamaged: What was written there is gone or changed.
        StoreError: The disk refuses.
    """
    owner = network_id + public_key
    with contextlib.ExitStack() as opened:
        directory = DataDirectory(path, nickname=nickname)
        opened.callback(directory.close)
        fresh = directory.admit(network_id=network_id, public_key=public_key)
        if fresh:
            directory.begin()
            journal = Journal.create(directory.journal_path, owner=owner)
        else:
            journal = Journal(directory.journal_path, owner=owner)
        opened.callback(journal.close)
        log = LevelLog(directory.log_path, create=fresh)
        opened.callback(log.close)
        if fresh:
            directory.complete(network_id=network_id, public_key=public_key)
        opened.pop_all()
    return Store(directory=directory, journal=journal, log=log, fresh=fresh)
