"""Who we are to libp2p, and whom a peer id names."""

from libp2p.crypto.ed25519 import Ed25519PublicKey, create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

from protocol.ids import PublicKey


def key_pair(seed: bytes) -> KeyPair:
    """Return the transport keys of a 32-byte Ed25519 seed."""
    return create_new_key_pair(seed)


def public_key_of(peer_id: ID) -> PublicKey | None:
    """Return the Ed25519 key inside a peer id, or None if it holds no such key."""
    try:
        key = peer_id.extract_public_key()
    except Exception:  # the library raises what it likes on a malformed id
        return None
    return PublicKey(key.to_bytes()) if isinstance(key, Ed25519PublicKey) else None


def read_peer_id(text: str) -> ID | None:
    """Return the peer id written as text, or None if it names no Ed25519 key."""
    try:
        peer_id = ID.from_string(text)
    except Exception:  # the library raises what it likes on a malformed id
        return None
    return peer_id if public_key_of(peer_id) is not None else None
