"""What every command of `aimarket-node` takes: which node's directory, which key, which network."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.operate_config import (
    check_loaded,
    lay_over_config,
    load_config,
    naming_sources,
    winner,
)

if TYPE_CHECKING:
    from protocol.params import Network

DEFAULT_ID = "node"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node lives, and what it takes to open it.

    Attributes:
        node_id: Its nickname, and the name of its directory.
        directory: Where it keeps everything.
        key_file: Where its key is; None for the directory.
        passphrase_file: Where the passphrase of its key is; None to ask, if it has one.
        network: Which network it belongs to.
        bootstrap: Where to dial first, as its file or a link says.
    """

    node_id: str
    directory: Path
    key_file: Path | None
    passphrase_file: Path | None
    network: "Network"
    bootstrap: tuple[str, ...] = ()


def setting(name: str, *names: str, **attributes: Any) -> Callable[[Any], Any]:
    """Make an option that can be set in the environment, too: `--rpc-port` as AIMARKET_RPC_PORT."""
    variable = "AIMARKET_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *names, envvar=variable, **attributes)


_OPTIONS = (
    # Both are read before all others, and the file before the id: what it says depends on that.
    setting(
        "--config",
        "config_file",
        metavar="FILE",
        is_eager=True,
        callback=load_config,
        help="File with settings.  [default: config.toml in the user's configuration]",
    ),
    setting(
        "--id",
        "node_id",
        is_eager=True,
        callback=lay_over_config,
        help=f"Nickname of the node, and the name of its directory.  [default: {DEFAULT_ID}]",
    ),
    setting(
        "--home",
        type=click.Path(path_type=Path),
        help="Where nodes keep their directories.  [default: the user's state]",
    ),
    setting(
        "--key",
        "key_file",
        type=click.Path(path_type=Path),
        help="Key file to use.  [default: in the node's directory]",
    ),
    setting(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        help="File with the passphrase of the key.  [default: it is asked for]",
    ),
    setting(
        "--network",
        "network_file",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of a private network, as `aimarket network new` makes it.  "
        "[default: the one it was begun with, else the public network]",
    ),
    setting(
        "--network-genesis",
        metavar="HEX",
        help="32 hex digits that set a network apart.  [default: the public network]",
    ),
    setting("--network-name", help="Name of that network.  [default: private]"),
    setting(
        "--join",
        metavar="LINK",
        help="Invite of a node to join by, as `aimarket invite` prints it.  [default: none]",
    ),
)
NAMES = (
    *("node_id", "home", "key_file", "passphrase_file"),
    *("network_file", "network_genesis", "network_name", "join"),
)


def at_a_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which node; it is called with a `place`.

    They may stand before the name of a subcommand, too.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **rest: Any) -> Any:
        context = click.get_current_context()
        given = {name: winner(context, name, rest.pop(name)) for name in NAMES}
        del rest["config_file"]
        if context.invoked_subcommand is not None:
            return None
        with naming_sources(context):
            check_loaded(context)
            return command(*args, place=place_of(**given), **rest)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def place_of(
    *,
    node_id: str | None,
    home: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    network_file: Path | None,
    network_genesis: str | None,
    network_name: str | None,
    join: str | None,
) -> Place:
    """Check which node is meant; None leaves a part to the program.

    Raises:
        UsageError: There can be no such node.
    """
    from node.config import check_key_file, check_node_id
    from node.network_choice import choose_network
    from node.rpc.endpoint import state_root

    name = check_node_id(DEFAULT_ID if node_id is None else node_id)
    root = home if home is not None else state_root(os.environ)
    directory = root / name
    chosen = choose_network(
        directory, file=network_file, genesis=network_genesis, name=network_name, link=join
    )
    return Place(
        node_id=name,
        directory=directory,
        key_file=check_key_file(key_file),
        passphrase_file=passphrase_file,
        network=chosen.network,
        bootstrap=chosen.bootstrap,
    )
