"""`aimarket-node`: runs one node in the foreground."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.errors import OperatorError, StoreError
from protocol.errors import MarketError

if TYPE_CHECKING:
    from node.config import Config
    from node.logs import LogFormat

FAILED_EXIT_CODE = 1
UNCLEAN_EXIT_CODE = 3

logger = logging.getLogger(__name__)


@click.command(context_settings={"auto_envvar_prefix": "AIMARKET", "max_content_width": 100})
@click.option(
    "--id",
    "node_id",
    envvar="AIMARKET_ID",
    default="node",
    show_default=True,
    help="Nickname of this node, and the name of its directory.",
)
@click.option(
    "--bootstrap",
    multiple=True,
    metavar="ADDR",
    help="Full multiaddr of a node to join by, as that node prints it; repeatable.",
)
@click.option("--home", type=click.Path(path_type=Path), help="Where nodes keep their directories.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="Key file to use.")
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDR",
    help="Multiaddr to listen on; repeatable.  [default: all interfaces, port 7460 or a free one]",
)
@click.option(
    "--announce",
    multiple=True,
    metavar="ADDR",
    help="Multiaddr others reach this node at, if it cannot find out itself; repeatable.",
)
@click.option(
    "--rpc-port",
    type=int,
    help="Loopback port for `aimarket`; 0 for any.  [default: 7461 or a free one]",
)
@click.option(
    "--task-type",
    "task_types",
    multiple=True,
    metavar="NAME",
    help="What this node runs, the default type first; repeatable.  [default: sentiment, echo]",
)
@click.option("--model", metavar="DIR|HUB_ID", help="Classifier to run.  [default: embedded]")
@click.option("--seats", type=int, default=3, show_default=True, help="Default jurors of a task.")
@click.option("--network-genesis", metavar="HEX", help="32 hex digits that set a network apart.")
@click.option("--network-name", help="Name of that network.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least important lines to show.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is console on a terminal, json elsewhere.",
)
@click.version_option(package_name="aimarket")
def main(
    node_id: str,
    bootstrap: tuple[str, ...],
    home: Path | None,
    key_file: Path | None,
    listen: tuple[str, ...],
    announce: tuple[str, ...],
    rpc_port: int | None,
    task_types: tuple[str, ...],
    model: str | None,
    seats: int,
    network_genesis: str | None,
    network_name: str | None,
    log_level: str,
    log_format: "LogFormat",
) -> None:
    """Run a node of the market: submit to it, and it works for others.

    The first node of a network needs no options; it prints the command for the next one. Stop it
    with Ctrl-C.
    """
    os.umask(0o077)
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    try:
        # Slow libraries come in here, so that --help and a mistyped flag answer at once.
        from node.config import (
            DEFAULT_TASK_TYPES,
            Config,
            check_announce,
            check_bootstrap,
            check_key_file,
            check_listen,
            check_node_id,
            check_rpc_port,
            check_seats,
            make_network,
        )
        from node.logs import configure_logs
        from node.rpc.endpoint import state_root

        network = make_network(name=network_name, genesis=network_genesis)
        root = home if home is not None else state_root(os.environ)
        config = Config(
            node_id=check_node_id(node_id),
            directory=root / node_id,
            key_file=check_key_file(key_file),
            network=network,
            bootstrap=check_bootstrap(bootstrap),
            listen=check_listen(listen) or None,
            announce=check_announce(announce),
            rpc_port=check_rpc_port(rpc_port),
            task_types=task_types or DEFAULT_TASK_TYPES,
            model=model,
            seats=check_seats(seats, network),
        )
        configure_logs(level=log_level, log_format=log_format)
        _run(config)
    except OperatorError as error:
        _leave(str(error), error.exit_code)
    except StoreError as error:
        _leave(str(error), UNCLEAN_EXIT_CODE)
    except MarketError as error:
        _leave(str(error), FAILED_EXIT_CODE)
    except KeyboardInterrupt:
        _leave("interrupted", 130)


def _run(config: "Config") -> None:
    import trio

    from node.daemon import run_node

    try:
        trio.run(lambda: run_node(config, say=_say))
    except BaseExceptionGroup as group:
        expected, rest = group.split(MarketError)
        if rest is not None or expected is None:
            raise
        raise _first(expected) from group


def _first(group: BaseException) -> BaseException:
    """Return the first single error of nested groups."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _leave(message: str, exit_code: int) -> None:
    click.echo(f"aimarket-node: {message}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
