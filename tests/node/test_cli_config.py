"""Settings of a node: which of flag, variable, file and default wins, and how one finds out."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.cli import main
from node.commands_config import default_of, settings_of
from node.config_file import NOT_IN_A_FILE, key_name
from node.errors import UsageError
from node.main import main as node_main
from node.names import peer_id_of
from protocol.keys import Signer

ROOT = Path(__file__).parents[2]
OPTIONS = [one for one in node_main.params if isinstance(one, click.Option)]
PEER_ID = peer_id_of(Signer(bytes(32)).public_key)
Write = Callable[[str], Path]


def run(*args: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(args))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AIMARKET_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_settings__come_from_the_flag_the_variable_the_file_or_the_program(
    data: st.DataObject, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = st.none() | st.integers(0, 9)
    flag, variable, own, filed = (data.draw(numbers) for _ in range(4))
    lines = [] if filed is None else [f"rpc_port = {filed}"]
    lines += [] if own is None else ["[nodes.alice]", f"rpc_port = {own}"]
    path = write("\n".join(lines))
    arguments = ["--id", "alice", "--config", str(path)]
    arguments += [] if flag is None else ["--rpc-port", str(flag)]

    with monkeypatch.context() as patch:
        if variable is not None:
            patch.setenv("AIMARKET_RPC_PORT", str(variable))
        found = {one.key: one for one in settings_of(arguments)}["rpc_port"]

    choices = [
        (flag, "flag"),
        (variable, "AIMARKET_RPC_PORT"),
        (own, f"{path}:{len(lines)}"),
        (filed, f"{path}:1"),
        (None, "default"),
    ]
    given = [choice for choice in choices if choice[0] is not None]
    assert (found.value, found.origin) == (given or choices)[0 if given else -1]


@pytest.mark.parametrize("arguments", [["--id", "bob"], []])
def test_settings__of_a_node_are_those_of_the_id_that_wins(
    arguments: list[str], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('id = "alice"\n[nodes.alice]\nseats = 5\n[nodes.bob]\nseats = 7\n')
    monkeypatch.setenv("AIMARKET_CONFIG", str(path))

    for order in (arguments, [*arguments, "--config", str(path)]):
        found = {one.key: one.value for one in settings_of(order)}
        assert (found["id"], found["seats"]) == (("bob", 7) if arguments else ("alice", 5))


def test_every_option__is_a_variable_of_the_same_name() -> None:
    for option in OPTIONS:
        if option.opts != ["--version"]:
            assert option.envvar == f"AIMARKET_{key_name(option).upper()}"


def test_config_show__says_values_and_origins(write: Write) -> None:
    path = write('seats = 5\ntask_type = ["echo"]\n')

    code, out, err = run("config", "show", "--origin", "--config", str(path), "--", "--id", "zoë")
    bare = run("config", "show", "--config", str(path))[1]
    document = json.loads(run("config", "show", "--json", "--config", str(path))[1])

    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert (code, err) == (0, "")
    assert lines["seats"].split() == ["5", f"{path}:1"]
    assert lines["id"].split() == ["zoë", "flag"]
    assert lines["rpc_port"].startswith("(7461 or a free one) ")
    assert str(path) not in bare
    assert document["schema"] == 1
    task_type = {"key": "task_type", "value": ["echo"], "default": "", "origin": f"{path}:2"}
    assert task_type in document["settings"]
    assert len(document["settings"]) == len(lines) == len(OPTIONS) - 2  # --config, --version


def test_config_check__tries_every_node_of_a_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMARKET_SEATS", "4")  # is not the file's fault
    good = write("seats = 5\n[nodes.bob]\nrpc_port = 7\n")
    fine = run("config", "check", str(good))
    bad = run("config", "check", str(write("seats = 5\n\n[nodes.bob]\nrpc_port = 70000\n")))
    unnamed = run("config", "check", str(write("[nodes.'a/b']\n")))
    missing = run("config", "check", "/nowhere/c.toml")
    none = run("config", "check")

    assert fine == (0, f"{good}: ok\n", "")
    assert bad[:2] == (2, "")
    assert f"--rpc-port 70000: need a port from 0 (any) to 65535 (from {good}:4)" in bad[2]
    assert (unnamed[0], missing[0], none[0]) == (2, 2, 2)
    assert missing[2] == "Error: /nowhere/c.toml: there is no such file\n"
    assert "'a/b'" in unnamed[2]
    assert os.environ["AIMARKET_SEATS"] == "4"


def test_node__says_which_line_is_wrong(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("seats = 4")
    ended = CliRunner().invoke(node_main, ["--config", str(path)])
    monkeypatch.setenv("AIMARKET_SEATS", "2")
    by_variable = CliRunner().invoke(node_main, ["--config", str(path)])

    assert ended.exit_code == by_variable.exit_code == 2
    assert f"--seats 4: need an odd number from 1 to 31 (from {path}:1)" in ended.output
    assert "--seats 2: need an odd number from 1 to 31 (from AIMARKET_SEATS)" in by_variable.output


@pytest.mark.parametrize(
    ("before", "behind", "meant"),
    [
        (["--id", "an"], [], "an"),
        ([], ["--id", "bo"], "bo"),
        (["--id", "an"], ["--id", "bo"], "bo"),
        ([], [], "variable"),
        (["--config", "FILE"], [], "variable"),
        (["--config", "FILE", "--id", "an"], ["--config", os.devnull], "an"),
        (["--config", "/nowhere"], ["--config", "FILE", "--id", "bo"], "bo"),
    ],
)
def test_subcommands__take_the_flag_from_either_place_before_a_variable(
    before: list[str],
    behind: list[str],
    meant: str,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = str(write(f'home = "{tmp_path}"\nid = "file"\n[nodes.bo]\nkey = "{tmp_path}/bos"\n'))
    monkeypatch.setenv("AIMARKET_ID", "variable")
    arguments = [path if one == "FILE" else one for one in (*before, "key", "show", *behind)]
    ended = CliRunner().invoke(node_main, arguments)

    key = "/bos" if "FILE" in behind else f"/{meant}/key"
    assert ended.exit_code == 1
    assert f"{key}; a node makes its own" in ended.output


def test_settings_of__refuses_what_the_program_would(write: Write) -> None:
    with pytest.raises(UsageError, match="need a whole number"):
        settings_of(["--config", str(write("seats = 'x'"))])
    with pytest.raises(click.UsageError, match="No such option"):
        settings_of(["--seets", "3"])


def test_operating__lists_every_option_as_it_is() -> None:
    told = (ROOT / "docs" / "operating.md").read_text()
    rows = [row_of(option) for option in OPTIONS if key_name(option) not in ("version", "help")]

    assert [row for row in rows if row not in told] == [], "lines that belong into its table"
    assert told.count("\n| `--") == len(rows)


def test_operating__shows_a_file_that_is_good(write: Write) -> None:
    told = (ROOT / "docs" / "operating.md").read_text()
    (example,) = [block.partition("```")[0] for block in told.split("```toml\n")[1:]]

    path = write(example.replace("12D3KooW…", PEER_ID))

    assert run("config", "check", str(path)) == (0, f"{path}: ok\n", "")


def row_of(option: Any) -> str:
    what = option.help.partition("  [default: ")[0]
    default = str(option.default) if option.show_default else default_of(option)
    return f"| `--{key_name(option).replace('_', '-')}` | {what} | {default} |\n"


def test_options__that_cannot_be_set_in_a_file_are_few() -> None:
    assert set(NOT_IN_A_FILE) == {"config", "version", "help"}
