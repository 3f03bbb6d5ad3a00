"""Authors as people and transports know them: nicknames and peer ids."""

import base58

from consensus.log import find_profile
from consensus.rows import Rows
from node.views import WorkerView
from protocol.ids import PeerId, PublicKey, short

# A libp2p peer id of an Ed25519 key: an identity multihash over the packed public key
# (libp2p specification, "Peer Ids and Keys").
_PEER_ID_PREFIX = bytes.fromhex("002408011220")


def peer_id_of(public_key: PublicKey) -> PeerId:
    """Return the transport identity of an author."""
    return PeerId(base58.b58encode(_PEER_ID_PREFIX + public_key).decode())


def alias_of(rows: Rows, public_key: PublicKey) -> str:
    """Return an author's nickname, or the first digits of its key if it has none."""
    profile = find_profile(rows, public_key)
    return profile.alias if profile is not None and profile.alias else short(public_key)


def worker_view(rows: Rows, public_key: PublicKey) -> WorkerView:
    """Return how an author is shown."""
    return WorkerView(alias_of(rows, public_key), peer_id_of(public_key))
