"""`aimarket-node`: runs one node in the foreground, or looks after one that stands still."""

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from node.command_group import LazyCommands
from node.errors import OperatorError, StoreError, first_of
from node.misuse import tell_misuse
from node.operate import Place, at_a_place, setting
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
    "log": "node.operate_log",
    "repair": "node.operate_store",
    "verify": "node.operate_store",
}


class OneLine(click.Command):
    """A program whose every failure is one line.

    Attributes:
        called: The name the line begins with.
    """

    called = "aimarket-node"

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; one that cannot be is told in one line, too."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        try:
            code: Any = run()
        except click.ClickException as error:
            sys.exit(tell_misuse(error, self.called, lead=self.called))
        except click.Abort:
            self._leave("interrupted", INTERRUPTED_EXIT_CODE)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was asked for and turn what goes wrong into one line and an exit code."""
        os.umask(0o077)
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            self._leave(str(error), error.exit_code)
        except StoreError as error:
            self._leave(str(error), UNCLEAN_EXIT_CODE)
        except MarketError as error:
            self._leave(str(error), FAILED_EXIT_CODE)
        except KeyboardInterrupt:
            self._leave("interrupted", INTERRUPTED_EXIT_CODE)

    def _leave(self, message: str, exit_code: int) -> NoReturn:
        click.echo(f"{self.called}: {message}", err=True)
        sys.exit(exit_code)


class Program(OneLine, LazyCommands):
    """The program, and the commands that look after a node."""


@click.command(
    cls=Program,
    places=COMMANDS,
    invoke_without_command=True,
    context_settings={"max_content_width": 100},
)
@at_a_place
@setting(
    "--bootstrap",
    multiple=True,
    metavar="ADDR",
    help="Node to join by: a multiaddr as it prints it, HOST:PORT, /dnsaddr/NAME, or an invite;"
    " repeatable.",
)
@setting(
    "--listen",
    multiple=True,
    metavar="ADDR",
    help="Multiaddr to listen on; repeatable."
    "  [default: all IPv4 interfaces, port 7460 or a free one]",
)
@setting(
    "--announce",
    multiple=True,
    metavar="ADDR",
    help="Multiaddr others reach this node at, if it cannot find out itself; repeatable.",
)
@setting(
    "--relay",
    is_flag=True,
    help="Carry connections to nodes that nobody can dial, within bounds.",
)
@setting(
    "--mdns",
    is_flag=True,
    help="Say on the local network where this node is, and find the others there.",
)
@setting(
    "--rpc-port",
    type=int,
    help="Loopback port for `aimarket`; 0 for any.  [default: 7461 or a free one]",
)
@setting(
    "--rpc-token-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that holds the token of the RPC while the node runs.  [default: none]",
)
@setting(
    "--rpc-open-reads",
    is_flag=True,
    help="Let everybody on this machine read over the RPC without the token.",
)
@setting(
    "--dashboard-public",
    metavar="IP:PORT",
    help="Where everybody who can reach it is shown the dashboard, to read alone.",
)
@setting(
    "--task-type",
    "task_types",
    multiple=True,
    metavar="NAME",
    help="What this node runs, the default type first; repeatable.  [default: sentiment, echo]",
)
@setting(
    "--model",
    "models",
    multiple=True,
    metavar="[TYPE=]DIR|HUB_ID",
    help="Model of a task type, or of all that have none; repeatable.  [default: embedded]",
)
@setting("--seats", type=int, default=3, show_default=True, help="Default jurors of a task.")
@setting(
    "--disk-limit",
    "disk_limit_mib",
    type=int,
    metavar="MIB",
    help="MiB the directory may grow to, at least 16; at 90 % nothing foreign is stored."
    "  [default: no limit]",
)
@setting(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least important lines to show.",
)
@setting(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is console on a terminal, json elsewhere.",
)
@click.version_option(package_name="aimarket")
def main(place: Place, log_level: str, log_format: "LogFormat", **chosen: Any) -> None:
    """Run a node of the market: submit to it, and it works for others.

    The first node of a network needs no options; it prints the command for the next one. Stop it
    with Ctrl-C. The commands below look after a node that does not run.

    Every option can be set in the environment as well (--rpc-port as AIMARKET_RPC_PORT, several
    values with spaces between) and in the file (rpc_port = 7461): a flag wins, then the
    environment, then the file.
    """
    from node.config import make_config

    run(make_config(place, **chosen), log_level, log_format)


def run(config: "Config", log_level: str, log_format: "LogFormat") -> None:
    """Run a node until it is told to stop.

    Raises:
        MarketError: What the operator can mend, or a disk that failed.
    """
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    import trio

    from node.daemon import run_node
    from node.logs import configure_logs

    configure_logs(level=log_level, log_format=log_format, node=config.node_id)
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


if __name__ == "__main__":
    main()
