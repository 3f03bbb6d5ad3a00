"""What a node tells its operator once it runs: who it is, where it is, and how others join it."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from node.config import Config
from node.invite import make_invite, write_invite
from protocol.ids import PeerId
from protocol.params import Network, NetworkParams, network_of


def introduction(
    config: Config,
    *,
    peer_id: PeerId,
    addresses: Sequence[str],
    rpc_url: str,
    public_url: str = "",
    token_file: Path,
) -> Iterator[str]:
    """Return the lines; the last is a command to paste on the next machine."""
    yield f"{config.node_id} is {peer_id}"
    for address in addresses:
        yield f"listening on {address}"
    yield f"local RPC at {rpc_url} (token in {token_file})"
    if public_url:
        yield f"public dashboard at {public_url} (whoever can reach it can read it)"
    if addresses:
        options = joining_options(config.network, peer_id, _widest(addresses))
        yield f"on the next machine run: aimarket-node {options}"


def joining_options(network: Network, peer_id: PeerId, address: str) -> str:
    """Return the options by which others join a network at an address."""
    params = network.params
    if network == network_of(NetworkParams()):
        return f"--bootstrap {address} --id NAME"
    if network == network_of(NetworkParams(genesis=params.genesis, name=params.name)):
        name = shlex.quote(params.name)  # a stranger may have chosen it, and a shell will read it
        own = f"--network-genesis {params.genesis.hex()} --network-name {name}"
        return f"--bootstrap {address} --id NAME {own}"
    file = " --network FILE" if params.members else ""
    return f"--join {write_invite(make_invite(network, peer_id, (address,)))} --id NAME{file}"


def _widest(addresses: Sequence[str]) -> str:
    """Return the address another machine is most likely to reach."""
    return next((a for a in addresses if "/127." not in a and "/::1/" not in a), addresses[0])
