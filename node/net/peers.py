"""Who is connected, in words of our own."""

from collections.abc import Callable, Sequence
from typing import Any

from libp2p.abc import INetConn
from libp2p.pubsub.pubsub import Pubsub

from node.net.identity import public_key_of
from node.net.mesh import MeshRouter
from node.net.sockets import is_dialled
from node.ports import Peer
from protocol.ids import PeerId


def peers_of(
    swarm: Any,
    pubsub: Pubsub,
    router: MeshRouter,
    topics: Sequence[str],
    latency_ms: Callable[[INetConn], float | None],
) -> tuple[Peer, ...]:
    """Return the connected peers, ordered by peer id.

    Args:
        swarm: Has the connections.
        pubsub: Knows who follows what.
        router: Knows who is in the mesh.
        topics: Those we follow; in the mesh is who is in that of each.
        latency_ms: Says how long the last round trip on a connection took.
    """
    found = []
    for peer_id, connections in swarm.get_connections_map().items():
        key = public_key_of(peer_id)
        if not connections or key is None:
            continue
        conn = next((conn for conn in connections if is_dialled(conn)), connections[0])
        addresses = conn.get_transport_addresses()
        followed = sorted(topic for topic, who in pubsub.peer_topics.items() if peer_id in who)
        found.append(
            Peer(
                peer_id=PeerId(str(peer_id)),
                public_key=key,
                address=str(addresses[0]) if addresses else "",
                outbound=is_dialled(conn),
                topics=tuple(followed),
                in_mesh=all(peer_id in router.mesh.get(topic, ()) for topic in topics),
                latency_ms=latency_ms(conn),
            )
        )
    return tuple(sorted(found, key=lambda peer: peer.peer_id))
