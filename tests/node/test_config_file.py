"""`config.toml`: what it may say, where it says it, and how it is refused."""

import os
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config_client import read_configured
from node.config_file import (
    FILE_BYTES_MAX,
    LINES_MAX,
    SHARED_KEYS,
    ConfigFile,
    check_config,
    find_config,
    keys_of,
    values_of,
)
from node.errors import UsageError
from node.main import main
from node.rpc.endpoint import Configured

KEYS = keys_of(main)
NUMBERS = st.integers(-9, 9)
TEXTS = st.sampled_from(['"a"', "'''\nb = 1\n[c]\n'''", '"""\n# d\n\n"""', '"\\u00e9"'])
VALUES = NUMBERS.map(str) | TEXTS
LISTS = st.lists(TEXTS, max_size=3).map(lambda items: "[\n# among\n" + ",\n".join(items) + "\n]")
GAPS = st.sampled_from(["", "\n", "# a comment\n", "\n\n# key = 1\n", "  \t\n"])
ENTRIES = st.lists(st.tuples(GAPS, VALUES | LISTS), min_size=1, max_size=5)


def a_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def checked(path: Path) -> ConfigFile:
    found = find_config(str(path))
    assert found is not None
    check_config(found, KEYS)
    return found


@given(tables=st.lists(ENTRIES, min_size=1, max_size=3))
def test_where__names_the_line_a_value_begins_at(tables: list[list[tuple[str, str]]]) -> None:
    text, lines = "", {}
    for t, entries in enumerate(tables):
        text += f"[t{t}]\n"
        for n, (gap, value) in enumerate(entries):
            text += gap
            lines[f"t{t}", f"k{n}"] = text.count("\n") + 1
            text += f"k{n} = {value}\n"
    file = ConfigFile(Path("/c"), {}, text)

    assert {place: file.where(place) for place in lines} == {
        place: f"/c:{line}" for place, line in lines.items()
    }


def test_where__names_no_line_of_a_long_file() -> None:
    file = ConfigFile(Path("/c"), {}, "a = 1\n" + "\n" * LINES_MAX)

    assert (file.where(("a",)), file.where(("b",))) == ("/c", "/c")


def test_keys_of__are_the_long_options() -> None:
    assert {"rpc_port", "bootstrap", "task_type", "disk_limit", "id", "model"} <= KEYS.keys()
    assert not {"config", "version", "help"} & KEYS.keys()


def test_shared_keys__are_those_of_the_node() -> None:
    for name, key in SHARED_KEYS.items():
        assert (key.parameter, key.kind.name) == (KEYS[name].parameter, KEYS[name].kind.name)


def test_values_of__lays_one_node_over_all(tmp_path: Path) -> None:
    text = 'seats = 3\nkey = "~/k"\n[nodes.alice]\nseats = 5\nbootstrap = ["/a", "/b"]\n[nodes.bob]'
    file = checked(a_file(tmp_path, text))

    key = os.path.expanduser("~/k")
    alice = {"seats": 5, "key_file": key, "bootstrap": ("/a", "/b")}
    assert values_of(file, KEYS, "alice") == alice
    assert values_of(file, KEYS, "bob") == {"seats": 3, "key_file": key}
    assert values_of(file, KEYS) == {"seats": 3, "key_file": key}


def test_read_configured__takes_what_both_programs_need_and_the_clients_own(tmp_path: Path) -> None:
    text = 'home = "/h"\nid = "an"\nseats = 5\n[client]\nrpc = "http://127.0.0.1:7"\n'

    found = read_configured(str(a_file(tmp_path, text + 'token_file = "/t"\n')))

    assert found == Configured("an", "/h", "http://127.0.0.1:7", "/t")
    assert read_configured(None) == read_configured(os.devnull) == Configured()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rpc_prot = 1", ":1: 'rpc_prot' is no key that can stand here; did you mean rpc_port?"),
        ("\nrpc-port = 1", ":2: 'rpc-port' is no key that can stand here; did you mean rpc_port?"),
        ("config = 'x'", ":1: 'config' is no key"),
        (
            "[client]\nrpc_url = 'x'",
            ":2: 'rpc_url' is no key that can stand here; did you mean rpc?",
        ),
        ("[nodes.an]\nhome = '/h'", ":2: 'home' is no key that can stand here"),
        ("[client]\nseats = 3", ":2: 'seats' is no key that can stand here; there are rpc, token"),
        ('"\\u001b[2J" = 1', "'\\x1b[2J' is no key"),
        ("seats = '3'", ":1: seats = '3': need a whole number"),
        ("seats = true", ":1: seats = True: need a whole number"),
        ("seats = 3.0", ":1: seats = 3.0: need a whole number"),
        ("id = 3", ":1: id = 3: need a text"),
        ("id = ''", ":1: id = '': need a text"),
        ("bootstrap = '/ip4/x'", 'need a list of texts, such as bootstrap = ["…"]'),
        ("bootstrap = [1]", ":1: bootstrap = [1]: need a list of texts"),
        ("log_level = 'loud'", "need one of 'debug', 'info', 'warning', 'error'"),
        ("key = 'k'", ":1: key = 'k': need a whole path, from / or ~/ on"),
        ("nodes = 3", ":1: nodes = 3: need a table"),
        ("client = []", ":1: client = []: need a table"),
        ("[nodes]\nan = 3", ":2: nodes.an = 3: need a table"),
        (f"id = [{'1,' * 99}]", "…: need a text"),
        ("seats = x", "is not TOML: Invalid value (at line 1, column 9)"),
        ("a = " + "[" * 9_000, "is not TOML: "),
        ("#" * FILE_BYTES_MAX + "\n", f"has more than {FILE_BYTES_MAX} bytes"),
    ],
)
def test_check_config__names_the_place_and_the_need(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked(a_file(tmp_path, text))

    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_config__never_shows_the_value_of_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        checked(a_file(tmp_path, "passphrase = 'open sesame'"))

    assert "did you mean passphrase_file?" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_find_config__refuses_what_was_named_and_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    for name, said in (("gone", "no such file"), ("", "cannot read"), ("binary", "not UTF-8")):
        with pytest.raises(UsageError, match=said):
            find_config(str(tmp_path / name))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
))  # fmt: skip
def test_check_config__takes_a_number_only_for_a_number(value: Any) -> None:
    file = ConfigFile(Path("/c"), {"seats": value}, "")

    if type(value) is int:
        check_config(file, KEYS)
    else:
        with pytest.raises(UsageError, match="need a whole number"):
            check_config(file, KEYS)


def test_keys_of__knows_switches() -> None:
    @click.command()
    @click.option("--open-reads", is_flag=True)
    def command() -> None: ...

    keys = keys_of(command)

    check_config(ConfigFile(Path("/c"), {"open_reads": True}, ""), keys)
    with pytest.raises(UsageError, match="need true or false"):
        check_config(ConfigFile(Path("/c"), {"open_reads": "yes"}, ""), keys)
