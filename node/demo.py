"""`aimarket demo`: a market of real nodes on this machine, from nothing to a verdict."""

import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from node.commands import EXIT_FAILED, exit_with, print_json
from node.commands_text import printable
from node.demo_nodes import (
    DemoFailed,
    DemoNode,
    DemoNodes,
    NodeOptions,
    interrupted_by_signals,
)
from node.demo_progress import Document, NodeSnapshot, agree, disagreements, news
from node.demo_show import DemoShow
from node.errors import NotReachable, RequestRefused
from node.rpc.client import TooLate

NAMES = ("alice", "bob", "carole", "dave", "erin", "frank", "grace", "heidi")
TEXTS = (
    "I absolutely love how this works!",
    "This is the worst thing I have ever bought.",
    "The food was delicious, and the staff were kind.",
)
NODES_MIN = 3  # a jury has three seats
POLL_SECONDS = 0.2
PASSING = (NotReachable, TooLate)  # a busy node may miss a poll; a dead one is noticed as such

Found = TypeVar("Found")


@click.command()
@click.option(
    "--nodes", type=click.IntRange(NODES_MIN, len(NAMES)), default=NODES_MIN, show_default=True
)
@click.option("--type", "task_type", type=click.Choice(["sentiment", "echo"]), default="sentiment")
@click.option(
    "--once/--stay", default=True, help="Stop when all is shown, or stay up to play with."
)
@click.option("--keep", is_flag=True, help="Keep the nodes' directory.")
@click.option("--timeout", type=float, default=240.0, show_default=True, help="Seconds for all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; progress: stderr.")
def demo(
    *, nodes: int, task_type: str, once: bool, keep: bool, timeout: float, as_json: bool
) -> None:
    """Run a market of real nodes here, ask one task at each, and compare what they compute.

    Exits 0 only if every node reached the same verdicts and the same leaderboard.
    """
    show = DemoShow(to_stderr=as_json)
    root = Path(tempfile.mkdtemp(prefix="aimarket-demo-"))
    try:
        options = NodeOptions(root, secrets.token_hex(16), task_type)
        with interrupted_by_signals(), DemoNodes(options) as running:
            run = DemoRun(running, options, show, deadline=time.monotonic() + timeout)
            outcome = run.run(NAMES[:nodes])
            if as_json:
                print_json(outcome.document())
            if not once:
                _stay_up(running, root, show)
            show.say("stopping the nodes")
        if not outcome.agreed:
            exit_with(EXIT_FAILED)
    finally:
        if keep:
            show.say(f"the nodes' directory is kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


@dataclass(slots=True)
class Outcome:
    """What came of it: the tasks as their submitters see them, and each node's computation."""

    tasks: list[Document]
    snapshots: dict[str, NodeSnapshot]
    jurors: list[list[str]]

    @property
    def agreed(self) -> bool:
        """Whether every node reached the same."""
        return agree(list(self.snapshots.values()))

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "tasks": [
                {
                    "task_id": task["task_id"],
                    "text": task["text"],
                    "state": task["chain_state"],
                    "answer": task["answer"],
                    "jurors": jurors,
                }
                for task, jurors in zip(self.tasks, self.jurors, strict=True)
            ],
            "nodes": {
                name: {"leaderboard": one.leaderboard, "state_digest": one.state_digest}
                for name, one in self.snapshots.items()
            },
        }


@dataclass(slots=True)
class DemoRun:
    """One demo, step by step; each step ends by the deadline or raises DemoFailed."""

    nodes: DemoNodes
    options: NodeOptions
    show: DemoShow
    deadline: float
    _seen: dict[str, Document] = field(default_factory=dict)

    def run(self, names: Sequence[str]) -> Outcome:
        """Start the nodes, ask, follow, compare."""
        bootstrap = self._start_first(names[0])
        for name in names[1:]:
            self.nodes.start(name, bootstrap)
            self.show.say(f"started {name}:  {self._by_hand(name, bootstrap)}")
        with self.show:
            for node in self.nodes.started:
                self._wait_until_ready(node, others=len(names) - 1)
            outcome = self._follow(self._submit_everywhere(names))
        self._conclude(outcome)
        return outcome

    def _start_first(self, name: str) -> str:
        node = self.nodes.start(name, None)
        self.show.say(f"started {name}:  {self._by_hand(name, None)}")

        def address() -> str | None:
            client = self.nodes.find_client(node)
            addresses = client.status()["addresses"] if client is not None else ()
            return next(iter(addresses), None)

        return self._wait(address, f"{name} to say where it can be reached", node)

    def _by_hand(self, name: str, bootstrap: str | None) -> str:
        return shlex.join(["aimarket-node", *self.nodes.command(name, bootstrap)])

    def _wait_until_ready(self, node: DemoNode, *, others: int) -> None:
        told = ""

        def ready() -> bool:
            nonlocal told
            client = self.nodes.find_client(node)
            if client is None:
                return False
            status = client.status()
            if status["waiting"] and status["waiting"] != told:
                told = status["waiting"]
                self.show.say(f"{node.name} waits for {told}")
            return bool(status["ready"]) and (
                status["capable"].get(self.options.task_type, 0) >= others
            )

        self._wait(ready, f"{node.name} to be ready and to hear of {others} capable others", node)
        self.show.say(f"{node.name} is ready")

    def _submit_everywhere(self, names: Sequence[str]) -> list[str]:
        task_ids = []
        for position, node in enumerate(self.nodes.started):
            text = TEXTS[position % len(TEXTS)]
            by_hand = shlex.join(["aimarket", "submit", text, "--id", names[position]])
            answer = node.rpc.submit(text=text, type=self.options.task_type, request_id="demo")
            task_ids.append(answer["task_id"])
            self.show.say(f"asked {node.name}, task {answer['task_id'][:8]}:  {by_hand}")
        return task_ids

    def _follow(self, task_ids: list[str]) -> Outcome:
        """Look again and again until the nodes agree; at the deadline return what there is."""
        last: Outcome | None = None
        while True:
            self.nodes.check_alive()
            try:
                last = self._look(task_ids)
            except PASSING as error:
                passing: Exception | None = error
            else:
                passing = None
                self.show.tasks(last.tasks)
                if last.agreed:
                    return last
            if time.monotonic() >= self.deadline:
                if last is None:
                    raise DemoFailed(f"no time left; the last error: {passing}")
                return last
            time.sleep(POLL_SECONDS)

    def _look(self, task_ids: list[str]) -> Outcome:
        tasks, jurors = [], []
        for node, task_id in zip(self.nodes.started, task_ids, strict=True):
            task = node.rpc.task(task_id)
            attempts = [one["task_id"] for one in task["attempts"]] or [task_id]
            views = [task if one == task_id else node.rpc.task(one) for one in attempts]
            for view in views:
                for line in news(self._seen.get(view["task_id"]), view):
                    self.show.say(f"{view['task_id'][:8]}  {line}")
                self._seen[view["task_id"]] = view
            final = [view for view in views if view["state"] == "final"] or views
            tasks.append(task)
            jurors.append([juror["worker_id"] for juror in final[-1]["jurors"]])
        snapshots = {node.name: _snapshot(node, task_ids) for node in self.nodes.started}
        return Outcome(tasks, snapshots, jurors)

    def _conclude(self, outcome: Outcome) -> None:
        names, snapshots = list(outcome.snapshots), list(outcome.snapshots.values())
        self.show.verdicts(outcome.tasks)
        self.show.leaderboards(names, snapshots)
        if outcome.agreed:
            self.show.say(f"all {len(names)} nodes agree")
            return
        reasons = "; ".join(disagreements(names, snapshots))
        self.show.say(f"the nodes do NOT agree: {reasons}")

    def _wait(self, look: Callable[[], Found | None], what: str, node: DemoNode) -> Found:
        """Look until there is something, while every node lives."""
        while True:
            self.nodes.check_alive()
            try:
                found = look()
            except PASSING:
                found = None
            if found:
                return found
            if time.monotonic() >= self.deadline:
                raise DemoFailed(f"no time left for {what}{node.log_tail()}")
            time.sleep(POLL_SECONDS)


def _snapshot(node: DemoNode, task_ids: Sequence[str]) -> NodeSnapshot:
    verdicts: list[tuple[str, str | None] | None] = []
    for task_id in task_ids:
        try:
            task = node.rpc.task(task_id)
            verdicts.append((task["chain_state"], task["answer"]))
        except RequestRefused:
            verdicts.append(None)
    status = node.rpc.status()
    leaderboard = node.rpc.leaderboard()
    return NodeSnapshot(leaderboard, status["state_digest"], status["records"], tuple(verdicts))


def _stay_up(running: DemoNodes, root: Path, show: DemoShow) -> None:
    """Leave the nodes to the user until Ctrl-C."""
    show.say()
    show.say("the nodes stay up; ask them from another terminal:")
    show.say(f"  export AIMARKET_HOME={shlex.quote(printable(str(root)))}")
    show.say("  aimarket submit 'What a lovely day!' --id alice --wait")
    show.say("  aimarket leaderboard --id alice --of bob")
    show.say("or watch them in a browser; each address holds the secret of its node:")
    for node in running.started:
        if node.client is not None:
            endpoint = node.client.endpoint
            show.say(f"  {endpoint.url}/#token={endpoint.token}  {node.name}")
    show.say("Ctrl-C stops them.")
    try:
        while True:
            running.check_alive()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        show.say()
