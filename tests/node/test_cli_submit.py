"""`aimarket submit` with many tasks, against a live server."""

import json
import os
import pty
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.batch_input import STDIN, Item, name_requests, read_items
from node.batch_run import ITEM_BYTES_MAX, PART_TASKS_MAX, submit_all
from node.commands_submit import shown_count
from node.errors import RequestRefused, UsageError
from node.ports import SubmitRequest
from node.rpc.client import Client
from node.rpc.endpoint import Endpoint
from tests.fakes_market import FakeMarket
from tests.node.cli_bench import served

TEXTS = st.lists(st.sampled_from(["good", "bad", "so so", "à"]), max_size=8)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("AIMARKET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


def items(texts: list[str]) -> list[Item]:
    return [Item("", {"text": text}) for text in texts]


def named(texts: list[str], prefix: str = "p") -> list[tuple[str, str]]:
    return [(body["text"], body["request_id"]) for body in name_requests(items(texts), prefix)]


@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_name_requests__keep_their_ids_in_any_order_and_among_others(
    texts: list[str], others: list[str], rng: random.Random
) -> None:
    before = named(texts)
    moved = [*texts, *others]
    rng.shuffle(moved)

    assert set(before) <= set(named(moved))
    assert len(set(before)) == len(texts)
    assert not set(before) & set(named(texts, "q"))


def test_name_requests__leave_an_id_that_is_there() -> None:
    (body,) = name_requests([Item("", {"text": "x", "request_id": "mine"})], "p")

    assert body["request_id"] == "mine"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))))
def test_read_items__takes_a_line_for_a_task(tmp_path_factory: Any, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "tasks.txt"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("utf-8-sig"))

    found = read_items((), [str(path)])

    expected = [line for line in lines if line.strip()]
    assert [item.body["text"] for item in found] == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "x"}\n\n{"text": 3}\n', "a.jsonl:3: need an object with a text"),
        ("a.NDJSON", b"[]", ":1: need an object with a text"),
        ("a.jsonl", b"{", ":1: not JSON"),
        ("a.txt", b"\xff", "is not UTF-8 text"),
    ],
)
def test_read_items__names_the_line_that_is_wrong(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        read_items((), [str(tmp_path / name)])


class Sometimes(FakeMarket):
    """Is busy now and then, refuses `bad`, never decides `slow`, and splits over `moot`."""

    def __init__(self, every: int = 3) -> None:
        super().__init__()
        self.decide_at_once = True
        self.asked = 0
        self.every = every

    async def submit(self, request: SubmitRequest) -> str:
        self.asked += 1
        if self.asked % self.every == 0:
            raise RequestRefused(429, "busy", "try again in a second")
        if request.text == "bad":
            raise RequestRefused(400, "text_empty", "the text is empty")
        self.decide_at_once = request.text not in ("slow", "moot")
        task_id = await super().submit(request)
        if request.text == "moot":
            split = replace(self.known[task_id], chain_state="split", settled=True, waiting="")
            self.known[task_id] = split
        return task_id


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.batch_run.BUSY_PAUSE_SECONDS", 0.01)


async def test_submit__takes_texts_files_and_standard_input_in_order(home: Path) -> None:
    (home / "a.txt").write_text("three\n\nfour\n")
    (home / "b.jsonl").write_text('{"text": "five\\nlines", "seats": 5, "request_id": "r"}\n')
    files = ["--file", str(home / "a.txt"), "--file", str(home / "b.jsonl")]
    market = Sometimes()
    async with served(market, home) as run:
        ended = await run("submit", "one", "-", *files, "--type", "echo", stdin=b"two\n")

    texts = ["one", "two", "three", "four", "five\nlines"]
    assert (ended.code, ended.err) == (0, "")
    assert [market.known[task_id].text for task_id in ended.out.split()] == texts
    last = next(request for request in market.requests if request.text == "five\nlines")
    assert (last.task_type, last.seats, last.request_id) == ("echo", 5, "r")
    assert {request.seats for request in market.requests} == {None, 5}


async def test_submit__prints_results_in_order_and_nothing_else(home: Path) -> None:
    texts = [f"text {n}" for n in range(PART_TASKS_MAX + 20)]
    async with served(Sometimes(every=70), home) as run:
        stdin = "\n".join(texts).encode()
        ended = await run("submit", "-", "--wait", "--json", stdin=stdin)
        plain = await run("submit", "a", "b", "--wait")

    told = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    assert [(one["text"], one["answer"], one["schema"]) for one in told] == [
        (text, "positive", 1) for text in texts
    ]
    assert [line.split("  ")[1:] for line in plain.out.splitlines()] == [
        ["final", "positive", "a"],
        ["final", "positive", "b"],
    ]


@pytest.mark.parametrize(
    ("texts", "code", "states"),
    [
        (["good", "slow"], 75, ["final", "open"]),
        (["slow", "bad", "good"], 1, ["open", "text_empty", "final"]),
        (["moot", "good"], 1, ["split", "final"]),
        (["good", "x" * ITEM_BYTES_MAX], 1, ["final", "item_too_large"]),
    ],
)
async def test_submit__exits_1_if_a_task_failed_and_75_if_one_is_late(
    home: Path, texts: list[str], code: int, states: list[str]
) -> None:
    async with served(Sometimes(), home) as run:
        ended = await run("submit", *texts, "--wait", "--json", "--timeout", "0.2")

    told = [json.loads(line) for line in ended.out.splitlines()]
    found = [one["error"]["code"] if "error" in one else one["chain_state"] for one in told]
    assert (ended.code, found) == (code, states)
    assert ("--request-id-prefix" in ended.err) == ("slow" in texts)
    assert "Traceback" not in ended.err


async def test_submit__doubles_nothing_when_it_is_repeated(home: Path) -> None:
    market = Sometimes()
    async with served(market, home) as run:
        first = await run("submit", "a", "slow", "a", "--wait", "--timeout", "0.1")
        prefix = first.err.split()[-1]
        again = ["submit", "new", "a", "a", "slow", "--request-id-prefix", prefix]
        second = await run(*again)
        anew = await run("submit", "a", "a")

    assert (first.code, second.code, len(second.out.split())) == (75, 0, 4)
    assert len(market.known) == 3 + 1 + 2
    assert not set(anew.out.split()) & set(second.out.split())


async def test_submit__says_how_to_go_on_if_the_node_is_gone(home: Path) -> None:
    class Dying(Sometimes):
        async def submit(self, request: SubmitRequest) -> str:
            if len(self.known) > PART_TASKS_MAX:
                raise RequestRefused(503, "read_only", "this node cannot write")
            return await super().submit(request)

    stdin = "\n".join(str(n) for n in range(2 * PART_TASKS_MAX)).encode()
    async with served(Dying(every=10**9), home) as run:
        ended = await run("submit", STDIN, "--json", stdin=stdin)
    gone = await run_gone(home, run)

    told = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 75
    assert [("error" in one) for one in told].count(True) == PART_TASKS_MAX - 1
    assert "they may be later" in ended.err
    assert gone == (69, "", True)


async def run_gone(home: Path, run: Any) -> tuple[int, str, bool]:
    ended = await run("submit", "a", "b")
    return ended.code, ended.out, "--request-id-prefix" in ended.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "there is nothing to submit"),
        (["a", "b", "--request-id", "r"], "give --request-id-prefix"),
        (["--file", "/nowhere"], "cannot read /nowhere"),
        (["a", "b", "--labels", "x,y", "--type", "echo"], "only zero-shot-classification"),
    ],
)
async def test_submit__refuses_what_makes_no_sense(home: Path, args: list[str], said: str) -> None:
    market = FakeMarket()
    async with served(market, home) as run:
        ended = await run("submit", *args)

    assert (ended.code, ended.out, market.requests) == (2, "", [])
    assert said in ended.err


def test_submit_all__gives_up_on_a_node_that_takes_in_nothing() -> None:
    class Busy(Client):
        def submit_batch(self, tasks: Any) -> Any:
            raise RequestRefused(429, "busy", "two such requests are being served")

    client = Busy(Endpoint("http://127.0.0.1:1", "", ""))
    bodies = name_requests(items(["a", "b"]), "p")

    taken = submit_all(client, bodies, count=lambda more: None, busy_seconds=0.05)

    assert [one.is_later for one in taken] == [True, True]


def test_shown_count__draws_on_a_terminal_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with shown_count("submitted", 3, is_shown=False) as count:
        count(3)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
async def test_submit__draws_a_bar_on_a_terminal_and_none_in_its_output(
    home: Path, variables: dict[str, str]
) -> None:
    """On a terminal that is standard error alone, as in `aimarket submit … > FILE`."""
    terminal, side = pty.openpty()
    async with served(Sometimes(), home):
        ended = await trio.run_process(
            [sys.executable, "-m", "node.cli", "submit", "a", "b", "--wait", "--json"],
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **variables},
            cwd=Path(__file__).parents[2],
            capture_stdout=True,
            stderr=side,
        )
        os.close(side)
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)

    assert [json.loads(line)["text"] for line in ended.stdout.splitlines()] == ["a", "b"]
    assert "2/2" in shown
    assert ("\x1b[38;" in shown or "\x1b[3" in shown) == (not variables)
