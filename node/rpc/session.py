"""Lets a page that was open before a restart find its node again.

The token is new at every start. A page that has one is given a secret of its own as well; the next
run works the same secret out again, and gives the page the new token under it. The page never sends
the secret: a program that takes the port while the node is away learns nothing, and cannot make
itself out to be the node, nor pass on what the node answers elsewhere: the address the node serves
at is a part of the answer. Whoever asks without a secret gets bytes that are of no use.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from node.errors import RequestRefused, StartError
from node.rpc.token import write_private

FILE_NAME = "dashboard.key"
KEY_BYTES = 32
NONCE_BYTES = 32
ID_BYTES = 16
LIFE_MS = 24 * 3_600_000  # a page that is older asks for the address again
_ROOT, _PROOF, _PAD = b"aimarket/session/1", b"aimarket/proof/2", b"aimarket/pad/2"


@dataclass(frozen=True, slots=True)
class SessionView:
    """What a page keeps beside the token.

    Attributes:
        session_id: 32 hex digits, chosen at random.
        secret: 64 hex digits, known to this page and whoever has the node's key file.
        expires_ms: Until when it is taken, Unix milliseconds.
    """

    session_id: str
    secret: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class RenewedView:
    """The token of this run, for one page alone.

    Attributes:
        nonce: 64 hex digits, chosen at random for this answer.
        token: The bytes of the token, each XORed with one of `HMAC(secret, pad | nonces | origin)`,
            in hex; `origin` is where the node serves.
        proof: `HMAC(secret, proof | nonces | token | origin)` in hex: only the node can have made
            it, and only for a page that was opened at its address.
    """

    nonce: str
    token: str
    proof: str


class Sessions:
    """Makes secrets for pages, and works them out again."""

    def __init__(self, key: bytes, token: str, *, origin: str) -> None:
        """Begin a run.

        Args:
            key: That of the node's directory.
            token: That of this run, 64 hex digits.
            origin: Where this run really serves, as a page there reads it in `location.origin`.
        """
        self._key = key
        self._token = bytes.fromhex(token)
        self._origin = origin.encode()

    def begin(self, now_ms: int) -> SessionView:
        """Make a secret for a page that showed the token."""
        session_id, expires_ms = os.urandom(ID_BYTES), now_ms + LIFE_MS
        secret = self._secret(session_id, expires_ms)
        return SessionView(session_id.hex(), secret.hex(), expires_ms)

    def renew(self, session_id: str, expires_ms: int, nonce: str, now_ms: int) -> RenewedView:
        """Give the token of this run to whoever has the secret of a session.

        Raises:
            RequestRefused: 401 if its time is over, 400 if a field is no hex of its length.
        """
        theirs = _bytes_of("nonce", nonce, NONCE_BYTES)
        ident = _bytes_of("session_id", session_id, ID_BYTES)
        if not now_ms <= expires_ms <= now_ms + LIFE_MS:
            raise RequestRefused(401, "session_over", "this page is too old: run aimarket open")
        secret = self._secret(ident, expires_ms)
        nonces = theirs + os.urandom(NONCE_BYTES)
        pad = _mac(secret, _PAD + nonces + self._origin)
        sealed = bytes(one ^ other for one, other in zip(self._token, pad, strict=True))
        proof = _mac(secret, _PROOF + nonces + sealed + self._origin)
        return RenewedView(nonces[NONCE_BYTES:].hex(), sealed.hex(), proof.hex())

    def _secret(self, session_id: bytes, expires_ms: int) -> bytes:
        return _mac(self._key, _ROOT + session_id + expires_ms.to_bytes(8, signed=True))


def read_key(folder: Path) -> bytes:
    """Return the key of a node's directory, made if there is none.

    Raises:
        StartError: What is there is not such a key.
    """
    path = folder / FILE_NAME
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = os.urandom(KEY_BYTES)
        write_private(path, key)
    if len(key) != KEY_BYTES:
        size = f"{len(key)} bytes, not {KEY_BYTES}"
        raise StartError(f"{path}: {size}; remove it, and open pages ask for their address again")
    return key


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def _bytes_of(name: str, text: str, size: int) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != size or len(text) != 2 * size:
        raise RequestRefused(400, "bad_request", f"{name}: not {2 * size} hex digits")
    return found
