"""Lays `config.toml` under the options of `aimarket-node`: a flag wins, then the environment.

Click asks `Context.default_map` for what neither gives, and remembers which of them it was.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from node.config_file import (
    ConfigFile,
    Key,
    check_config,
    find_config,
    key_name,
    keys_of,
    places_of,
    values_of,
)
from node.errors import UsageError

_LOADED = "aimarket.config"
_OPTION = re.compile(r"--[a-z-]+")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of looking for a file.

    Attributes:
        file: The file; None if there is none, or it is no good.
        problem: Why it is no good.
    """

    file: ConfigFile | None = None
    problem: UsageError | None = None


def load_config(context: click.Context, _: click.Parameter, named: str | None) -> str | None:
    """Read the file for a command; a file that is no good is told of when the command runs.

    For it may be the file of a command whose subcommand has another.
    """
    try:
        file = find_config(winner(context, "config_file", named))
        if file is not None:
            check_config(file, _keys())
        context.meta[_LOADED] = Loaded(file)
    except UsageError as error:
        context.meta[_LOADED] = Loaded(problem=error)
    _lay_under(context, context.params.get("node_id"))
    return named


def lay_over_config(context: click.Context, _: click.Parameter, node_id: str | None) -> str | None:
    """Lay what a file says of one node over what it says of all."""
    _lay_under(context, node_id)
    return node_id


def winner(context: click.Context, name: str, own: Any) -> Any:
    """Return the value that counts of a parameter that commands around this one have, too.

    A flag counts before the name of a subcommand as behind it; all else each command finds alike.
    """
    source = context.get_parameter_source(name)
    outer = context.parent
    while outer is not None and source is not ParameterSource.COMMANDLINE:
        source = outer.get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            return outer.params[name]
        outer = outer.parent
    return own


def check_loaded(context: click.Context) -> None:
    """See that the file, if there is one, is good.

    Raises:
        UsageError: It is not.
    """
    problem = _loaded(context).problem
    if problem is not None:
        raise problem


def origin_of(context: click.Context, option: click.Option) -> str:
    """Say where an option's value comes from: flag, a variable, a line of a file, or default."""
    assert option.name is not None, "Click names every option"
    source = context.get_parameter_source(option.name)
    if source is ParameterSource.COMMANDLINE:
        return "flag"
    if source is ParameterSource.ENVIRONMENT:
        return str(option.envvar)
    file = _loaded(context).file
    if source is ParameterSource.DEFAULT_MAP and file is not None:
        node_id = winner(context, "node_id", context.params.get("node_id"))
        places = places_of(file, _keys(), node_id)
        return file.where(places[key_name(option)])
    return "default"


@contextmanager
def naming_sources(context: click.Context) -> Iterator[None]:
    """Let errors that begin with an option say where its value comes from, if not from a flag."""
    try:
        yield
    except UsageError as error:
        named = _OPTION.match(str(error))
        for option in context.command.params:
            if named and isinstance(option, click.Option) and named[0] in option.opts:
                origin = origin_of(context, option)
                if origin not in ("flag", "default"):
                    raise UsageError(f"{error} (from {origin})") from error
        raise


def _loaded(context: click.Context) -> Loaded:
    found = context.meta.get(_LOADED, Loaded())
    assert isinstance(found, Loaded), "nobody else uses that name"
    return found


def _lay_under(context: click.Context, node_id: str | None) -> None:
    file = _loaded(context).file
    if file is None:
        context.default_map = {}
    else:
        named = winner(context, "node_id", node_id)
        context.default_map = values_of(file, _keys(), named)


def _keys() -> dict[str, Key]:
    from node.main import main  # which is made of options that are read here

    return keys_of(main)
