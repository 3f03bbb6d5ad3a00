"""Putting a whole log in the place of a damaged one: what is still right in it, and our own words.

A damaged log is moved aside and never deleted; the journal is never changed. Every name says how
far the work came, so that a repair killed anywhere can be begun again:

log.salvage        a copy of the damaged log, on which LevelDB repairs what it can
log.unfinished     the new log, while it is made
log.repaired       the new log, complete
log.damaged-TIME   the damaged log; moved there when the new one is complete
"""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from consensus import layout
from consensus.incremental import fold
from consensus.log import find_task, has_record, record_count
from consensus.rows import Changes
from node.core.adoption import slots_of
from node.core.own import Entry, cancellation, cancelled, entry_changes, read_entry
from node.errors import StartError, StoreDamaged, StoreError
from node.restore import restore
from node.store.directory import (
    FORMAT,
    INITIALISING_NAME,
    DataDirectory,
    Marker,
    check_owner,
    read_marker,
)
from node.store.files import one_line, sync_folder
from node.store.journal import Journal
from node.store.level import LevelLog
from node.store.open import open_journal
from node.store.salvage import Wreck, copy_log
from protocol.errors import ProtocolError
from protocol.ids import PublicKey, RecordId, sha256
from protocol.params import Network
from protocol.record import Verified, open_record, signed_bytes

FOLDED_TOGETHER = 500  # records; a guess: few writes, and little memory

# Told what is being done, and how many records it was done to.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a log.

    Attributes:
        salvaged: How many records of the damaged log were still right.
        refused: How many rows of it were not what their key says.
        gaps: How many places of it could not be read.
        lost: How many records it is known to have held that are gone; there may be more.
        restored: How many records the journal put back.
        records: How many records the new log holds.
        kept_at: Where the damaged log is now; None if there was none.
    """

    salvaged: int = 0
    refused: int = 0
    gaps: int = 0
    lost: int = 0
    restored: int = 0
    records: int = 0
    kept_at: Path | None = None


def repair_store(
    path: Path,
    *,
    network: Network,
    public_key: PublicKey,
    nickname: str,
    progress: Progress = lambda what, records: None,
) -> Repaired:
    """Make the log of a data directory whole again, and its marker if that is gone.

    Args:
        path: The data directory, which no node has.
        network: Whose records the log holds.
        public_key: Whose journal is there.
        nickname: What a second process on the same directory is told about us.
        progress: Told each step.

    Raises:
        StartError: The directory is in use, was never used, or is not of this key and network.
        StoreDamaged: The journal is not what was written; nothing was changed.
        StoreError: The disk refuses; the damaged log is where it was, or moved aside.
    """
    with contextlib.ExitStack() as held:
        directory = DataDirectory(path, nickname=nickname)
        held.callback(directory.close)
        marker = _marker_of(directory, network=network, public_key=public_key)
        journal = open_journal(directory, owner=network.network_id + public_key)
        held.callback(journal.close)
        places = _Places(path)
        try:
            repaired = _repair(places, journal, network, public_key, progress)
        except OSError as error:
            raise StoreError(f"cannot repair {path}: {one_line(error)}") from error
        if marker is None:
            directory.complete(network_id=network.network_id, public_key=public_key)
        elif marker.format != FORMAT:
            directory.mark(marker, format=FORMAT)
        progress("finished", repaired.records)
    return repaired


class _Places:
    """Where a repair does its work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.salvage = path / "log.salvage"
        self.unfinished = path / "log.unfinished"
        self.repaired = path / "log.repaired"

    def aside(self) -> Path:
        """Return a name under which nothing is kept yet."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        number, found = 1, self.path / f"log.damaged-{stamp}"
        while found.exists():
            number += 1
            found = self.path / f"log.damaged-{stamp}-{number}"
        return found


def _marker_of(
    directory: DataDirectory, *, network: Network, public_key: PublicKey
) -> Marker | None:
    """Return the marker of a store that is ours; None if it is to be written anew."""
    path = directory.path
    try:
        marker = read_marker(path)
    except StoreDamaged:
        return None
    if marker is not None:
        check_owner(path, marker, network_id=network.network_id, public_key=public_key)
    elif (path / INITIALISING_NAME).exists() or not _is_used(directory):
        raise StartError(f"{path} was never used; nothing is there to repair")
    return marker


def _is_used(directory: DataDirectory) -> bool:
    return directory.journal_path.exists() or directory.log_path.exists()


def _repair(
    places: _Places,
    journal: Journal,
    network: Network,
    public_key: PublicKey,
    progress: Progress,
) -> Repaired:
    _remove(places.salvage)
    _remove(places.unfinished)
    repaired = Repaired()
    if places.log.exists() or not places.repaired.exists():
        # A complete new log beside the old one is of a repair that was killed before it moved
        # that aside; a node may have written to the old one since.
        _remove(places.repaired)
        if places.log.exists():
            copy_log(places.log, places.salvage)
            progress("copied the damaged log", 0)
        log = LevelLog(places.unfinished, create=True)
        try:
            with Wreck(places.salvage) as wreck:
                repaired = _fill(log, wreck, journal, network, public_key, progress)
        finally:
            log.close()
        sync_folder(places.unfinished)
        places.unfinished.rename(places.repaired)
        sync_folder(places.path)
        progress("made the new log", repaired.records)
    if places.log.exists():
        kept_at = places.aside()
        places.log.rename(kept_at)
        sync_folder(places.path)
        repaired = replace(repaired, kept_at=kept_at)
        progress("moved the damaged log aside", repaired.records)
    places.repaired.rename(places.log)
    sync_folder(places.path)
    progress("put the new log in its place", repaired.records)
    _remove(places.salvage)
    return repaired


def _fill(
    log: LevelLog,
    wreck: Wreck,
    journal: Journal,
    network: Network,
    public_key: PublicKey,
    progress: Progress,
) -> Repaired:
    """Write a new log: all that is right in the old one, and all that the journal holds."""
    salvaged = refused = 0
    said = {
        sha256(signed_bytes(read_entry(data, network.params).record)) for data in journal.replay()
    }
    rows = wreck.scan(layout.RECORD)
    while some := list(islice(rows, FOLDED_TOGETHER)):
        good = [record for row in some if (record := _proven(*row, network)) is not None]
        log.stage(fold(log, good, network).changes)
        for record in good:
            if record.author == public_key and record.record_id not in said:
                log.stage(_strange(record))
        log.flush()
        salvaged += len(good)
        refused += len(some) - len(good)
        progress("salvaged", salvaged)
    before = record_count(log)
    restore(log, journal.replay(), network)
    restored = record_count(log) - before
    for task_id in cancelled(wreck):
        task = find_task(log, task_id)
        if task is not None and task.author == public_key:
            log.stage(cancellation(task_id))
    log.flush(sync=True)
    lost = sum(not has_record(log, RecordId(key[9:])) for key, _ in wreck.scan(layout.ORDER))
    return Repaired(salvaged, refused, wreck.gaps, lost, restored, record_count(log))


def _strange(record: Verified) -> Changes:
    """Return the rows by which a node finds that its journal does not know a record of its key."""
    slots = (b"strange" + record.record_id, *slots_of(record))
    return entry_changes(Entry(record.raw, slots, (), ()), record.record_id)


def _proven(key: bytes, raw: bytes, network: Network) -> Verified | None:
    """Return a record if it is what its key and its signature say."""
    try:
        record = open_record(raw, network)
    except ProtocolError:
        return None
    is_right = record.record_id == key[len(layout.RECORD) :] and record.presence is None
    return record if is_right else None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
