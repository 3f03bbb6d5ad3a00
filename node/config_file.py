"""Reads `config.toml`: what an operator chose once, instead of at every start.

The keys are the long options of `aimarket-node`, with `_` for `-`: whatever is an option is a key.
`[nodes.NAME]` has other values for one node, `[client]` what `aimarket` needs besides.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from node.errors import UsageError

FILE_NAME = "config.toml"
FILE_BYTES_MAX = 64 * 1024
LINES_MAX = 400  # of a longer file no line is named: to find one, the file is read once a line
VALUE_SHOWN_MAX = 60
CLIENT_TABLE, NODES_TABLE = "client", "nodes"
NOT_IN_A_FILE = ("config", "help", "version")

Path_ = tuple[str, ...]  # where a value is: its key, after that of its table, if it is in one


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that may be set.

    Attributes:
        name: As it is written in the file.
        parameter: The name Click has for it.
        kind: The type of one value.
        is_list: Whether it takes several.
    """

    name: str
    parameter: str
    kind: click.ParamType[Any]
    is_list: bool


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read; what is in it may still be wrong.

    Attributes:
        path: Where it is.
        document: What it says.
        text: How it says it.
    """

    path: Path
    document: Mapping[str, Any]
    text: str = field(repr=False)

    def where(self, place: Path_) -> str:
        """Name the file and, if it can be found, the line where a value begins."""
        line = _line_of(self.text, place)
        return f"{self.path}:{line}" if line else str(self.path)


# By these a node is found, its own table included: they are for both programs.
SHARED_KEYS = {
    key.name: key
    for key in (
        Key("id", "node_id", click.STRING, False),
        Key("home", "home", click.Path(), False),
    )
}
CLIENT_KEYS = {
    key.name: key
    for key in (
        Key("rpc", "url", click.STRING, False),
        Key("token_file", "token_file", click.Path(), False),
    )
}


def default_path() -> Path:
    """Return where the file is looked for if nobody names one."""
    import platformdirs

    return platformdirs.user_config_path("aimarket") / FILE_NAME


def find_config(named: str | None, *, by: str = "--config ") -> ConfigFile | None:
    """Read the file that was named, else the one at the default place if there is one.

    Args:
        named: Its path; None or empty for the default place.
        by: What named it, as an error begins.

    Raises:
        UsageError: It cannot be read, is no TOML, or was named and is not there.
    """
    path = Path(os.path.expanduser(named)) if named else default_path()
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        if named:
            raise UsageError(f"{by}{path}: there is no such file") from None
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise UsageError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    import tomllib

    try:
        text = raw.decode()
        return ConfigFile(path, tomllib.loads(text), text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # which a TOMLDecodeError is
        raise UsageError(f"{path} is not TOML: {error or 'nested too deeply'}") from error


def keys_of(command: click.Command) -> dict[str, Key]:
    """Return what may be set of a command: each of its long options."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option):
            name = key_name(option)
            if name not in NOT_IN_A_FILE:
                assert option.name is not None, "Click names every option"
                found[name] = Key(name, option.name, option.type, option.multiple)
    return found


def key_name(option: click.Option) -> str:
    """Return how an option is called in the file."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def check_config(file: ConfigFile, keys: Mapping[str, Key]) -> None:
    """See that a file has no key that nobody reads, and no value of the wrong type.

    Raises:
        UsageError: It has; the message names the first one.
    """
    plain = dict(file.document)
    tables = {name: plain.pop(name, {}) for name in (CLIENT_TABLE, NODES_TABLE)}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise wrong_value(file, (name,), table, "a table")
    _check_table(file, (), plain, keys, more=(CLIENT_TABLE, NODES_TABLE))
    _check_table(file, (CLIENT_TABLE,), tables[CLIENT_TABLE], CLIENT_KEYS)
    own = {name: key for name, key in keys.items() if name not in SHARED_KEYS}
    for node_id, table in tables[NODES_TABLE].items():
        if not isinstance(table, dict):
            raise wrong_value(file, (NODES_TABLE, node_id), table, "a table")
        _check_table(file, (NODES_TABLE, node_id), table, own)


def places_of(file: ConfigFile, keys: Mapping[str, Key], node_id: str | None) -> dict[str, Path_]:
    """Return where in a file the value of each key is, for one node; those it does not set not."""
    places: dict[str, Path_] = {name: (name,) for name in keys if name in file.document}
    table = file.document.get(NODES_TABLE, {}).get(node_id, {})
    return places | {name: (NODES_TABLE, str(node_id), name) for name in keys if name in table}


def values_of(
    file: ConfigFile, keys: Mapping[str, Key], node_id: str | None = None
) -> dict[str, Any]:
    """Return what a checked file says for one node, by the names that Click has."""
    places = places_of(file, keys, node_id)
    return {
        keys[name].parameter: _converted(keys[name], _value_at(file, place))
        for name, place in places.items()
    }


def client_values_of(file: ConfigFile) -> dict[str, Any]:
    """Return what a file says for `aimarket`: `id`, `home`, and its own table.

    Raises:
        UsageError: One of these is wrong; what is for nodes is not looked at.
    """
    shared = {name: file.document[name] for name in SHARED_KEYS if name in file.document}
    own = file.document.get(CLIENT_TABLE, {})
    if not isinstance(own, dict):
        raise wrong_value(file, (CLIENT_TABLE,), own, "a table")
    _check_table(file, (), shared, SHARED_KEYS)
    _check_table(file, (CLIENT_TABLE,), own, CLIENT_KEYS)
    keys = SHARED_KEYS | CLIENT_KEYS
    return {
        keys[name].parameter: _converted(keys[name], value)
        for name, value in (shared | own).items()
    }


def _check_table(
    file: ConfigFile,
    place: Path_,
    table: Mapping[str, Any],
    keys: Mapping[str, Key],
    more: tuple[str, ...] = (),
) -> None:
    for name, value in table.items():
        if name not in keys:
            raise UsageError(f"{file.where((*place, name))}: {unknown_key(name, [*keys, *more])}")
        need = _need(keys[name], value)
        if need:
            raise wrong_value(file, (*place, name), value, need)


def unknown_key(name: str, known: list[str]) -> str:
    """Say that a key has no place here, and which one may have been meant."""
    from difflib import get_close_matches

    near = get_close_matches(name.replace("-", "_").lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    return f"{name[:VALUE_SHOWN_MAX]!r} is no key that can stand here; {hint}"


def wrong_value(file: ConfigFile, place: Path_, value: object, need: str) -> UsageError:
    """Return the error of a value, with the line where it stands and what it should have been."""
    shown = repr(value)
    shown = shown if len(shown) <= VALUE_SHOWN_MAX else f"{shown[:VALUE_SHOWN_MAX]}…"
    return UsageError(f"{file.where(place)}: {'.'.join(place)} = {shown}: need {need}")


def _need(key: Key, value: object) -> str:
    """Say what a value should have been; empty if it is that."""
    if not key.is_list:
        return _need_of_one(key.kind, value)
    each = value if isinstance(value, list) else [None]
    needs = [need for need in (_need_of_one(key.kind, one) for one in each) if need]
    return f'a list of texts, such as {key.name} = ["…"]' if needs else ""


def _need_of_one(kind: click.ParamType[Any], value: object) -> str:
    if isinstance(kind, click.types.BoolParamType):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(kind, click.types.IntParamType):
        return "" if type(value) is int else "a whole number"
    if isinstance(kind, click.Choice):
        return "" if value in kind.choices else "one of " + ", ".join(map(repr, kind.choices))
    if not isinstance(value, str) or not value:
        return "a text"
    if isinstance(kind, click.Path) and not value.startswith(("/", "~/")):
        return "a whole path, from / or ~/ on"  # whoever starts the node may stand anywhere
    return ""


def _converted(key: Key, value: Any) -> Any:
    if isinstance(key.kind, click.Path):
        return os.path.expanduser(value)
    return tuple(value) if key.is_list else value


def _value_at(file: ConfigFile, place: Path_) -> Any:
    found: Any = file.document
    for name in place:
        found = found[name]
    return found


def _line_of(text: str, place: Path_) -> int:
    """Return the line a value begins at, from 1; 0 if that cannot be told.

    TOML that is cut off after a whole line is TOML: the value is behind the last such cut without
    it.
    """
    lines = text.splitlines(keepends=True)
    if len(lines) > LINES_MAX:
        return 0
    begin = 0
    for number, document in _cut_off(lines):
        if _has(document, place):
            return begin + 1
        begin = number
    return 0


def _cut_off(lines: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import tomllib

    for number in range(1, len(lines) + 1):
        try:
            yield number, tomllib.loads("".join(lines[:number]))
        except ValueError:
            continue


def _has(document: Any, place: Path_) -> bool:
    for name in place:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True
