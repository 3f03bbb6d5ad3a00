r"""A secret key under a passphrase, as text that can lie in a file.

    text     = -----BEGIN AIMARKET SEALED KEY-----, base64 in lines of 64, -----END ...-----
    body     = msgpack [1, public key 32, log2 n, salt 32, nonce 12, box 48, check 32]
    box      = ChaCha20-Poly1305(scrypt(passphrase, salt, n, r = 8, p = 1), nonce, seed 32, bound)
    bound    = "aimarket/key/1\0", msgpack of the first five
    check    = SHA-256("aimarket/key-check/1\0", msgpack of the first six)

Whose key it is and what it costs to open are bound to the secret, so neither can be swapped. The
check holds nothing that is not written beside it: it tells a file that rotted from a passphrase
that is wrong, which the box alone cannot. Against somebody who changes both, the box decides.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from protocol.canonical import Reader, pack, read_exactly
from protocol.errors import Malformed, MarketError
from protocol.ids import PublicKey, sha256
from protocol.keys import PUBLIC_KEY_BYTES, SEED_BYTES, Signer

SEALED_DOMAIN = b"aimarket/key/1\0"
CHECK_DOMAIN = b"aimarket/key-check/1\0"
VERSION = 1
_BEGIN = b"-----BEGIN AIMARKET SEALED KEY-----"
_END = b"-----END AIMARKET SEALED KEY-----"
_LINE_LETTERS = 64
_FIELDS = 7
_FIELDS_MAX, _VERSION_MAX = 32, 1_000_000  # of newer versions, so that they can be named
_SALT_BYTES = 32
_NONCE_BYTES = 12
_CHECK_BYTES = 32
_BOX_BYTES = SEED_BYTES + 16
_DERIVED_BYTES = 32
_R, _P = 8, 1
# Opening takes 128 * r * n bytes: 128 MiB and half a second as we write it, bearable once a start
# and dear for a guesser. No file may make us spend more than 512 MiB and two seconds before its
# passphrase is known to be right, and none may ask for so little that guessing is cheap.
LOG2_N = 17
LOG2_N_MIN, LOG2_N_MAX = 14, 19


class SealBroken(MarketError):
    """The text is not a sealed key, or is not what was written."""


class WrongPassphrase(MarketError):
    """The passphrase does not open it."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A sealed key as it is written; nothing of it is secret without the passphrase.

    Attributes:
        public_key: Whose it says it is; proven by opening it.
        log2_n: What opening it costs.
        salt: What sets its passphrase apart from the same one elsewhere.
        nonce: Of the box.
        box: The seed, encrypted and authenticated.
    """

    public_key: PublicKey
    log2_n: int
    salt: bytes
    nonce: bytes
    box: bytes

    @property
    def memory_bytes(self) -> int:
        """Return how much memory opening it takes."""
        return 128 * _R << self.log2_n


def seal_key(seed: bytes, passphrase: bytes, *, log2_n: int = LOG2_N) -> bytes:
    """Return the text of a key that only the passphrase opens; every call gives another text."""
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    sealed = SealedKey(Signer(seed).public_key, log2_n, salt, nonce, b"")
    cipher = ChaCha20Poly1305(_derive(passphrase, sealed))
    body = [*_bound(sealed), cipher.encrypt(nonce, seed, SEALED_DOMAIN + pack(_bound(sealed)))]
    letters = base64.b64encode(pack([*body, _check(body)]))
    lines = [letters[at : at + _LINE_LETTERS] for at in range(0, len(letters), _LINE_LETTERS)]
    return b"\n".join([_BEGIN, *lines, _END, b""])


def is_sealed_key(text: bytes) -> bool:
    """Answer whether text means to be a sealed key, whole or not."""
    return text.lstrip().startswith(_BEGIN)


def read_sealed_key(text: bytes) -> SealedKey:
    """Read a sealed key; nothing is spent on its passphrase yet.

    Raises:
        SealBroken: It is cut off, was changed, is of a newer version, or asks for more than a
            sealed key may cost.
    """
    lines = text.split()
    words, begin, end = len(_BEGIN.split()), _BEGIN.split(), _END.split()
    if len(lines) < 2 * words or lines[:words] != begin or lines[-words:] != end:
        raise SealBroken("its first or its last line is missing")
    try:
        body = base64.b64decode(b"".join(lines[words:-words]), validate=True)
        return read_exactly(body, _read, lambda read: read[1])[0]
    except ValueError:
        raise SealBroken("it is not base64") from None
    except Malformed as error:
        raise SealBroken(str(error)) from None


def open_sealed_key(sealed: SealedKey, passphrase: bytes) -> bytes:
    """Return the seed; takes as long as the key's cost says.

    Raises:
        WrongPassphrase: That does not open it.
        SealBroken: It opens, but to the key of somebody else.
        MemoryError: The machine has less memory than this takes.
    """
    cipher = ChaCha20Poly1305(_derive(passphrase, sealed))
    bound = SEALED_DOMAIN + pack(_bound(sealed))
    try:
        seed = cipher.decrypt(sealed.nonce, sealed.box, bound)
    except InvalidTag:
        raise WrongPassphrase("the passphrase does not open it") from None
    if Signer(seed).public_key != sealed.public_key:
        raise SealBroken("it holds the key of somebody else")
    return seed


def _derive(passphrase: bytes, sealed: SealedKey) -> bytes:
    kdf = Scrypt(sealed.salt, _DERIVED_BYTES, n=1 << sealed.log2_n, r=_R, p=_P)
    return kdf.derive(passphrase)


def _bound(sealed: SealedKey) -> list[Any]:
    return [VERSION, sealed.public_key, sealed.log2_n, sealed.salt, sealed.nonce]


def _check(body: list[Any]) -> bytes:
    return sha256(CHECK_DOMAIN, pack(body))


def _read(reader: Reader) -> tuple[SealedKey, bytes]:
    fields = reader.array("sealed key", 1, _FIELDS_MAX)
    version = reader.uint("version", _VERSION_MAX)
    if version != VERSION:
        raise Malformed(f"version {version}, this program knows {VERSION}")
    if fields != _FIELDS:
        raise Malformed(f"sealed key: {fields} items, need {_FIELDS}")
    public_key = PublicKey(reader.blob("public key", PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES))
    log2_n = reader.uint("log2 n", LOG2_N_MAX)
    if log2_n < LOG2_N_MIN:
        raise Malformed(f"log2 n: {log2_n}, need at least {LOG2_N_MIN}")
    salt = reader.blob("salt", _SALT_BYTES, _SALT_BYTES)
    nonce = reader.blob("nonce", _NONCE_BYTES, _NONCE_BYTES)
    box = reader.blob("box", _BOX_BYTES, _BOX_BYTES)
    check = reader.blob("check", _CHECK_BYTES, _CHECK_BYTES)
    sealed = SealedKey(public_key, log2_n, salt, nonce, box)
    body = [*_bound(sealed), box]
    if check != _check(body):
        raise Malformed("its checksum does not fit")
    return sealed, pack([*body, check])
