"""Real nodes as processes of their own, started for a demo and surely stopped after it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from node.commands_text import printable
from node.errors import OperatorError, UsageError
from node.rpc.client import Client
from node.rpc.endpoint import Endpoint
from node.rpc.token import FILE_NAME, read_rpc_file

STOP_SECONDS = 15.0  # a clean stop of a node takes about one; then it is killed
LOG_LINES_SHOWN = 15
LOG_BYTES_READ = 16 * 1024
CALL_SECONDS = 10.0


class DemoFailed(OperatorError):
    """A node died, or what was waited for did not come in time."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What all nodes of a demo share.

    Attributes:
        root: The directory for their states and logs.
        genesis: Sets their network apart from every other, in hex.
        task_type: What they run.
        program: The command line that starts a node, without its options.
    """

    root: Path
    genesis: str
    task_type: str
    program: tuple[str, ...] = (sys.executable, "-m", "node.main")


class DemoNode:
    """One node's process, its log, and a client once it serves."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.client: Client | None = None

    @property
    def rpc(self) -> Client:
        """Return the client of a node that serves."""
        assert self.client is not None, "asked before it serves"
        return self.client

    def check_alive(self) -> None:
        """Raise DemoFailed with the end of its log if the process ended."""
        code = self.process.poll()
        if code is not None:
            raise DemoFailed(f"node {self.name} ended with code {code}{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the last lines of the log, indented, to be put after a message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LOG_BYTES_READ))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        shown = [f"  {self.name}: {printable(line)}" for line in lines[-LOG_LINES_SHOWN:]]
        return "\n".join(["; the end of its log:", *shown]) if shown else " and logged nothing"


class DemoNodes:
    """Starts nodes; leaving the context stops every one of them."""

    def __init__(self, options: NodeOptions, *, stop_seconds: float = STOP_SECONDS) -> None:
        self._options = options
        self._stop_seconds = stop_seconds
        self.started: list[DemoNode] = []

    def __enter__(self) -> "DemoNodes":
        """Return the nodes, none yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the nodes."""
        self.stop()

    def command(self, name: str, bootstrap: str | None) -> list[str]:
        """Return the options a node of that name is started with."""
        joining = [] if bootstrap is None else ["--bootstrap", bootstrap]
        listed = [*joining, "--id", name, "--home", str(self._options.root)]
        listed += ["--network-genesis", self._options.genesis]
        return [*listed, "--task-type", self._options.task_type]

    def start(self, name: str, bootstrap: str | None) -> DemoNode:
        """Start a node on free loopback ports, with its output in a file.

        It gets a session of its own, so that Ctrl-C reaches it through us, in order.
        """
        log = self._options.root / f"{name}.log"
        options = self.command(name, bootstrap)
        options += ["--listen", "/ip4/127.0.0.1/tcp/0", "--rpc-port", "0"]
        options += ["--log-format", "console"]
        with log.open("wb") as output:
            process = _spawn([*self._options.program, *options], output)
        node = DemoNode(name, process, log)
        self.started.append(node)
        return node

    def find_client(self, node: DemoNode) -> Client | None:
        """Return a client once the node has left its address."""
        if node.client is None:
            try:
                content = read_rpc_file(self._options.root / node.name / FILE_NAME)
            except (FileNotFoundError, UsageError):
                return None
            endpoint = Endpoint(content.url, content.token, node.name)
            node.client = Client(endpoint, timeout_s=CALL_SECONDS)
        return node.client

    def check_alive(self) -> None:
        """Raise DemoFailed if any node ended."""
        for node in self.started:
            node.check_alive()

    def stop(self) -> None:
        """Ask every node to stop, wait, then kill what is left; a Ctrl-C kills at once."""
        processes = [node.process for node in self.started]
        try:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + self._stop_seconds
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            self.started.clear()


def _spawn(command: Sequence[str], output: BinaryIO) -> "subprocess.Popen[bytes]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIMARKET_")}
    environment["PYTHONUNBUFFERED"] = "1"
    environment["AIMARKET_CONFIG"] = os.devnull  # what the user set is for other nodes
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Treat a request to end, or a closed terminal, like Ctrl-C: nodes must not outlive us."""

    def interrupt(_: int, __: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
