"""Authors as people and transports know them: nicknames and peer ids."""

from collections.abc import Callable

import base58

from consensus.log import find_profile
from consensus.rows import Rows
from node.views import WorkerView
from protocol.ids import PeerId, PublicKey, short

# A libp2p peer id of an Ed25519 key: an identity multihash over the packed public key
# (libp2p specification, "Peer Ids and Keys").
_PEER_ID_PREFIX = bytes.fromhex("002408011220")
_KEY_BYTES = 32
_PEER_ID_CHARS_MAX = 64  # such an id has 52 or so; decoding costs the square of the length


def peer_id_of(public_key: PublicKey) -> PeerId:
    """Return the transport identity of an author."""
    return PeerId(base58.b58encode(_PEER_ID_PREFIX + public_key).decode())


def key_of(peer_id: str) -> PublicKey | None:
    """Return the author behind a transport identity, or None if it is not one of an Ed25519 key."""
    if len(peer_id) > _PEER_ID_CHARS_MAX:
        return None
    try:
        decoded = base58.b58decode(peer_id)
    except ValueError:
        return None
    key = decoded[len(_PEER_ID_PREFIX) :]
    is_key = decoded.startswith(_PEER_ID_PREFIX) and len(key) == _KEY_BYTES
    return PublicKey(key) if is_key else None


def peer_id_end(end: str) -> Callable[[PublicKey], bool]:
    """Return what answers whether the peer id of an author ends so, without writing it out."""
    try:
        number = base58.b58decode_int(end)
    except ValueError:
        return lambda public_key: False
    modulus = 58 ** len(end)
    return lambda key: int.from_bytes(_PEER_ID_PREFIX + key) % modulus == number


def alias_of(rows: Rows, public_key: PublicKey) -> str:
    """Return an author's nickname, or the first digits of its key if it has none."""
    profile = find_profile(rows, public_key)
    return profile.alias if profile is not None and profile.alias else short(public_key)


def worker_view(rows: Rows, public_key: PublicKey) -> WorkerView:
    """Return how an author is shown."""
    return WorkerView(alias_of(rows, public_key), peer_id_of(public_key))
