"""The node's key file: who this node is, for as long as its directory lives.

PEM (PKCS #8), because every tool can read it, it says that it is an Ed25519 key, and the same
format takes a passphrase. A key is made only where nothing was ever signed: an operator who lost
one has to know, and a stranger who can move a file aside must not get us a new name.
"""

import contextlib
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from node.errors import StartError
from node.store.directory import MARKER_NAME, make_folder
from node.store.files import create_file, one_line, sync_folder
from protocol.keys import SEED_BYTES, Signer

KEY_NAME = "key"
# An Ed25519 key in PEM has 119 bytes, one with a passphrase about 320.
KEY_FILE_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The key a node signs with.

    Attributes:
        signer: What signs records.
        seed: The secret itself, for the transport; never shown.
        fresh: Whether it was made just now, so that it cannot have signed anything before.
    """

    signer: Signer = field(repr=False)
    seed: bytes = field(repr=False)
    fresh: bool


def load_key(data_dir: Path, *, key_file: Path | None = None) -> NodeKey:
    """Load the node's key; make one if the directory was never used.

    Two processes that make one at the same moment get the same one.

    Args:
        data_dir: The data directory; created if there is none.
        key_file: Where the key is; None for `key` in the data directory.

    Raises:
        StartError: The file is missing from a used directory, may be read by others, or is not
            an Ed25519 key of ours.
    """
    make_folder(data_dir)
    path = key_file if key_file is not None else data_dir / KEY_NAME
    try:
        fresh = False
        if not os.path.lexists(path):
            _refuse_a_new_identity(path, data_dir)
            fresh = _create(path)
        seed = _seed_in(_read(path), path)
        _remove_leftovers(path)
    except OSError as error:
        raise StartError(f"cannot use the key {path}: {one_line(error)}") from error
    return NodeKey(signer=Signer(seed), seed=seed, fresh=fresh)


def _refuse_a_new_identity(path: Path, data_dir: Path) -> None:
    if os.path.lexists(data_dir / MARKER_NAME):
        kept = f"{data_dir} was used with a key before"
        raise StartError(f"the key {path} is missing, but {kept}; put it back, none is made anew")


def _create(path: Path) -> bool:
    """Make a key; answer whether it is ours, rather than of a process that was quicker."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        create_file(draft, pem)
        # A link, for it never replaces what is there, as a rename would.
        os.link(draft, path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if path.exists():  # whoever was quicker took our draft for a leftover
            return False
        raise
    finally:
        draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def _remove_leftovers(path: Path) -> None:
    """Remove drafts of killed processes: secrets that nobody uses."""
    draft = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.new")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if draft.fullmatch(name):
                path.with_name(name).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    if path.is_symlink():
        raise StartError(f"the key {path} is a symlink; name the file itself")
    # O_NONBLOCK: opening a pipe would wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise StartError(f"the key {path} is not a file")
        if found.st_uid != os.geteuid():
            ours = os.geteuid()
            raise StartError(f"the key {path} belongs to user {found.st_uid}, not to user {ours}")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise StartError(f"the key {path} has mode {mode:04o}: others may use it; use 0600")
        if not 0 < found.st_size <= KEY_FILE_BYTES_MAX:
            limits = f"1 to {KEY_FILE_BYTES_MAX}"
            raise StartError(f"the key {path} has {found.st_size} bytes, a key has {limits}")
        return os.read(fd, KEY_FILE_BYTES_MAX)
    finally:
        os.close(fd)


def _seed_in(pem: bytes, path: Path) -> bytes:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        message = f"the key {path} has a passphrase; this version cannot open it"
        raise StartError(message) from None
    except (ValueError, UnsupportedAlgorithm):
        # Without the cause: it might show a part of the secret.
        raise StartError(f"the key {path} is not an Ed25519 key in PEM, or is damaged") from None
    if not _is_ed25519(key):
        kind = type(key).__name__.lstrip("_")
        raise StartError(f"the key {path} is of the kind {kind}, not Ed25519")
    seed = key.private_bytes_raw()
    assert len(seed) == SEED_BYTES
    return seed


def _is_ed25519(key: object) -> TypeGuard[Ed25519PrivateKey]:
    return isinstance(key, Ed25519PrivateKey)
