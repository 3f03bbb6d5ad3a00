"""The file that tells a client on this machine where a node is, with the secret to talk to it."""

import contextlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from node.errors import StartError, UsageError

FILE_NAME = "rpc.json"
TOKEN_BYTES = 32
FILE_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class RpcFile:
    """What `rpc.json` says.

    Attributes:
        url: Where the node answers, without a slash at the end.
        token: The secret of this run.
        pid: The process that wrote it.
        worker_id: The nickname of the node.
        public_url: Where everybody is shown the dashboard; empty if nowhere.
    """

    url: str
    token: str
    pid: int
    worker_id: str
    public_url: str = ""

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"RpcFile(url={self.url!r}, pid={self.pid}, worker_id={self.worker_id!r})"


def new_token() -> str:
    """Make the secret of one run: 64 hex digits."""
    return secrets.token_hex(TOKEN_BYTES)


def write_rpc_file(path: Path, content: RpcFile) -> None:
    """Put the file in place at once, readable by its owner alone whatever the umask.

    Raises:
        StartError: The path is a symlink or not a file, or the directory cannot be written.
    """
    write_private(path, json.dumps(asdict(content)).encode())


@contextlib.contextmanager
def left_rpc_file(path: Path, content: RpcFile) -> Iterator[None]:
    """Leave the file in place while the block runs.

    Raises:
        StartError: The path is a symlink or not a file, or the directory cannot be written.
    """
    write_rpc_file(path, content)
    try:
        yield
    finally:
        remove_rpc_file(path, content)


@contextlib.contextmanager
def left_token(path: Path | None, token: str) -> Iterator[None]:
    """Leave a token alone in a file, readable by its owner, while the block runs.

    What is there already is replaced only if it is a token, too: the path may be mistyped. The file
    is removed at the end, unless a later run has put its own there.

    Args:
        path: Where; None for nowhere.
        token: The secret of this run.

    Raises:
        StartError: Something else is there, or the file cannot be written.
    """
    if path is None:
        yield
        return
    if os.path.lexists(path) and not _holds_token(path):
        raise StartError(f"--rpc-token-file {path}: it holds something else, and is left alone")
    write_private(path, f"{token}\n".encode())
    try:
        yield
    finally:
        with contextlib.suppress(OSError, UsageError):
            if _read_text(path).strip() == token:
                os.unlink(path)


def write_private(path: Path, data: bytes) -> None:
    """Put a file in place at once, readable by its owner alone whatever the umask.

    Raises:
        StartError: The path is a symlink or not a file, or the directory cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _refuse_what_is_not_a_file(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def remove_rpc_file(path: Path, content: RpcFile) -> None:
    """Remove the file on a clean exit, unless a later run has put its own there."""
    with contextlib.suppress(OSError, UsageError):
        if read_rpc_file(path).token == content.token:
            os.unlink(path)


def read_rpc_file(path: Path) -> RpcFile:
    """Read what a node wrote.

    Raises:
        FileNotFoundError: There is no such file.
        UsageError: It is a symlink, not a file, or does not say what it should.
    """
    raw = _read_text(path)
    try:
        decoded = json.loads(raw)
        content = RpcFile(
            url=decoded["url"],
            token=decoded["token"],
            pid=decoded["pid"],
            worker_id=decoded["worker_id"],
            public_url=decoded.get("public_url", ""),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is not a node's {FILE_NAME}") from error
    texts = (content.url, content.token, content.worker_id, content.public_url)
    if not all(isinstance(text, str) for text in texts) or not isinstance(content.pid, int):
        raise UsageError(f"{path} is not a node's {FILE_NAME}")
    if not _is_token(content.token):
        raise UsageError(f"{path} holds no token")
    return content


def read_token(path: Path) -> str:
    """Read the secret from an `rpc.json`, or from a file that holds nothing else.

    Raises:
        UsageError: There is no such file, or it holds no secret.
    """
    try:
        raw = _read_text(path)
        if raw.lstrip().startswith("{"):
            return read_rpc_file(path).token
    except FileNotFoundError:
        raise UsageError(f"token file {path}: there is no such file") from None
    token = raw.strip()
    if not _is_token(token):
        raise UsageError(f"token file {path}: it holds no token")
    return token


def is_readable_by_others(path: Path) -> bool:
    """Say whether the file's mode or owner lets other users of this machine read the secret."""
    status = path.stat()
    return bool(status.st_mode & 0o077) or status.st_uid not in (os.geteuid(), 0)


def _holds_token(path: Path) -> bool:
    """Answer whether a file holds what `new_token` makes and nothing else; an empty one passes."""
    try:
        return re.fullmatch(rf"([0-9a-f]{{{2 * TOKEN_BYTES}}})?\s*", _read_text(path)) is not None
    except (OSError, UsageError):
        return False


def _is_token(token: str) -> bool:
    """Say whether it can stand in a header."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _read_text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UsageError(f"{path} is not a file")
        raw = file.read(FILE_BYTES_MAX + 1)
    try:
        if len(raw) > FILE_BYTES_MAX:
            raise UsageError(f"{path} has more than {FILE_BYTES_MAX} bytes")
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text") from error


def _refuse_what_is_not_a_file(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise StartError(f"{path} is a link or no file; somebody else may have put it there")
