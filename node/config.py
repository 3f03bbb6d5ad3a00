"""What one operator chose, checked before anything is opened."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from multiaddr import Multiaddr

from bootstrap.addresses import (
    FIRST_PARTS,
    NO_UNDERSCORE,
    TEXT_BYTES_MAX,
    UNSPECIFIED,
    BadAddress,
    check_name,
    has_underscore,
)
from bootstrap.leads import ID_BYTES, parse_lead
from node.errors import UsageError
from node.network_limits import check_params
from node.operate import Place
from protocol.errors import Malformed
from protocol.params import GENESIS_BYTES, PUBLIC_GENESIS, Network, NetworkParams, network_of

DEFAULT_LISTEN_PORT = 7460
DEFAULT_LISTEN = f"/ip4/0.0.0.0/tcp/{DEFAULT_LISTEN_PORT}"
DEFAULT_TASK_TYPES = ("sentiment", "echo")
PORT_MAX = 65_535
DISK_LIMIT_MIB_MIN = 16  # LevelDB keeps some 8 MiB of its own before the first table is merged
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model an operator named.

    Attributes:
        task_type: What runs it; None for every type that has none of its own.
        reference: A directory or a hub id.
    """

    task_type: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class Config:
    """A node's choices.

    Attributes:
        node_id: Its nickname, and the name of its directory.
        directory: Where it keeps everything.
        key_file: Where its key is; None for the directory.
        passphrase_file: Where the passphrase of its key is; None to ask, if it has one.
        network: Which network it belongs to.
        bootstrap: Leads to join by (`bootstrap.leads`), those of the network's file last.
        listen: Multiaddrs to listen on; None for the default, whose port may give way.
        announce: Multiaddrs to be known by; empty to find out.
        relay: Whether it carries connections to nodes that nobody can dial.
        mdns: Whether it says where it is on the local network, and asks who else is there.
        rpc_port: Where the local user is served; None for the default, which may give way.
        rpc_token_file: Where its token is left for other programs; None for nowhere.
        rpc_open_reads: Whether anybody on this machine may read over the RPC.
        dashboard_public: IP address and port where everybody is shown the dashboard; None for
            nowhere.
        task_types: What it runs, the default type first.
        models: The models it runs, instead of the embedded one.
        seats: Seats of a task whose user names none.
        disk_limit_bytes: How large its directory may grow; None for no limit.
    """

    node_id: str
    directory: Path
    key_file: Path | None
    passphrase_file: Path | None
    network: Network
    bootstrap: tuple[str, ...]
    listen: tuple[str, ...] | None
    announce: tuple[str, ...]
    relay: bool
    mdns: bool
    rpc_port: int | None
    rpc_token_file: Path | None
    rpc_open_reads: bool
    dashboard_public: tuple[str, int] | None
    task_types: tuple[str, ...]
    models: tuple[ModelChoice, ...]
    seats: int
    disk_limit_bytes: int | None


def make_config(
    place: Place,
    *,
    bootstrap: tuple[str, ...],
    listen: tuple[str, ...],
    announce: tuple[str, ...],
    relay: bool,
    mdns: bool,
    rpc_port: int | None,
    rpc_token_file: Path | None,
    rpc_open_reads: bool,
    dashboard_public: str | None,
    task_types: tuple[str, ...],
    models: tuple[str, ...],
    seats: int,
    disk_limit_mib: int | None,
) -> Config:
    """Check what was chosen; None or nothing leaves a choice to the program.

    Raises:
        UsageError: Something cannot be; the message begins with the option.
    """
    from node.network_choice import follow_links

    dialled = check_bootstrap(follow_links(bootstrap, place.network))
    return Config(
        node_id=place.node_id,
        directory=place.directory,
        key_file=place.key_file,
        passphrase_file=place.passphrase_file,
        network=place.network,
        bootstrap=tuple(dict.fromkeys((*dialled, *place.bootstrap))),
        listen=check_listen(listen) or None,
        announce=check_announce(announce),
        relay=relay,
        mdns=mdns,
        rpc_port=check_rpc_port(rpc_port),
        rpc_token_file=check_token_file(rpc_token_file),
        rpc_open_reads=rpc_open_reads,
        dashboard_public=check_dashboard_public(dashboard_public),
        task_types=task_types or DEFAULT_TASK_TYPES,
        models=check_models(models),
        seats=check_seats(seats, place.network),
        disk_limit_bytes=check_disk_limit(disk_limit_mib),
    )


def check_node_id(node_id: str) -> str:
    """Return a nickname that can also name a directory.

    Raises:
        UsageError: It cannot.
    """
    if not _ID.fullmatch(node_id):
        need = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        raise UsageError(f"--id {node_id!r}: need {need}")
    return node_id


def check_bootstrap(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses in the form they are dialled in.

    Raises:
        UsageError: One is neither a multiaddr nor a host with a port.
    """
    try:
        return tuple(parse_lead(address).text for address in addresses)
    except BadAddress as error:
        raise UsageError(f"--bootstrap: {error}") from error


def check_listen(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses a socket of this machine can be bound to.

    Raises:
        UsageError: One is not an IP address with a TCP port, or is named twice.
    """
    seen: set[str] = set()
    for address in addresses:
        _check_place("--listen", address, ("ip4", "ip6"))
        plain = str(Multiaddr(address))
        if plain in seen:
            raise UsageError(f"--listen {address!r}: is named twice; name it once")
        seen.add(plain)
    return addresses


def check_announce(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses others can be told of.

    Raises:
        UsageError: One is not a host with a TCP port, is too long, or nobody can dial it.
    """
    for address in addresses:
        _check_place("--announce", address, FIRST_PARTS)
        (first, host), (_, port) = Multiaddr(address).items()
        if host in UNSPECIFIED or int(str(port)) == 0:
            need = "nobody can dial that; name the address and the port that others see"
            raise UsageError(f"--announce {address!r}: {need}")
        if first.name.startswith("dns"):
            try:
                check_name(str(host), "there")
            except BadAddress as error:
                raise UsageError(f"--announce {address!r}: {error}") from error
        full_bytes = len(str(Multiaddr(address))) + ID_BYTES
        if full_bytes > TEXT_BYTES_MAX:
            need = f"{full_bytes} bytes with its /p2p/PEER_ID, at most {TEXT_BYTES_MAX}"
            raise UsageError(f"--announce {address!r}: {need}")
    return addresses


def check_key_file(key_file: Path | None) -> Path | None:
    """Return where the key is, or is to be made.

    Raises:
        UsageError: No folder is there.
    """
    if key_file is not None and not key_file.parent.is_dir():
        raise UsageError(f"--key {key_file}: there is no folder {key_file.parent}")
    return key_file


def check_token_file(token_file: Path | None) -> Path | None:
    """Return where the token is to be left.

    Raises:
        UsageError: No folder is there.
    """
    if token_file is not None and not token_file.parent.is_dir():
        raise UsageError(f"--rpc-token-file {token_file}: there is no folder {token_file.parent}")
    return token_file


def check_models(values: tuple[str, ...]) -> tuple[ModelChoice, ...]:
    """Read `TYPE=DIR|HUB_ID`, or a model alone; a path that holds `=` begins with `.`, `/` or `~`.

    Raises:
        UsageError: A part is missing, or there are two models for one type.
    """
    choices: list[ModelChoice] = []
    for value in values:
        name, equals, reference = value.partition("=")
        alone = not equals or value.startswith((".", "/", "~"))
        choice = ModelChoice(None, value) if alone else ModelChoice(name, reference)
        if choice.task_type == "" or not choice.reference:
            raise UsageError(f"--model {value!r}: write it as TYPE=DIR or TYPE=HUB_ID")
        for other in choices:
            if other.task_type == choice.task_type:
                whose = choice.task_type or "every other task type"
                raise UsageError(
                    f"--model: two for {whose}, {other.reference} and {choice.reference}"
                )
        choices.append(choice)
    return tuple(choices)


def check_rpc_port(port: int | None) -> int | None:
    """Return the port of the local RPC.

    Raises:
        UsageError: There is no such port.
    """
    if port is not None and not 0 <= port <= PORT_MAX:
        raise UsageError(f"--rpc-port {port}: need a port from 0 (any) to {PORT_MAX}")
    return port


def check_dashboard_public(place: str | None) -> tuple[str, int] | None:
    """Return the address and port where the dashboard is shown to everybody.

    Raises:
        UsageError: It is no IP address with a port.
    """
    if place is None:
        return None
    host, _, port = place.rpartition(":")
    try:
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        address = ipaddress.ip_address(bare)
        if (":" in bare) != (bare != host) or "%" in bare:  # only IPv6 stands in brackets
            raise ValueError
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
        if not 0 <= number <= PORT_MAX:
            raise ValueError
    except ValueError:
        shown = repr(place if len(place) <= 100 else place[:97] + "...")
        need = "write it as IP:PORT, such as 0.0.0.0:8080 or [::]:8080, the port up to 65535"
        raise UsageError(f"--dashboard-public {shown}: {need}") from None
    return str(address), number


def make_network(*, name: str | None, genesis: str | None) -> Network:
    """Return the network of a name and a genesis in hex; without either, the public one.

    Raises:
        UsageError: A name without a genesis, or one of them is malformed.
    """
    if genesis is None:
        if name is not None:
            raise UsageError("--network-name: a network of one's own needs --network-genesis")
        return network_of(NetworkParams())
    try:
        raw = bytes.fromhex(genesis) if genesis.isascii() else b""
        if len(raw) != GENESIS_BYTES or raw == PUBLIC_GENESIS:
            raise ValueError
        return network_of(check_params(NetworkParams(genesis=raw, name=name or "private")))
    except Malformed as error:
        raise UsageError(f"--network-name: {error}") from error
    except UnicodeEncodeError as error:
        raise UsageError(f"--network-name {name!r}: need text of real characters") from error
    except ValueError:
        need = f"need {2 * GENESIS_BYTES} hex digits of your own, such as `openssl rand -hex 16`"
        raise UsageError(f"--network-genesis {genesis!r}: {need}") from None


def check_seats(seats: int, network: Network) -> int:
    """Return the default number of seats.

    Raises:
        UsageError: It is even, or out of range.
    """
    most = network.params.seats_max
    if not 1 <= seats <= most or seats % 2 == 0:
        raise UsageError(f"--seats {seats}: need an odd number from 1 to {most}")
    return seats


def check_disk_limit(mib: int | None) -> int | None:
    """Return how many bytes the log may take; None for no limit.

    Raises:
        UsageError: So little that no log fits.
    """
    if mib is None:
        return None
    if mib < DISK_LIMIT_MIB_MIN:
        raise UsageError(f"--disk-limit {mib}: need at least {DISK_LIMIT_MIB_MIN} MiB")
    return mib << 20


def _check_place(option: str, address: str, hosts: tuple[str, ...]) -> None:
    try:
        names = [part.name for part in Multiaddr(address).protocols()]
    except ValueError:
        names = []
    if len(names) != 2 or names[0] not in hosts or names[1] != "tcp":
        shown = repr(address if len(address) <= 100 else address[:97] + "...")
        need = "write it as /ip4/HOST/tcp/PORT, the port from 0 to 65535"
        if has_underscore(address) and hosts == FIRST_PARTS:
            need = NO_UNDERSCORE
        raise UsageError(f"{option} {shown}: {need}")
