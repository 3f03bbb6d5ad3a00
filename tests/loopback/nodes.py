"""Runs real nodes as processes of their own on this machine, and talks to them over their RPC."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.loopback.fork_server import Forked, fork_server

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
READY_S = 60.0  # measured: 2 to 4 s; four at once on two loaded cores take longer
STOP_S = 20.0
POLL_S = 0.05
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def until(question: Callable[[], T], *, within_s: float, what: str) -> T:
    """Ask until the answer is true, or fail with what was waited for and the last answer."""
    deadline = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {within_s:g} s, last {answer!r}")
        time.sleep(POLL_S)


class RealNode:
    """One node process; the same object stays with the directory across restarts.

    Attributes:
        is_forked: Whether the process is a fork of one that has imported all it needs, which spares
            a second of CPU, or the program as a user starts it.
    """

    is_forked = True

    def __init__(self, name: str, home: Path, options: Sequence[str]) -> None:
        self.name = name
        self.home = home
        self.directory = home / name
        self.starts = 0
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._client: httpx.Client | None = None

    def launch(self, *options: str) -> None:
        """Start the process; does not wait for it."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self.starts += 1
        common = ("--id", self.name, "--home", str(self.home), *self._options)
        if self.is_forked and self.can_fork() and fork_server().fits(self.surroundings()):
            self._process = fork_server().start(
                [*common, *options],
                self.surroundings(),
                namespace=self.namespace(),
                out=self._output("out"),
                err=self._output("err"),
            )
            return
        with self._output("out").open("wb") as out, self._output("err").open("wb") as err:
            self._process = subprocess.Popen(
                [*self.program(), *common, *options],
                cwd=ROOT,
                env=self.surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def can_fork(self) -> bool:
        """Answer whether it is the usual program that is run."""
        return type(self).program is RealNode.program

    def namespace(self) -> str | None:
        """Return the file of the network namespace it lives in; None for that of the tests."""
        return None

    def program(self) -> tuple[str, ...]:
        """Return what is run, before the options."""
        return (sys.executable, "-m", "node.main")

    def surroundings(self) -> dict[str, str]:
        """Return its environment."""
        return environment()

    def reach(self) -> AbstractContextManager[None]:
        """Be where its RPC can be reached; sockets opened meanwhile stay there."""
        return nullcontext()

    def wait_serving(self, *, within_s: float = READY_S) -> None:
        """Wait until this very process has left its address and answers there."""
        deadline = time.monotonic() + within_s
        while not self._connect():
            assert self._running.poll() is None, f"{self.name} ended: {self.words()}"
            assert time.monotonic() < deadline, f"{self.name} did not serve: {self.words()}"
            time.sleep(POLL_S)

    def wait_ready(self, *, within_s: float = READY_S) -> None:
        """Wait until it serves and can take part in full."""
        self.wait_serving(within_s=within_s)
        until(lambda: self.status()["ready"], within_s=within_s, what=f"{self.name} ready")

    def wait_ended(self, *, within_s: float = STOP_S) -> int:
        """Wait for the process to end by itself and return its exit code."""
        code = self._running.wait(within_s)
        self._forget_client()
        return code

    def kill(self) -> None:
        """End it as a power cut would."""
        self._running.kill()
        self.wait_ended()

    def stop(self) -> int:
        """Ask it to end, as a service manager would, and return its exit code."""
        self._running.send_signal(signal.SIGTERM)
        return self.wait_ended()

    def close(self) -> None:
        """End it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        """Return the full multiaddr it can be dialled at."""
        addresses: list[str] = self.status()["addresses"]
        return addresses[0]

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """Make one request and return the status and the document, or the text if it is none."""
        assert self._client is not None, f"{self.name} does not serve"
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body)  # escaped, so it holds anything
        with self.reach():
            answer = self._client.request(method, path, content=content, headers=headers)
        is_json = answer.headers["Content-Type"].startswith("application/json")
        return answer.status_code, answer.json() if is_json else answer.text

    def ask(self, path: str) -> Any:
        """Return the document at a path."""
        status, document = self.call("GET", path)
        assert status == 200, (self.name, path, status, document)
        return document

    def status(self) -> Any:
        return self.ask("/status")

    def scrape(self) -> str:
        """Return what it tells monitoring, in the newer format."""
        assert self._client is not None, f"{self.name} does not serve"
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        with self.reach():
            return self._client.get("/metrics", headers=accept).text

    def submit(self, text: str, **fields: object) -> str:
        """Submit a task and return its id."""
        status, document = self.call("POST", "/tasks", {"text": text, **fields})
        assert status == 201, (self.name, status, document)
        task_id: str = document["task_id"]
        return task_id

    def chain_state(self, task_id: str) -> str:
        state: str = self.ask(f"/tasks/{task_id}")["chain_state"]
        return state

    def count(self, state: str) -> int:
        """Return how many tasks it knows in a state."""
        found: int = self.status()["tasks"].get(state, 0)
        return found

    def rss_bytes(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """Return its standard output, of its last start."""
        return self._output("out").read_text()

    def words(self) -> str:
        """Return all it said, of its last start."""
        return self.said() + self._output("err").read_text()

    @property
    def _running(self) -> "subprocess.Popen[bytes] | Forked":
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    def _output(self, kind: str) -> Path:
        return self.home.with_name(f"{self.home.name}.{self.name}.{self.starts}.{kind}")

    def _connect(self) -> bool:
        try:
            found = json.loads((self.directory / "rpc.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            return False
        if found["pid"] != self.pid:  # left by a process that was killed
            return False
        self._forget_client()
        self._client = httpx.Client(
            base_url=found["url"],
            headers={"Authorization": f"Bearer {found['token']}"},
            verify=False,  # noqa: S501 - plain HTTP; loading certificates takes half a second
            trust_env=False,
            timeout=30,
        )
        with self.reach(), contextlib.suppress(httpx.TransportError):  # it may end just now
            return self._client.get("/health").is_success
        return False

    def _forget_client(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


class Street:
    """Nodes of one network in one home; none outlives the test."""

    def __init__(self, home: Path, *, genesis: str | None = None, is_forked: bool = True) -> None:
        self.home = home
        self.is_forked = is_forked
        self.genesis = os.urandom(16).hex() if genesis is None else genesis
        self.nodes: list[RealNode] = []

    def node(self, name: str, *options: str, home: Path | None = None) -> RealNode:
        """Describe a node that serves `echo` on free ports of the loopback interface."""
        common = (
            *("--listen", LOOPBACK, "--rpc-port", "0"),
            *("--network-genesis", self.genesis, "--task-type", "echo"),
        )
        made = RealNode(name, self.home if home is None else home, (*common, *options))
        made.is_forked = self.is_forked
        made.home.mkdir(exist_ok=True)
        self.nodes.append(made)
        return made

    def open(self, *names: str) -> list[RealNode]:
        """Start nodes that all join by the first one, and wait until each knows every other."""
        nodes = [self.node(name) for name in names]
        nodes[0].launch()
        nodes[0].wait_serving()
        for node in nodes[1:]:
            node.launch("--bootstrap", nodes[0].address)
        for node in nodes:
            node.wait_ready()
        for node in nodes:
            wait_capable(node, len(nodes) - 1)
        return nodes

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@contextmanager
def street(tmp_path: Path, *, is_forked: bool = True) -> Iterator[Street]:
    """Lend a street, and clear it whatever happens; see `RealNode.is_forked`."""
    found = Street(tmp_path / "home", is_forked=is_forked)
    try:
        yield found
    finally:
        found.close()


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what would configure a node."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIMARKET")}
    return {**kept, **more}


def wait_capable(node: RealNode, others: int, *, within_s: float = READY_S) -> None:
    """Wait until a node knows so many others that can run `echo`."""
    until(
        lambda: node.status()["capable"].get("echo", 0) >= others,
        within_s=within_s,
        what=f"{node.name} knows {others} other workers",
    )


def wait_final(node: RealNode, task_ids: Sequence[str], *, within_s: float) -> None:
    """Wait until all tasks are final as one node sees them."""
    left = list(task_ids)

    def all_final() -> bool:
        while left and node.chain_state(left[-1]) == "final":
            left.pop()
        return not left

    try:
        until(all_final, within_s=within_s, what=f"{node.name}: all final")
    except AssertionError as error:
        raise AssertionError(f"{error}: {node.ask(f'/tasks/{left[-1]}')}") from error


def wait_equal(nodes: Sequence[RealNode], *, within_s: float) -> str:
    """Wait until all nodes hold as many records and one state digest; return the digest."""

    def digest() -> str:
        seen = {(one["state_digest"], one["records"]) for one in map(RealNode.status, nodes)}
        return seen.pop()[0] if len(seen) == 1 else ""

    return until(digest, within_s=within_s, what="equal state digests")


def aimarket(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the client and return its exit code, output and complaints."""
    return subprocess.run(
        [sys.executable, "-m", "node.cli", *arguments],
        cwd=ROOT,
        env=environment(AIMARKET_HOME=str(home)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def peer_id_in(words: str) -> str:
    """Return the peer id a node said at its start."""
    found = re.search(r" is (12D3Koo\w+)", words)
    assert found is not None, words
    return found.group(1)
