"""Where the passphrase of a key comes from: a file that only its owner reads, or the operator."""

import getpass
import os
import stat
import sys
from pathlib import Path

from node.errors import StartError
from node.store.files import one_line

# A line somebody can type; more than this is some other file, named by mistake.
PASSPHRASE_FILE_BYTES_MAX = 1_024


def read_private_file(path: Path, *, what: str, bytes_max: int) -> bytes:
    """Read a small secret that lies in a file of ours alone.

    Args:
        path: Where it is.
        what: What it is called in an error, before its path.
        bytes_max: The size of the largest that is one.

    Raises:
        StartError: Others may use the file, or it is not one such file.
        OSError: It cannot be read.
    """
    if path.is_symlink():
        raise StartError(f"{what} {path} is a symlink; name the file itself")
    # O_NONBLOCK: opening a pipe would wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise StartError(f"{what} {path} is not a file")
        if found.st_uid != os.geteuid():
            ours = os.geteuid()
            raise StartError(f"{what} {path} belongs to user {found.st_uid}, not to user {ours}")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise StartError(f"{what} {path} has mode {mode:04o}: others may use it; use 0600")
        if not 0 < found.st_size <= bytes_max:
            limits = f"1 to {bytes_max}"
            raise StartError(f"{what} {path} has {found.st_size} bytes, need {limits}")
        return os.read(fd, bytes_max)
    finally:
        os.close(fd)


def read_passphrase_file(path: Path) -> bytes:
    """Return the one line in a file, without its end.

    Raises:
        StartError: There is no such file, others may use it, or it does not hold one line.
    """
    what = "the passphrase file"
    try:
        text = read_private_file(path, what=what, bytes_max=PASSPHRASE_FILE_BYTES_MAX)
    except OSError as error:
        raise StartError(f"cannot use {what} {path}: {one_line(error)}") from error
    line = text.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise StartError(f"{what} {path} holds no passphrase: its line is empty")
    lines = line.count(b"\n") + 1
    if lines > 1:
        raise StartError(f"{what} {path} holds {lines} lines, need one")
    return line


def ask_passphrase(key: Path) -> bytes:
    """Ask the operator, who sees nothing of what is typed.

    Raises:
        StartError: Nobody is there to answer, or nothing was answered.
    """
    return _ask(f"Passphrase of {key}: ", key)


def ask_new_passphrase(key: Path) -> bytes:
    """Ask the operator twice, for a slip would lose the key.

    Raises:
        StartError: Nobody is there to answer, nothing was answered, or two different things.
    """
    first = _ask(f"New passphrase of {key}: ", key)
    if _ask("The same again: ", key) != first:
        raise StartError(f"the two passphrases differ; the key {key} is as it was")
    return first


def _ask(question: str, key: Path) -> bytes:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        option = "name a file that holds it with --passphrase-file"
        raise StartError(f"the key {key} needs a passphrase, and nobody is here to ask; {option}")
    try:
        answer = getpass.getpass(question, stream=sys.stderr)
    except EOFError:
        answer = ""
    if not answer:
        raise StartError(f"no passphrase was given for the key {key}")
    return answer.encode(errors="surrogateescape")
