"""The node's key file: who this node is, for as long as its directory lives.

Either PEM (PKCS #8), which every tool reads, or sealed by a passphrase (node.key_sealing). A key is
made only where nothing was ever begun: an operator who lost one has to know, and a stranger who can
move a file aside must not get us a new name.
"""

import contextlib
import logging
import os
import re
import secrets
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
from node.key_sealing import (
    SealBroken,
    SealedKey,
    WrongPassphrase,
    is_sealed_key,
    open_sealed_key,
    read_sealed_key,
    seal_key,
)
from node.passphrase import ask_passphrase, read_passphrase_file, read_private_file
from node.store.directory import (
    INITIALISING_NAME,
    JOURNAL_NAME,
    LOG_NAME,
    MARKER_NAME,
    make_folder,
)
from node.store.files import create_file, one_line, sync_folder
from node.store.halted import ADOPTING_NAME, HALTED_NAME
from protocol.ids import PublicKey
from protocol.keys import SEED_BYTES, Signer

KEY_NAME = "key"
# An Ed25519 key in PEM has 119 bytes, a sealed one some 300.
KEY_FILE_BYTES_MAX = 4_096
# Each of these was written after the key was: where one lies, there was a key.
_SIGNS_OF_USE = (
    MARKER_NAME,
    INITIALISING_NAME,
    JOURNAL_NAME,
    LOG_NAME,
    HALTED_NAME,
    ADOPTING_NAME,
)

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a key file holds; a sealed one, as long as it is not opened, is taken at its word.

    Attributes:
        path: Where it is.
        public_key: Whose it is.
        secret: The seed, or what a passphrase opens to it.
    """

    path: Path
    public_key: PublicKey
    secret: bytes | SealedKey = field(repr=False)

    @property
    def is_sealed(self) -> bool:
        """Return whether it takes a passphrase to use it."""
        return isinstance(self.secret, SealedKey)


def load_key(
    data_dir: Path, *, key_file: Path | None = None, passphrase_file: Path | None = None
) -> NodeKey:
    """Load the node's key; make one if the directory was never used.

    Two processes that make one at the same moment get the same one. Where it is refused, nothing
    has changed on the disk.

    Args:
        data_dir: The data directory; created if there is none.
        key_file: Where the key is; None for `key` in the data directory.
        passphrase_file: Where its passphrase is, which a new key is sealed with; None to ask for
            the passphrase of a sealed key, and to make a new key without one.

    Raises:
        StartError: The file is missing from a used directory, may be read by others, is not an
            Ed25519 key of ours, or the passphrase does not open it.
    """
    passphrase = None if passphrase_file is None else read_passphrase_file(passphrase_file)
    path = key_path(data_dir, key_file)
    fresh = False
    try:
        if not os.path.lexists(path):
            _refuse_a_new_identity(path, data_dir)
            make_folder(data_dir)
            fresh = _create(path, passphrase)
        found = read_key(path)
        seed = open_key(found, passphrase)
        make_folder(data_dir)
        remove_leftovers(path)
    except OSError as error:
        raise _unusable(path, error) from error
    if passphrase is not None and not found.is_sealed:
        remedy = "`aimarket-node key protect` seals it"
        logger.warning("the key %s is not sealed, its passphrase is not used: %s", path, remedy)
    return NodeKey(signer=Signer(seed), seed=seed, fresh=fresh)


def key_path(data_dir: Path, key_file: Path | None) -> Path:
    """Return where a node's key is."""
    return key_file if key_file is not None else data_dir / KEY_NAME


def read_key(path: Path) -> KeyFile:
    """Read a key file, without opening a sealed one.

    Raises:
        StartError: It cannot be read, others may use it, or it is not a key of ours.
    """
    try:
        text = read_private_file(path, what="the key", bytes_max=KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise _unusable(path, error) from error
    if is_sealed_key(text):
        try:
            sealed = read_sealed_key(text)
        except SealBroken as error:
            raise StartError(f"the key {path} is damaged: {error}") from None
        return KeyFile(path, sealed.public_key, sealed)
    seed = _seed_in(text, path)
    return KeyFile(path, Signer(seed).public_key, seed)


def open_key(found: KeyFile, passphrase: bytes | None) -> bytes:
    """Return the seed in a key file.

    Args:
        found: The file.
        passphrase: What may open it if it is sealed; None to ask the operator.

    Raises:
        StartError: The passphrase does not open it, or nobody is there to say one.
    """
    if not isinstance(found.secret, SealedKey):
        return found.secret
    said = ask_passphrase(found.path) if passphrase is None else passphrase
    try:
        return open_sealed_key(found.secret, said)
    except WrongPassphrase:
        raise StartError(f"the passphrase does not open the key {found.path}") from None
    except SealBroken as error:
        raise StartError(f"the key {found.path} is damaged: {error}") from None
    except MemoryError:
        need = f"{found.secret.memory_bytes >> 20} MiB of memory"
        raise StartError(f"the key {found.path} takes {need} to open; free some") from None


def replace_key(path: Path, seed: bytes, passphrase: bytes | None) -> None:
    """Write a key anew, sealed or not; a crash leaves the old file or the new one.

    Raises:
        StartError: The disk refuses, or what was written does not read back.
    """
    text = _text_of(seed, passphrase)
    remove_leftovers(path)
    draft = _draft_of(path)
    try:
        create_file(draft, text)
        # Whoever cannot open it any more has lost the node: better to find out now.
        if open_key(read_key(draft), passphrase) != seed:
            raise StartError(f"{draft} does not read back as it was written")
        os.rename(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove drafts of killed processes: secrets that nobody uses."""
    draft = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.new")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if draft.fullmatch(name):
                path.with_name(name).unlink(missing_ok=True)


def _refuse_a_new_identity(path: Path, data_dir: Path) -> None:
    for name in _SIGNS_OF_USE:
        if os.path.lexists(data_dir / name):
            kept = f"{data_dir} was used with a key before: {name} is there"
            remedy = "put the key back, or name it with --key; none is made anew"
            raise StartError(f"the key {path} is missing, but {kept}; {remedy}")


def _create(path: Path, passphrase: bytes | None) -> bool:
    """Make a key; answer whether it is ours, rather than of a process that was quicker."""
    text = _text_of(Ed25519PrivateKey.generate().private_bytes_raw(), passphrase)
    draft = _draft_of(path)
    try:
        create_file(draft, text)
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


def _unusable(path: Path, error: OSError) -> StartError:
    return StartError(f"cannot use the key {path}: {one_line(error)}")


def _draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")


def _text_of(seed: bytes, passphrase: bytes | None) -> bytes:
    if passphrase is not None:
        return seal_key(seed, passphrase)
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _seed_in(pem: bytes, path: Path) -> bytes:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise StartError(
            f"the key {path} has a passphrase of another program; take it off, such as with "
            "`openssl pkey -in OLD -out NEW`, then `aimarket-node key protect` seals it again"
        ) from None
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
