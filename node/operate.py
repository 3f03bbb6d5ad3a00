"""What every command of `aimarket-node` takes: which node's directory, which key, which network."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
    """

    node_id: str
    directory: Path
    key_file: Path | None
    passphrase_file: Path | None
    network: "Network"


_OPTIONS = (
    click.option(
        "--id",
        "node_id",
        envvar="AIMARKET_ID",
        help=f"Nickname of the node, and the name of its directory.  [default: {DEFAULT_ID}]",
    ),
    click.option(
        "--home",
        envvar="AIMARKET_HOME",
        type=click.Path(path_type=Path),
        help="Where nodes keep their directories.",
    ),
    click.option(
        "--key",
        "key_file",
        envvar="AIMARKET_KEY",
        type=click.Path(path_type=Path),
        help="Key file to use.",
    ),
    click.option(
        "--passphrase-file",
        envvar="AIMARKET_PASSPHRASE_FILE",
        type=click.Path(path_type=Path),
        help="File with the passphrase of the key; without one it is asked for.",
    ),
    click.option(
        "--network-genesis",
        envvar="AIMARKET_NETWORK_GENESIS",
        metavar="HEX",
        help="32 hex digits that set a network apart.",
    ),
    click.option("--network-name", envvar="AIMARKET_NETWORK_NAME", help="Name of that network."),
)
_NAMES = ("node_id", "home", "key_file", "passphrase_file", "network_genesis", "network_name")


def at_a_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which node; it is called with a `place`.

    They may stand before the name of a subcommand, too.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **rest: Any) -> Any:
        given = {name: rest.pop(name) for name in _NAMES}
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return None
        outer = context.parent
        while outer is not None:
            given = {name: outer.params.get(name) if v is None else v for name, v in given.items()}
            outer = outer.parent
        return command(*args, place=_place_of(**given), **rest)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _place_of(
    *,
    node_id: str | None,
    home: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    network_genesis: str | None,
    network_name: str | None,
) -> Place:
    from node.config import check_key_file, check_node_id, make_network
    from node.rpc.endpoint import state_root

    name = check_node_id(DEFAULT_ID if node_id is None else node_id)
    network = make_network(name=network_name, genesis=network_genesis)
    root = home if home is not None else state_root(os.environ)
    return Place(name, root / name, check_key_file(key_file), passphrase_file, network)
