"""The commands about settings: which ones a node would start with, and is the file right."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from node.commands import config_option, print_json
from node.commands_text import printable
from node.config_file import (
    NODES_TABLE,
    NOT_IN_A_FILE,
    ConfigFile,
    default_path,
    find_config,
    key_name,
)
from node.errors import UsageError

PREFIX = "AIMARKET_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a node.

    Attributes:
        key: As it is called in the file.
        value: What it is; None if the program chooses when it starts.
        default: What the program chooses then, in words; empty if there is a value.
        origin: `flag`, a variable, a file with its line, or `default`.
    """

    key: str
    value: Any
    default: str
    origin: str


@click.group()
def config() -> None:
    """Look at the settings of a node, which flags, variables and config.toml make up."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--id", "node_id", metavar="NAME", help="Of that node; else of the default one.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def show(
    origin: bool,
    node_id: str | None,
    config_file: str | None,
    as_json: bool,
    flags: tuple[str, ...],
) -> None:
    """Show what `aimarket-node` would start with; after `--`, with further FLAGS of its.

    A value in brackets is chosen when the node starts.
    """
    named = [] if node_id is None else ["--id", node_id]
    filed = [] if config_file is None else ["--config", config_file]
    found = settings_of([*filed, *named, *flags])
    if as_json:
        print_json({"settings": [asdict(one) for one in found]})
        return
    keys = max(len(one.key) for one in found)
    values = max(len(_shown(one)) for one in found)
    for one in found:
        line = f"{one.key.ljust(keys)}  {_shown(one).ljust(values)}  {one.origin}"
        click.echo(printable(line if origin else line.removesuffix(one.origin).rstrip()))


@config.command()
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(file: str | None, as_json: bool) -> None:
    """Say whether FILE is a good config.toml, keys and values alike; else the one in use.

    Exits 0 if it is, and 2 with one line that names the place if it is not.
    """
    by = "" if file else "AIMARKET_CONFIG="
    found = find_config(file or os.environ.get("AIMARKET_CONFIG"), by=by)
    if found is None:
        raise UsageError(f"there is no {default_path()}; name a file")
    check_values(found)
    if as_json:
        print_json({"ok": True, "file": str(found.path)})
    else:
        click.echo(printable(f"{found.path}: ok"))


def settings_of(arguments: list[str]) -> list[Setting]:
    """Return every setting of a node that would be started with some arguments.

    Raises:
        UsageError: Something in the file cannot be.
        click.UsageError: Something in the arguments cannot be.
    """
    from node.main import main
    from node.operate_config import check_loaded, origin_of

    found = []
    with main.make_context("aimarket-node", list(arguments)) as context:
        check_loaded(context)
        for option in main.params:
            if isinstance(option, click.Option) and key_name(option) not in NOT_IN_A_FILE:
                value = context.params[str(option.name)]
                default = default_of(option) if value in (None, ()) else ""
                plain = _plain(value)
                found.append(Setting(key_name(option), plain, default, origin_of(context, option)))
    return found


def default_of(option: click.Option) -> str:
    """Return what an option's help says the program chooses if nobody does."""
    _, _, said = (option.help or "").partition("[default: ")
    return said.removesuffix("]") or "none"


def check_values(file: ConfigFile) -> None:
    """See that nodes could be started with a file: each that it names, and any other.

    Raises:
        UsageError: One could not.
    """
    from node.config import make_config
    from node.main import main
    from node.operate import NAMES, place_of
    from node.operate_config import check_loaded, naming_sources

    nodes = file.document.get(NODES_TABLE, {})
    for node_id in (None, *(nodes if isinstance(nodes, dict) else ())):
        arguments = ["--config", str(file.path), *(() if node_id is None else ("--id", node_id))]
        with _no_variables(), main.make_context("aimarket-node", list(arguments)) as context:
            check_loaded(context)
            chosen = dict(context.params)
            for name in ("config_file", "log_level", "log_format"):
                del chosen[name]
            with naming_sources(context):
                place = place_of(**{name: chosen.pop(name) for name in NAMES})
                make_config(place, **chosen)


@contextmanager
def _no_variables() -> Iterator[None]:
    """Hide what configures a node, and hide it from this program alone."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _plain(value: Any) -> Any:
    if value == ():
        return None
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _shown(setting: Setting) -> str:
    if setting.default:
        return f"({setting.default})"
    if isinstance(setting.value, list):
        return " ".join(setting.value)
    if isinstance(setting.value, bool):
        return str(setting.value).lower()
    return str(setting.value)
