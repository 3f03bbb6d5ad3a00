"""Asks a peer that does not take part in our network which one it belongs to."""

from libp2p.abc import INetConn

from node.errors import PeerFailed
from node.net.observed import Unclear, ask_what_is_seen
from protocol.topics import network_in

NETWORKS_MAX = 4  # that are named; a peer can claim any number


async def ask_networks(conn: INetConn) -> tuple[str, ...]:
    """Return the ids, in hex, of the networks whose protocols the other end serves, ascending.

    Raises:
        PeerFailed: It does not say what it serves.
    """
    try:
        _, protocols = await ask_what_is_seen(conn)
    except Unclear as error:
        raise PeerFailed(f"a peer does not say what it serves: {error}") from error
    networks = {network for name in protocols if (network := network_in(name)) is not None}
    return tuple(sorted(networks))[:NETWORKS_MAX]
