"""The kinds of bytes that name something, so that one cannot stand for another."""

import hashlib
from typing import NewType

PublicKey = NewType("PublicKey", bytes)  # Ed25519, 32 bytes: an author
NetworkId = NewType("NetworkId", bytes)  # 16 bytes: the digest of the network's parameters
RecordId = NewType("RecordId", bytes)  # 32 bytes: SHA-256 of a record's signed bytes
TaskId = NewType("TaskId", bytes)  # 32 bytes: SHA-256 of a task and its author
Commitment = NewType("Commitment", bytes)  # 32 bytes: a sealed answer
Digest = NewType("Digest", bytes)  # 32 bytes: any other SHA-256
PeerId = NewType("PeerId", str)  # base58: the transport identity derived from a PublicKey


def sha256(*parts: bytes) -> bytes:
    """Return the SHA-256 of the parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def short(identifier: bytes) -> str:
    """Show an id to people: its first 8 hex digits."""
    return identifier[:4].hex()


def findable(identifier: bytes) -> str:
    """Show an id where it may be looked up much later: its first 16 hex digits."""
    return identifier[:8].hex()
