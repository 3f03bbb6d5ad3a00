"""`aimarket-node`: runs one node in the foreground, or looks after one that stands still."""

import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from node.errors import OperatorError, StoreError, first_of
from node.operate import Place, at_a_place
from protocol.errors import MarketError

if TYPE_CHECKING:
    from node.config import Config
    from node.logs import LogFormat

FAILED_EXIT_CODE = 1
UNCLEAN_EXIT_CODE = 3
INTERRUPTED_EXIT_CODE = 130

logger = logging.getLogger(__name__)

# Slow libraries come in with these, so that --help and a mistyped flag answer at once.
COMMANDS = {
    "adopt": "node.operate_adopt",
    "key": "node.operate_key",
    "repair": "node.operate_store",
    "verify": "node.operate_store",
}


class Program(click.Group):
    """The commands by name, each loaded when it is called; every failure is one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which help shows them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of that name."""
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was asked for and turn what goes wrong into one line and an exit code."""
        os.umask(0o077)
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            _leave(str(error), error.exit_code)
        except StoreError as error:
            _leave(str(error), UNCLEAN_EXIT_CODE)
        except MarketError as error:
            _leave(str(error), FAILED_EXIT_CODE)
        except KeyboardInterrupt:
            _leave("interrupted", INTERRUPTED_EXIT_CODE)


@click.command(
    cls=Program,
    invoke_without_command=True,
    context_settings={"auto_envvar_prefix": "AIMARKET", "max_content_width": 100},
)
@at_a_place
@click.option(
    "--bootstrap",
    multiple=True,
    metavar="ADDR",
    help="Full multiaddr of a node to join by, as that node prints it; repeatable.",
)
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
@click.option(
    "--model",
    "models",
    envvar="AIMARKET_MODEL",
    multiple=True,
    metavar="[TYPE=]DIR|HUB_ID",
    help="Model of a task type, or of all that have none; repeatable.  [sentiment: embedded]",
)
@click.option("--seats", type=int, default=3, show_default=True, help="Default jurors of a task.")
@click.option(
    "--disk-limit",
    "disk_limit_mib",
    type=int,
    metavar="MIB",
    help="How large the log may grow before it takes in nothing foreign.  [default: no limit]",
)
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
    place: Place,
    bootstrap: tuple[str, ...],
    listen: tuple[str, ...],
    announce: tuple[str, ...],
    rpc_port: int | None,
    task_types: tuple[str, ...],
    models: tuple[str, ...],
    seats: int,
    disk_limit_mib: int | None,
    log_level: str,
    log_format: "LogFormat",
) -> None:
    """Run a node of the market: submit to it, and it works for others.

    The first node of a network needs no options; it prints the command for the next one. Stop it
    with Ctrl-C. The commands below look after a node that does not run.
    """
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from node.config import (
        DEFAULT_TASK_TYPES,
        Config,
        check_announce,
        check_bootstrap,
        check_disk_limit,
        check_listen,
        check_models,
        check_rpc_port,
        check_seats,
    )
    from node.logs import configure_logs

    config = Config(
        node_id=place.node_id,
        directory=place.directory,
        key_file=place.key_file,
        passphrase_file=place.passphrase_file,
        network=place.network,
        bootstrap=check_bootstrap(bootstrap),
        listen=check_listen(listen) or None,
        announce=check_announce(announce),
        rpc_port=check_rpc_port(rpc_port),
        task_types=task_types or DEFAULT_TASK_TYPES,
        models=check_models(models),
        seats=check_seats(seats, place.network),
        disk_limit_bytes=check_disk_limit(disk_limit_mib),
    )
    configure_logs(level=log_level, log_format=log_format)
    _run(config)


def _run(config: "Config") -> None:
    import trio

    from node.daemon import run_node

    try:
        trio.run(lambda: run_node(config, say=_say))
    except BaseExceptionGroup as group:
        expected, rest = group.split(MarketError)
        if rest is not None or expected is None:
            raise
        raise first_of(expected) from group


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _leave(message: str, exit_code: int) -> NoReturn:
    click.echo(f"aimarket-node: {message}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
