"""The demo's hold on its nodes, and its steps, with processes that only pretend to be nodes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from node.cli import main
from node.demo import DemoRun, demo
from node.demo_nodes import DemoFailed, DemoNode, DemoNodes, NodeOptions
from node.demo_show import DemoShow
from node.errors import NotReachable
from node.rpc.client import Client
from node.rpc.endpoint import Endpoint
from node.views import TaskView
from tests.fakes_market import FakeMarket, a_task, decided

DIES = "import sys; print('\\x1b[31mno such model'); sys.exit(3)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)"
)
POLITE = "import time; print('up', flush=True); time.sleep(60)"


def options_of(root: Path, program: str) -> NodeOptions:
    return NodeOptions(root, "00" * 16, "sentiment", (sys.executable, "-c", program))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("program", [STUBBORN, POLITE])
def test_demo_nodes__leave_no_process_behind(tmp_path: Path, program: str) -> None:
    with DemoNodes(options_of(tmp_path, program), stop_seconds=0.3) as nodes:
        processes = [nodes.start(name, None).process for name in ("alice", "bob")]
        until(lambda: all(log.read_text() == "up\n" for log in tmp_path.glob("*.log")))

    assert all(process.poll() is not None for process in processes)


def test_demo_run__ends_in_one_message_if_a_node_dies(tmp_path: Path) -> None:
    options = options_of(tmp_path, DIES)
    with DemoNodes(options) as nodes:
        run = DemoRun(nodes, options, DemoShow(to_stderr=True), deadline=time.monotonic() + 20)

        with pytest.raises(DemoFailed, match="alice ended with code 3") as caught:
            run.run(("alice", "bob", "carole"))

    assert "alice: \\x1b[31mno such model" in str(caught.value)


def test_demo_run__gives_up_at_its_deadline(tmp_path: Path) -> None:
    options = options_of(tmp_path, POLITE)
    with DemoNodes(options, stop_seconds=5) as nodes:
        run = DemoRun(nodes, options, DemoShow(to_stderr=True), deadline=time.monotonic() + 0.3)

        with pytest.raises(DemoFailed, match="no time left for alice"):
            run.run(("alice", "bob", "carole"))


class FakeClient(Client):
    """Answers from a FakeMarket that every node of the demo shares, late at first."""

    def __init__(self, market: FakeMarket) -> None:
        super().__init__(Endpoint("http://127.0.0.1:1", "", "fake"))
        self.market = market
        self.refusals = 1

    def submit(self, **fields: object) -> Any:
        self.market.known.update({str(len(self.market.known)) * 64: self._new(str(fields["text"]))})
        return {"task_id": next(reversed(self.market.known))}

    def _new(self, text: str) -> TaskView:
        return decided(a_task(str(len(self.market.known)) * 64, text))

    def task(self, task_id: str, *, wait_s: int = 0) -> Any:
        return json.loads(json.dumps(asdict(self.market.known[task_id])))

    def status(self) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise NotReachable("not yet")
        return asdict(self.market.status())

    def leaderboard(self) -> Any:
        return [asdict(row) for row in self.market.leaderboard(limit=100).rows]


class FakeNodes(DemoNodes):
    def __init__(self, options: NodeOptions, markets: list[FakeMarket]) -> None:
        super().__init__(options)
        self.markets = markets

    def start(self, name: str, bootstrap: str | None) -> DemoNode:
        process = subprocess.Popen([sys.executable, "-c", POLITE], stdout=subprocess.DEVNULL)
        node = DemoNode(name, process, Path("absent"))
        node.client = FakeClient(self.markets[len(self.started)])
        self.started.append(node)
        return node


def run_with(markets: list[FakeMarket], tmp_path: Path, *, seconds: float) -> Any:
    options = options_of(tmp_path, POLITE)
    with FakeNodes(options, markets) as nodes:
        run = DemoRun(
            nodes, options, DemoShow(to_stderr=False), deadline=time.monotonic() + seconds
        )
        return run.run(("alice", "bob", "carole"))


def test_demo_run__shows_every_step_and_that_all_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run_with([FakeMarket()] * 3, tmp_path, seconds=20)

    out = capsys.readouterr().out
    assert outcome.agreed
    for said in ("aimarket-node --bootstrap", "aimarket submit", "sealed an answer", "opened:",
                 "verdict: positive", "by carole", "all 3 nodes agree"):  # fmt: skip
        assert said in out
    document = outcome.document()
    assert list(document) == ["tasks", "nodes"]
    assert list(document["tasks"][0]) == ["task_id", "text", "state", "answer", "jurors"]
    assert document["tasks"][0]["jurors"] == ["alice", "bob", "carole"]
    assert list(document["nodes"]) == ["alice", "bob", "carole"]
    assert list(document["nodes"]["bob"]) == ["leaderboard", "state_digest"]


def test_demo_run__says_so_if_one_node_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    liar = FakeMarket()
    shared = FakeMarket()
    liar.known = shared.known
    liar.shown = replace(liar.shown, state_digest="00" * 32)

    outcome = run_with([shared, shared, liar], tmp_path, seconds=8)

    assert not outcome.agreed
    assert "the nodes do NOT agree: their state digests differ" in capsys.readouterr().out


def test_demo__refuses_a_number_of_nodes_no_jury_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--nodes", "2"]) == 2
    assert "--nodes" in capsys.readouterr().err
    assert demo.name == "demo"
