"""The commands around the others, and what `aimarket` imports for the simplest of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from node.cli import COMMANDS, cli
from node.keys import replace_key
from protocol.ids import sha256
from tests.fakes_market import FakeMarket
from tests.node.cli_bench import TOKEN, run_main, served

HEAVY = ("libp2p torch transformers pydantic fastapi trio hypercorn httpx rich structlog plyvel "
         "nacl cryptography multiaddr tomllib")  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("AIMARKET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


async def test_open__prints_the_address_with_the_secret_behind_the_hash(home: Path) -> None:
    async with served(FakeMarket(), home) as run:
        printed = await run("open", "--print")
        quiet = await run("open")
        document = json.loads((await run("open", "--json")).out)
        unknown = await run("open", "--rpc", "http://127.0.0.1:1")

    url = printed.out.strip()
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith(f"/#token={TOKEN}")
    assert (printed.code, quiet.out, document) == (0, printed.out, {"schema": 1, "url": url})
    assert (unknown.code, unknown.out) == (2, "")


def test_key_show__is_that_of_the_node(home: Path) -> None:
    (home / "alice").mkdir(mode=0o700)
    replace_key(home / "alice" / "key", sha256(b"a seed"), None)

    ended = run_main(["key", "show", "--id", "alice", "--json"])
    absent = run_main(["key", "show", "--id", "bob"])
    other = run_main(["key", "protect", "--id", "alice"])

    assert (ended.code, absent.code, other.code) == (0, 1, 2)
    assert json.loads(ended.out)["peer_id"].startswith("12D3KooW")
    assert json.loads(ended.out)["schema"] == 1
    assert "a node makes its own" in absent.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion__is_for_every_program(shell: str) -> None:
    ended = run_main(["completion", shell])

    assert ended.code == 0
    assert "_AIMARKET_COMPLETE" in ended.out
    assert "_AIMARKET_NODE_COMPLETE" in ended.out
    assert "_AIMARKET_BOOTSTRAP_COMPLETE" in ended.out


def test_completion__knows_commands_and_options() -> None:
    words = {"COMP_WORDS": "aimarket watch --ty", "COMP_CWORD": "2"}
    told = subprocess.run(
        [sys.executable, "-c", "import sys; from node.cli import main; sys.exit(main())"],
        env={**os.environ, **words, "_AIMARKET_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.split() == ["plain,--type"]


def test_commands__are_all_there_and_take_json() -> None:
    for name in COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert (command.name, bool(command.help)) == (name, True)
        flags = {flag for option in command.params for flag in option.opts}
        assert "--json" in flags or name in ("completion", "config", "key", "log", "network")


async def test_status__imports_nothing_that_is_slow(home: Path) -> None:
    program = (
        "import sys, node.cli; code = node.cli.main(['status']);"
        f"bad = set({HEAVY!r}.split()) & set(sys.modules);"
        "sys.exit(repr(bad) if bad else code)"
    )
    async with served(FakeMarket(), home):
        ended = await trio.run_process(
            [sys.executable, "-c", program], capture_stdout=True, capture_stderr=True, check=False
        )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"alice" in ended.stdout
