"""Writing files so that a crash leaves the old one or the new one, never a part of one."""

import fcntl
import os
import sys
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def sync_file(fd: int) -> None:
    """Wait until what was written to an open file would survive a power cut.

    Raises:
        OSError: The disk did not confirm it; what it holds is not known.
    """
    os.fsync(fd)
    if sys.platform == "darwin":  # there fsync stops at the drive's own cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder would survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_fully(fd: int, data: bytes, *, offset: int) -> None:
    """Write all of some bytes at an offset; the system may take them in parts."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]


def create_file(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600 to the disk; its name lasts once the folder is synced.

    Raises:
        FileExistsError: The name is taken, be it by a symlink.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, FILE_MODE)
    try:
        os.fchmod(fd, FILE_MODE)  # whatever the umask left of it
        write_fully(fd, data, offset=0)
        sync_file(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in the place of another at once; one writer at a time, as the lock ensures."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    create_file(fresh, data)
    fresh.rename(path)
    sync_folder(path.parent)


def one_line(error: BaseException) -> str:
    """Put an error into words that fit on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = error.args[0] if error.args else ""
    words = said.decode(errors="replace") if isinstance(said, bytes) else str(error)  # LevelDB's
    return " ".join(words.split()) or type(error).__name__
