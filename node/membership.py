"""What a node's key has to do with its network: whether it may write there."""

from dataclasses import replace

from node.config import Config
from node.errors import StartError
from node.names import peer_id_of
from protocol.ids import PublicKey
from protocol.record import may_write


def admitted(config: Config, key: PublicKey) -> Config:
    """Return the choices of a node without its own addresses among those that it dials first.

    The file of a network is the same for all its nodes, for those that it names, too.

    Raises:
        StartError: The node is to run something, and nobody would take its answers.
    """
    peer_id, network = peer_id_of(key), config.network
    if config.task_types and not may_write(key, network):
        of = f"the {len(network.params.members)} members of network {network.params.name!r}"
        remedy = "see docs/networks.md"
        raise StartError(f"the key of this node, {peer_id}, is not among {of}; {remedy}")
    others = (one for one in config.bootstrap if not one.endswith(f"/p2p/{peer_id}"))
    return replace(config, bootstrap=tuple(others))
