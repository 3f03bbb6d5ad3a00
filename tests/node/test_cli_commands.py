"""The `aimarket` command against a live RPC server."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from node.cli import main
from node.inference.labelled_text import encode_labelled_text, find_labelled_text
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from node.views import TaskView, WorkerView
from tests.fakes_market import ALICE, FakeMarket, a_standing, a_task, decided, services

TOKEN = "a" * 64
ID = "11" * 32
HOSTILE = "\x1b[31m[bold red]x[/]\x9b2J\u202e\nfake"


@dataclass
class Ended:
    code: int
    out: str
    err: str


def run_main(args: list[str], stdin: bytes = b"") -> Ended:
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(args)
    finally:
        sys.stdin = before
    return Ended(code, out.getvalue(), err.getvalue())


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("AIMARKET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


@asynccontextmanager
async def served(market: FakeMarket, home: Path, token: str = TOKEN) -> AsyncIterator[Run]:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_rpc, services(market), port=0, token=TOKEN))
        (home / "alice").mkdir()
        write_rpc_file(home / "alice" / "rpc.json", RpcFile(url, token, os.getpid(), "alice"))

        async def run(*args: str, stdin: bytes = b"") -> Ended:
            return await trio.to_thread.run_sync(run_main, list(args), stdin)

        yield run
        nursery.cancel_scope.cancel()


async def test_submit__prints_the_task_id_alone(home: Path) -> None:
    market = FakeMarket()
    async with served(market, home) as run:
        plain = await run("submit", "good", "--type", "echo", "--seats", "5", "--request-id", "r")
        as_json = await run("submit", "good", "--request-id", "r", "--json", "--id", "alice")
        piped = await run("submit", "-", stdin="très bien\n".encode())

    assert (plain.code, plain.err, len(plain.out)) == (0, "", 65)
    assert json.loads(as_json.out) == {"schema": 1, "task_id": plain.out.strip()}
    assert piped.code == 0
    assert [request.text for request in market.requests] == ["good", "good", "très bien"]
    assert (market.requests[0].task_type, market.requests[0].seats) == ("echo", 5)


async def test_submit__waits_for_the_verdict(home: Path) -> None:
    market = FakeMarket()
    market.decide_at_once = True
    async with served(market, home) as run:
        plain = await run("submit", "good", "--wait")
        as_json = await run("submit", "good", "--wait", "--json")
        market.decide_at_once = False
        late = await run("submit", "good", "--wait", "--timeout", "0.1")

    assert (plain.code, plain.err) == (0, "")
    assert "positive" in plain.out
    assert "98.0%" in plain.out
    assert json.loads(as_json.out)["answer"] == "positive"
    assert (late.code, late.out) == (75, "")
    assert late.err.count("\n") == 1


async def test_submit__packs_text_and_labels_as_one_input(home: Path) -> None:
    market = FakeMarket()
    async with served(market, home) as run:
        ended = await run("submit", "a goal!", "--labels", "sport, arts,à la carte")
        wrong = await run("submit", "a goal!", "--labels", "a,b", "--type", "echo")

    (asked,) = market.requests
    labels = ["sport", "arts", "à la carte"]
    assert (ended.code, asked.task_type) == (0, "zero-shot-classification")
    assert json.loads(asked.text) == {"text": "a goal!", "labels": labels}
    assert find_labelled_text(encode_labelled_text(asked.text, input_bytes_max=999)) is not None
    assert (wrong.code, wrong.out) == (2, "")
    assert "only zero-shot-classification takes them, not echo" in wrong.err


async def test_submit__exits_1_if_the_jury_is_split(home: Path) -> None:
    class Splitting(FakeMarket):
        def find_task(self, task_id: str) -> TaskView | None:
            known = replace(a_task(task_id), state="split", chain_state="split", waiting="")
            return replace(known, settled=True)

    market = Splitting()
    async with served(market, home) as run:
        ended = await run("submit", "good", "--wait", "--json")

    assert (ended.code, json.loads(ended.out)["state"]) == (1, "split")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["task", ID], 0, "waiting for"),
        (["task", "22" * 32], 1, "knows no such task"),
        (["task", "zz"], 2, "hex"),
        (["tasks", "--mine", "--state", "open"], 0, "11111111"),
        (["tasks", "--state", "final"], 0, "no tasks"),
        (["tasks", "--state", "odd"], 2, "Invalid value"),
        (["cancel", ID[:8]], 0, f"cancelled {ID}"),
        (["leaderboard"], 0, "alice~"),
        (["leaderboard", "--of", "bob"], 0, "the same as ours"),
        (["leaderboard", "--of", "eve"], 1, "unknown_peer"),
        (["leaderboard", "--of", "\udcff/.."], 1, "unknown_peer"),
        (["task", "\udcff"], 2, "bad_task_id"),
        (["submit", "\udcff"], 2, "not valid Unicode"),
        (["status", "--id", "\udcff"], 2, "plain name"),
        (["submit", "x", "--timeout", "-1"], 2, "--timeout"),
        (["peers"], 0, "carole~"),
        (["peers"], 0, "1.2 ms"),
        (["status"], 0, "sentiment: 2"),
        (["health"], 0, "ok"),
        (["health", "--ready"], 0, "ready"),
        (["version"], 0, "aimarket "),
        (["submit"], 2, "nothing to submit"),
        (["nothing"], 2, "No such command"),
        (["submit", "x" * 70_000], 2, "body_too_large"),
        (["submit", "x", "--seats", "0"], 2, "bad_seats"),
        (["status", "--id", "bob"], 69, "aimarket-node --id bob"),
        (["status", "--id", "../alice"], 2, "plain name"),
        (["status", "--rpc", "http://127.0.0.1:1"], 69, "cannot reach a node at"),
        (["status", "--rpc", "ftp://x"], 2, "looks like"),
        (["status", "--rpc", "http://127.0.0.1:99999"], 2, "port"),
        (["--help"], 0, "Exit codes"),
    ],
)
async def test_commands__end_with_a_code_and_no_traceback(
    home: Path, args: list[str], code: int, said: str
) -> None:
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with served(market, home) as run:
        ended = await run(*args)

    assert ended.code == code
    assert said in (ended.err if code else ended.out)
    assert "Traceback" not in ended.err
    assert (ended.out == "") == (code != 0)


@pytest.mark.parametrize("command", ["task", "tasks", "leaderboard", "of", "peers", "status",
                                     "health", "version"])  # fmt: skip
async def test_json__is_one_document(home: Path, command: str) -> None:
    args = {"task": ["task", ID], "of": ["leaderboard", "--of", "bob"]}.get(command, [command])
    market = FakeMarket()
    market.known[ID] = a_task(ID)
    async with served(market, home) as run:
        ended = await run(*args, "--json")

    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["schema"] == 1


async def test_leaderboard__says_that_a_peer_differs(home: Path) -> None:
    market = FakeMarket()
    market.same_as_ours = False
    async with served(market, home) as run:
        ended = await run("leaderboard", "--of", "bob")

    assert "NOT the same as ours" in ended.out


async def test_output__tells_two_alices_apart(home: Path) -> None:
    market = FakeMarket()
    market.standings = (
        a_standing(ALICE, 2),
        a_standing(WorkerView("alice", "12D3KooWOther999999"), 1),
    )
    async with served(market, home) as run:
        ended = await run("leaderboard")

    assert f"alice~{ALICE.peer_id[-6:]}" in ended.out
    assert "alice~999999" in ended.out


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
async def test_output__cannot_be_used_to_command_the_terminal(
    home: Path, json_flag: list[str]
) -> None:
    evil = WorkerView(HOSTILE, "12D3\x1b[2J")
    task = decided(replace(a_task(ID, HOSTILE, evil), task_type=HOSTILE), HOSTILE)
    market = FakeMarket()
    market.known[ID] = replace(task, committed=(evil,), waiting=HOSTILE)
    market.standings = (a_standing(evil, 1),)
    market.shown = replace(market.shown, waiting=HOSTILE, ready=False, counters={HOSTILE: 1})
    async with served(market, home) as run:
        ended = [
            await run(*args, *json_flag)
            for args in (["tasks"], ["task", ID], ["leaderboard"], ["status"], ["peers"])
        ]

    for one in ended:
        assert one.code == 0
        assert not {"\x1b", "\x9b", "\u202e"} & set(one.out + one.err)
    if not json_flag:
        assert "[bold red]" in ended[0].out
        assert not any(line.startswith("fake") for line in ended[1].out.splitlines())


async def test_errors__of_the_node_cannot_command_the_terminal(home: Path) -> None:
    async with served(FakeMarket(), home) as run:
        ended = await run("status", "--rpc", "http://\x1b[2J.example")

    assert "\x1b" not in ended.err


async def test_auth__is_refused_with_77(home: Path) -> None:
    async with served(FakeMarket(), home, token="b" * 64) as run:
        ended = await run("status")
        healthy = await run("health")

    assert (ended.code, healthy.code) == (77, 0)
    assert "b" * 64 not in ended.err


def test_main__reports_an_interrupt_as_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("node.commands.find_endpoint", interrupted)

    assert run_main(["status"]).code == 130


def test_cli__imports_nothing_heavy() -> None:
    program = (
        "import sys, node.cli; node.cli.main(['--help']);"
        "from node.rpc.client import Client;"
        "bad = {'libp2p', 'torch', 'transformers', 'pydantic', 'fastapi', 'trio', 'hypercorn',"
        " 'httpx', 'rich', 'structlog', 'plyvel', 'nacl', 'cryptography'} & set(sys.modules);"
        "sys.exit(repr(bad) if bad else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_cli__keeps_quiet_when_its_reader_leaves() -> None:
    program = f"{sys.executable} -m node.cli --help | true"
    ended = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False)

    assert ended.stderr == ""
