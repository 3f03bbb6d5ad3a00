"""A command line that cannot be is answered in one line, which names the variable, too."""

import click
import pytest

from node.bootstrap_main import bootstrap
from node.cli import main as client
from node.main import OneLine
from node.main import main as node

CASES = [
    (["--nope"], {}, "No such option '--nope'"),
    (["--rpc-port"], {}, "Option '--rpc-port' requires an argument"),
    (["--rpc-port", "abc"], {}, "Invalid value for '--rpc-port': 'abc' is not a valid integer"),
    ([], {"AIMARKET_RPC_PORT": "abc"}, "is not a valid integer (from AIMARKET_RPC_PORT)"),
    ([], {"AIMARKET_RELAY": "maybe"}, " (from AIMARKET_RELAY)"),
]


@pytest.mark.parametrize("program", [node, bootstrap])
@pytest.mark.parametrize(("args", "variables", "said"), CASES)
def test_programs__say_in_one_line_what_cannot_be(
    program: click.Command,
    args: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called = program.called if isinstance(program, OneLine) else ""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        program.main(args, prog_name=called)

    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert told.err.startswith(f"{called}: ")
    assert said in told.err
    assert told.err.endswith(f" ({called} --help says more)\n")
    assert told.err.count("\n") == 1


def test_node__names_the_command_whose_help_says_more(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["verify", "--nope"], ["key", "show", "--nope"]):
        with pytest.raises(SystemExit) as ended:
            node.main(args, prog_name="aimarket-node")

        told = capsys.readouterr().err
        assert ended.value.code == 2
        assert told.endswith(f"(aimarket-node {' '.join(args[:-1])} --help says more)\n")
        assert told.count("\n") == 1


def test_client__says_it_in_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = client(["status", "--nope"])

    told = capsys.readouterr().err
    assert (code, told) == (
        2,
        "Error: No such option '--nope' (aimarket status --help says more)\n",
    )


def test_programs__show_their_help_where_a_command_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        node.main(["key"], prog_name="aimarket-node")

    assert ended.value.code == 2
    assert "Commands:" in capsys.readouterr().err
