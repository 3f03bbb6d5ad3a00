"""Ed25519: signing with `cryptography`, checking with libsodium alone.

Libraries disagree on crafted signatures (OpenSSL accepts some that libsodium refuses), and two
nodes that disagree on one record have two logs for ever. So validity has one judge: the author
must be a prime-order point (`crypto_core_ed25519_is_valid_point`), then libsodium's verification.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

from protocol.ids import PublicKey

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
# An author's key is checked once, not once a record. 4,096 authors are a guess at a busy network.
AUTHORS_REMEMBERED_MAX = 4_096


class Signer:
    """A secret key that signs and is never shown.

    Raises:
        ValueError: The seed is not 32 bytes.
    """

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = PublicKey(raw)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of a message; the same message gives the same bytes."""
        return self._key.sign(message)


@lru_cache(maxsize=AUTHORS_REMEMBERED_MAX)
def is_author_key(public_key: bytes) -> bool:
    """Answer whether bytes are a public key of prime order, in its one encoding."""
    return len(public_key) == PUBLIC_KEY_BYTES and crypto_core_ed25519_is_valid_point(public_key)


def is_signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Answer whether a signature is valid by the rule all nodes share."""
    if len(signature) != SIGNATURE_BYTES or not is_author_key(public_key):
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True
