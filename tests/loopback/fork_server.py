"""Starts nodes, each a process of its own, as forks of one that has imported all they need.

Importing takes a node more than a second of CPU; the tests start hundreds. Each fork runs
`node.main` from its first line on, with its own arguments, environment, files and process id. What
can tell a fork from a program that was started by its name (`/proc/PID/cmdline`) is tested with the
latter: see `RealNode.is_forked`.

As a program it reads orders from standard input, a line of JSON each, and answers each with a line.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
CHECK_S = 0.02
CLONE_NEWNET = 0x40000000  # of linux/sched.h; os.setns begins with Python 3.12


class Forked:
    """A node that was forked; what `subprocess.Popen` offers, as far as it is used."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit code, as Popen has it, if it has ended."""
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended and return the exit code."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"forked node {self.pid}", timeout)
            time.sleep(CHECK_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended; until it was polled its id is nobody else's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The one process all nodes of this test process are forked from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._from_the_start = _from_the_start(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.loopback.fork_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Answer whether this environment asks the system for nothing that ours does not."""
        return _from_the_start(environment) == self._from_the_start

    def start(
        self,
        args: Sequence[str],
        environment: Mapping[str, str],
        *,
        namespace: str | None,
        out: Path,
        err: Path,
    ) -> Forked:
        """Start a node with these arguments and nothing but this environment.

        Args:
            args: Its command line.
            environment: Every variable it sees.
            namespace: The file of a network namespace to live in.
            out: What it says goes there.
            err: What it says of errors goes there.
        """
        order: dict[str, Any] = {"args": [*args], "env": dict(environment)}
        order |= {"out": str(out), "err": str(err), "namespace": namespace}
        return Forked(self, self.ask(order))

    def ask(self, order: dict[str, Any]) -> Any:
        """Give one order and return the answer."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(order), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        assert line, f"the fork server ended with {self._process.poll()}"
        return json.loads(line)


def _from_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if name.startswith(("PYTHON", "LD_"))
    }


@functools.cache
def fork_server() -> ForkServer:
    """Return the server of this process, started when it is first needed."""
    return ForkServer()


def _serve(orders: IO[str], answers: IO[str]) -> dict[str, Any] | None:
    """Answer orders until there are no more; in a new node, return what it is to do."""
    ended: dict[int, int] = {}
    for line in orders:
        order = json.loads(line)
        if "poll" in order:
            print(json.dumps(_poll(order["poll"], ended)), file=answers, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            return dict(order)
        print(json.dumps(pid), file=answers, flush=True)
    return None


def _poll(pid: int, ended: dict[int, int]) -> int | None:
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == 0:
            return None
        ended[pid] = os.waitstatus_to_exitcode(status)
    return ended[pid]


def _become(order: dict[str, Any]) -> None:
    """Be a process that was started there, with these files and this environment."""
    if order["namespace"] is not None:
        descriptor = os.open(order["namespace"], os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["env"])


def main() -> None:
    """Serve, and in every fork be a node."""
    for name in ("node.daemon", "node.rpc.server"):
        importlib.import_module(name)
    from node.main import main as run_node

    assert threading.active_count() == 1, "a fork has only one of the threads"
    gc.collect()
    gc.freeze()
    order = _serve(sys.stdin, sys.stdout)
    if order is None:
        return
    _become(order)
    run_node(order["args"], prog_name="aimarket-node")


if __name__ == "__main__":
    main()
