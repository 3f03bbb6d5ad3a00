"""The data directory: one owner at a time, one key, one network.

lock           who has it; the lock itself is the kernel's, so a killed process leaves none
marker         what was begun here; written last, so what it speaks of is all there
initialising   stands while a store is begun: what lies beside it was never used
journal, log/  the store
log.*          what a repair works on or moved aside (node.repair)
key            the node's key (node.keys)
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.errors import StartError, StoreDamaged
from node.store.files import (
    FILE_MODE,
    FOLDER_MODE,
    create_file,
    one_line,
    replace_file,
    sync_folder,
)
from protocol.ids import sha256

# 1 keeps records and all that follows from them, 2 the sums of the sync as well. Whoever raises it
# adds a step to node.store.upgrade.
FORMAT = 2
LOCK_NAME = "lock"
MARKER_NAME = "marker"
INITIALISING_NAME = "initialising"
JOURNAL_NAME = "journal"
LOG_NAME = "log"
# What is read of a lock or a marker; ours have some 200 bytes.
NOTE_BYTES_MAX = 4_096
NEVER_SIGN = (
    "without it nobody knows all that this key said, so it must never sign again: "
    "begin a node with another --id"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """What a data directory was begun for.

    Attributes:
        format: The version of everything in it.
        network_id: The network whose records it holds.
        public_key: The key whose journal it holds.
        created: When, in ISO 8601, for people.
    """

    format: int
    network_id: bytes
    public_key: bytes
    created: str


class DataDirectory:
    """A data directory, ours until `close`.

    Raises:
        StartError: Another process has it, or it cannot be used.
    """

    def __init__(self, path: Path, *, nickname: str) -> None:
        self.path = path
        self._nickname = nickname
        make_folder(path)
        self._lock_fd = _lock(path, nickname)

    @property
    def journal_path(self) -> Path:
        """Return where the signing journal is."""
        return self.path / JOURNAL_NAME

    @property
    def log_path(self) -> Path:
        """Return LevelDB's folder."""
        return self.path / LOG_NAME

    @property
    def advice(self) -> str:
        """Return what an operator does about a damaged log."""
        return f"run `aimarket-node repair --id {self._nickname}`"

    def admit(self, *, network_id: bytes, public_key: bytes) -> Marker | None:
        """Return the marker of the store that is here, which is ours; None if one is to be begun.

        Raises:
            StartError: The store here is of another network, key or newer version.
            StoreDamaged: A part of the store is gone, or its marker is not one.
        """
        try:
            marker = read_marker(self.path)
        except StoreDamaged as error:
            raise StoreDamaged(f"{error}; {self.advice}") from error
        if marker is None:
            self._clear_a_beginning()
            return None
        check_owner(self.path, marker, network_id=network_id, public_key=public_key)
        used = f"though {self.path} was used before"
        if not self.journal_path.exists():
            raise StoreDamaged(f"{self.journal_path} is missing, {used}; put it back; {NEVER_SIGN}")
        for part in (self.log_path, self.log_path / "CURRENT"):
            if not part.exists():
                raise StoreDamaged(f"{part} is missing, {used}; {self.advice}")
        self._end_beginning()
        return marker

    def begin(self) -> None:
        """Note that a store is being begun; what is written from here on was never used.

        Raises:
            StartError: The disk refuses.
        """
        try:
            create_file(self.path / INITIALISING_NAME, b"")
            sync_folder(self.path)
        except OSError as error:
            raise StartError(f"cannot write in {self.path}: {one_line(error)}") from error

    def complete(self, *, network_id: bytes, public_key: bytes) -> None:
        """Mark the store as begun; from here on a missing part is damage.

        Raises:
            StartError: The disk refuses.
        """
        created = datetime.now(UTC).isoformat(timespec="seconds")
        marker = Marker(FORMAT, network_id, public_key, created)
        try:
            sync_folder(self.log_path)
        except OSError as error:
            raise StartError(f"cannot write in {self.path}: {one_line(error)}") from error
        self._write_marker(marker)
        self._end_beginning()

    def mark(self, marker: Marker, *, format: int) -> Marker:
        """Note that everything here is of a newer version now; return the new marker.

        Raises:
            StartError: The disk refuses.
        """
        newer = replace(marker, format=format)
        self._write_marker(newer)
        return newer

    def close(self) -> None:
        """Let others have the directory; a second time does nothing."""
        if self._lock_fd >= 0:
            with contextlib.suppress(OSError):  # a full disk; the name of a holder is a courtesy
                os.ftruncate(self._lock_fd, 0)
            os.close(self._lock_fd)
        self._lock_fd = -1

    def _clear_a_beginning(self) -> None:
        """Remove what a killed beginning left; refuse a store that lost its marker."""
        parts = (self.journal_path, self.log_path)
        if not (self.path / INITIALISING_NAME).exists():
            for part in parts:
                if os.path.lexists(part):
                    what = f"{part} is there, but {self.path / MARKER_NAME} is not"
                    raise StartError(f"{what}; put it back, or {self.advice}")
            return
        try:
            self.journal_path.unlink(missing_ok=True)
            if self.log_path.exists():
                shutil.rmtree(self.log_path)
        except OSError as error:
            raise StartError(f"cannot clear {self.path}: {one_line(error)}") from error
        self._end_beginning()

    def _write_marker(self, marker: Marker) -> None:
        fields = _fields_of(marker) | {"check": _check_of(marker)}
        try:
            replace_file(self.path / MARKER_NAME, json.dumps(fields, indent=1).encode() + b"\n")
        except OSError as error:
            raise StartError(f"cannot write in {self.path}: {one_line(error)}") from error

    def _end_beginning(self) -> None:
        try:
            (self.path / INITIALISING_NAME).unlink(missing_ok=True)
            sync_folder(self.path)
        except OSError as error:
            raise StartError(f"cannot write in {self.path}: {one_line(error)}") from error


def make_folder(path: Path) -> None:
    """Create a data directory with mode 0700, or check the one that is there.

    Raises:
        StartError: It is not a folder, is not ours, or others may write in it.
    """
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = path.stat()
    except FileExistsError as error:
        raise StartError(f"{path} is not a folder") from error
    except OSError as error:
        raise StartError(f"cannot use {path}: {one_line(error)}") from error
    if found.st_uid != os.geteuid():
        raise StartError(f"{path} belongs to user {found.st_uid}, not to user {os.geteuid()}")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o022:
        raise StartError(f"{path} has mode {mode:04o}: others may write in it; use 0700")


def check_owner(folder: Path, marker: Marker, *, network_id: bytes, public_key: bytes) -> None:
    """Let nobody use what was begun by another key, for another network or by a newer program.

    Raises:
        StartError: It was.
    """
    if marker.format > FORMAT:
        known = f"this program knows format {FORMAT}"
        raise StartError(f"{folder} has format {marker.format}, {known}; use a newer one")
    if marker.network_id != network_id:
        here, ours = marker.network_id.hex(), network_id.hex()
        raise StartError(f"{folder} belongs to network {here}, not to network {ours}")
    if marker.public_key != public_key:
        here, ours = marker.public_key.hex(), public_key.hex()
        raise StartError(f"{folder} belongs to key {here}, but the key given is {ours}")


def read_marker(folder: Path) -> Marker | None:
    """Return what a data directory was begun for; None if nothing was.

    Raises:
        StartError: The marker cannot be read.
        StoreDamaged: It is not a marker.
    """
    path = folder / MARKER_NAME
    try:
        with path.open("rb") as file:
            raw = file.read(NOTE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"cannot read {path}: {one_line(error)}") from error
    try:
        fields: Any = json.loads(raw)
        marker = Marker(
            format=int(fields["format"]),
            network_id=bytes.fromhex(fields["network_id"]),
            public_key=bytes.fromhex(fields["public_key"]),
            created=str(fields["created"]),
        )
        # The first format had no check, and what a newer one has is not known.
        checked = 1 < marker.format <= FORMAT
        if checked and fields["check"] != _check_of(marker):
            raise StoreDamaged(f"{path} is damaged: it is not what was written")
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamaged(f"{path} is damaged: it is not a marker") from error
    if marker.format < 1:
        raise StoreDamaged(f"{path} is damaged: format {marker.format} never was")
    return marker


def _fields_of(marker: Marker) -> dict[str, Any]:
    return {
        "format": marker.format,
        "network_id": marker.network_id.hex(),
        "public_key": marker.public_key.hex(),
        "created": marker.created,
    }


def _check_of(marker: Marker) -> str:
    """Return what gives a changed marker away, 16 hex digits."""
    return sha256(json.dumps(_fields_of(marker)).encode())[:8].hex()


def _lock(folder: Path, nickname: str) -> int:
    path = folder / LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise StartError(f"cannot open {path}: {one_line(error)}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "nickname": nickname}).encode(), 0)
    except BlockingIOError:
        holder = _holder(fd)
        os.close(fd)
        message = f"{folder} is in use by {holder}; stop it, or use another directory"
        raise StartError(message) from None
    except OSError as error:
        os.close(fd)
        raise StartError(f"cannot lock {path}: {one_line(error)}") from error
    return fd


def _holder(fd: int) -> str:
    """Name the process that has the lock, as far as it says."""
    try:
        fields: Any = json.loads(os.pread(fd, NOTE_BYTES_MAX, 0))
        pid, nickname = int(fields["pid"]), str(fields["nickname"])
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
    shown = "".join(letter for letter in nickname if letter.isprintable())
    return f"process {pid} ({shown})"
