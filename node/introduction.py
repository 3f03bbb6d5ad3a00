"""What a node tells its operator once it runs: who it is, where it is, and how others join it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from node.config import Config
from protocol.ids import PeerId
from protocol.params import NetworkParams, network_of


def introduction(
    config: Config,
    *,
    peer_id: PeerId,
    addresses: Sequence[str],
    rpc_url: str,
    token_file: Path,
) -> Iterator[str]:
    """Return the lines; the last is a command to paste on the next machine."""
    yield f"{config.node_id} is {peer_id}"
    for address in addresses:
        yield f"listening on {address}"
    yield f"local RPC at {rpc_url} (token in {token_file})"
    if addresses:
        params = config.network.params
        network = " --network FILE"
        if config.network == network_of(NetworkParams()):
            network = ""
        elif config.network == network_of(NetworkParams(genesis=params.genesis, name=params.name)):
            network = f" --network-genesis {params.genesis.hex()} --network-name {params.name}"
        command = f"aimarket-node --bootstrap {_widest(addresses)} --id NAME{network}"
        yield f"on the next machine run: {command}"


def _widest(addresses: Sequence[str]) -> str:
    """Return the address another machine is most likely to reach."""
    return next((a for a in addresses if "/127." not in a and "/::1/" not in a), addresses[0])
