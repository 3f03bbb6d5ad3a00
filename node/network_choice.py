"""Which network a node is of: what its operator says, else what it was begun with, else the public.

Whoever joins a private network says so once: a node's directory remembers which one it was.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from node.config import make_network
from node.errors import UsageError
from node.invite import Invite, is_link, read_invite
from node.network_file import FILE_BYTES_MAX, NetworkFile, load_network, read_network, write_network
from node.store.files import one_line, replace_file
from protocol.params import PUBLIC_GENESIS, Network

logger = logging.getLogger(__name__)

REMEMBERED_NAME = "network.toml"


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """What came of it.

    Attributes:
        network: The network.
        bootstrap: Where to dial first, as the file or the link says.
    """

    network: Network
    bootstrap: tuple[str, ...] = ()


def choose_network(
    directory: Path,
    *,
    file: Path | None,
    genesis: str | None,
    name: str | None,
    link: str | None,
) -> NetworkChoice:
    """Return the network of a node.

    Args:
        directory: The node's, which may remember one.
        file: What `--network` says; None if nothing does, as with all the others.
        genesis: What `--network-genesis` says.
        name: What `--network-name` says.
        link: What `--join` says.

    Raises:
        UsageError: Two of them contradict each other, one of them is wrong, or not enough to join.
    """
    if file is not None:
        for option, value in (("--network-genesis", genesis), ("--network-name", name)):
            if value is not None:
                raise UsageError(f"{option} {value}: not together with --network {file}")
        read = load_network(file)
        chosen: NetworkChoice | None = NetworkChoice(read.network, read.bootstrap)
    elif genesis is not None or name is not None:
        chosen = NetworkChoice(make_network(name=name, genesis=genesis))
    else:
        chosen = None
    if link is not None:
        return _joined(_invite(link, "--join"), chosen, directory)
    return chosen or _remembered(directory) or NetworkChoice(make_network(name=None, genesis=None))


def follow_links(bootstrap: tuple[str, ...], network: Network) -> tuple[str, ...]:
    """Put the addresses of links in their places; what is no link stays as it is.

    Raises:
        UsageError: A link is wrong, or for another network.
    """
    found: list[str] = []
    for one in bootstrap:
        if not is_link(one):
            found.append(one)
            continue
        invite = _invite(one, "--bootstrap")
        _check_same(invite, network, "--bootstrap")
        found += invite.addresses
    return tuple(found)


def remember_network(directory: Path, network: Network) -> None:
    """Leave in a node's directory which network it is of, unless that is the public one.

    A disk that refuses is no reason not to start: the node then has to be told again.
    """
    path = directory / REMEMBERED_NAME
    if network.params.genesis == PUBLIC_GENESIS:
        return
    text = write_network(NetworkFile(network, ())).encode()
    try:
        if not path.exists() or path.read_bytes() != text:
            replace_file(path, text)
    except OSError as error:
        logger.warning("cannot write %s: %s", path, one_line(error))


def _joined(invite: Invite, chosen: NetworkChoice | None, directory: Path) -> NetworkChoice:
    if chosen is None and invite.network is not None:
        chosen = NetworkChoice(invite.network)
    if chosen is None:
        chosen = _remembered(directory)
        if chosen is None or chosen.network.network_id != invite.network_id:
            of = f"network {invite.name!r} ({invite.network_id.hex()})"
            lists = f"{of} lists its {invite.members_count} members, which no link holds"
            raise UsageError(f"--join: {lists}; name its file, too: --network FILE")
    _check_same(invite, chosen.network, "--join")
    addresses = (*invite.addresses, *chosen.bootstrap)
    return NetworkChoice(chosen.network, tuple(dict.fromkeys(addresses)))


def _check_same(invite: Invite, network: Network, option: str) -> None:
    if invite.network_id != network.network_id:
        theirs, ours = invite.network_id.hex(), network.network_id.hex()
        told = f"the link is for network {invite.name!r}, {theirs}"
        raise UsageError(f"{option}: {told}, but this node is of {network.params.name!r}, {ours}")


def _invite(link: str, option: str) -> Invite:
    try:
        return read_invite(link)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from error


def _remembered(directory: Path) -> NetworkChoice | None:
    path = directory / REMEMBERED_NAME
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {one_line(error)}") from error
    return NetworkChoice(read_network(raw, path).network)
