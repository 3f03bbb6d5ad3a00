"""What the commands of `aimarket` have in common: which node, which output, which exit code."""

import functools
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import click

from node.errors import OperatorError, RequestRefused
from node.misuse import tell_misuse
from node.rpc.client import Client
from node.rpc.endpoint import find_endpoint

SCHEMA = 1  # of what --json prints; raised if a field goes or changes its meaning, not by a new one
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LATER = 75
EXIT_INTERRUPTED = 130

_OF_STATUS = {400: EXIT_USAGE, 413: EXIT_USAGE, 429: EXIT_LATER, 503: EXIT_LATER}


config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    envvar="AIMARKET_CONFIG",
    help="File with settings; else config.toml in the user's configuration.",
)


def node_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--id`, `--rpc`, `--token-file`, `--config` and `--json`.

    The command is called with `client` and `as_json` in their stead.
    """

    @node_finder
    @functools.wraps(command)
    def wrapped(*args: Any, find_client: Callable[[], Client], **rest: Any) -> Any:
        return command(*args, client=find_client(), **rest)

    return wrapped


def node_finder(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that may need no node the same options as `node_command`.

    The command is called with `find_client`, which looks for the node when it is called.
    """

    @click.option("--id", "node_id", metavar="NAME", help="The node, by its name on this machine.")
    @click.option("--rpc", "url", metavar="URL", help="The node, by its RPC address.")
    @click.option("--token-file", metavar="FILE", help="Where its secret is, with --rpc.")
    @config_option
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        node_id: str | None,
        url: str | None,
        token_file: str | None,
        config_file: str | None,
        **rest: Any,
    ) -> Any:
        from node.config_client import read_configured

        find = functools.partial(
            find_endpoint,
            node_id=node_id,
            url=url,
            token_file=token_file,
            environment=os.environ,
            warn=lambda line: tell(f"warning: {line}"),
            configured=read_configured(config_file),
        )
        return command(*args, find_client=lambda: Client(find(), find=find), **rest)

    return wrapped


def print_json(document: Mapping[str, object]) -> None:
    """Print one document; what is not ASCII is escaped, so no terminal can be commanded by it."""
    click.echo(json.dumps({"schema": SCHEMA, **document}, indent=2))


def print_json_line(document: Mapping[str, object]) -> None:
    """Print one document of many, on one line, at once."""
    click.echo(json.dumps({"schema": SCHEMA, **document}, separators=(",", ":")))


def tell(line: str) -> None:
    """Say one line of progress, or of trouble, on stderr."""
    from node.commands_text import printable

    click.echo(printable(line), err=True)


def exit_with(code: int) -> NoReturn:
    """End the command with a code, having said all there is to say."""
    raise click.exceptions.Exit(code)


def run_to_exit_code(group: click.Command, args: list[str] | None) -> int:
    """Run a command line and turn every way it can end into an exit code and one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no failure
    try:
        code = group.main(args, prog_name="aimarket", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return tell_misuse(error, "aimarket", lead="Error")
    except RequestRefused as error:
        tell(f"Error: {error} ({error.code})")
        return _OF_STATUS.get(error.status, EXIT_FAILED)
    except OperatorError as error:
        tell(f"Error: {error}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough: say nothing, and keep Python's exit from trying again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
