"""Real nodes for a benchmark: processes on loopback, talked to over their own RPC."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_S = 60.0
POLL_S = 0.005


@dataclass
class BenchNode:
    """One running node.

    Attributes:
        name: Its nickname.
        process: Its process.
        folder: Its data directory.
        ready_s: How long it took from its start until `/ready` said so.
    """

    name: str
    process: subprocess.Popen[bytes]
    folder: Path
    ready_s: float = 0.0
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)
    _token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request over a kept connection; return the status and the decoded answer."""
        status, answer = self.read(path, method=method, body=body)
        return status, json.loads(answer)

    def read(self, path: str, *, method: str = "GET", body: object = None) -> tuple[int, bytes]:
        """Do the same, and return the answer as it came."""
        if self._connection is None:
            told = json.loads((self.folder / "rpc.json").read_text())
            host, port = told["url"].removeprefix("http://").split(":")
            self._connection = http.client.HTTPConnection(host, int(port), timeout=60)
            self._token = told["token"]
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, body=data, headers=headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # an idle connection may be gone; the next call opens one
            raise

    def patient(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Call, and call once more if the kept connection was gone."""
        try:
            return self.call(method, path, body)
        except (OSError, http.client.HTTPException):
            return self.call(method, path, body)

    def metrics(self) -> dict[str, float]:
        """Return every number it tells monitoring, by name and labels."""
        try:
            _, text = self.read("/metrics")
        except (OSError, http.client.HTTPException):
            _, text = self.read("/metrics")
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def status(self) -> dict[str, Any]:
        """Return GET /status."""
        answer: dict[str, Any] = self.patient("GET", "/status")[1]
        return answer

    def resident_mib(self) -> float:
        """Return the resident memory of the node process alone, MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the kernel tells VmRSS")


@contextmanager
def network(
    root: Path, names: list[str], *, genesis: str | None = None, program: str = "node.main"
) -> Iterator[list[BenchNode]]:
    """Run echo nodes of a network of their own, each ready and counting all others as capable."""
    genesis = genesis or os.urandom(16).hex()
    nodes: list[BenchNode] = []
    try:
        for name in names:
            bootstrap = nodes[0].status()["addresses"] if nodes else []
            nodes.append(started(root, name, genesis, bootstrap, program))
        for node in nodes:
            _wait(lambda n=node: n.status()["capable"].get("echo", 0) >= len(nodes) - 1, node)
        yield nodes
    finally:
        for node in nodes:
            node.process.terminate()
        for node in nodes:
            try:
                node.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                node.process.kill()
                node.process.wait()


def started(
    root: Path, name: str, genesis: str, bootstrap: list[str], program: str = "node.main"
) -> BenchNode:
    """Start one echo node, for the first time or again, and wait until it is ready."""
    command = [sys.executable, "-m", program, "--id", name, "--home", str(root)]
    command += ["--listen", "/ip4/127.0.0.1/tcp/0", "--rpc-port", "0", "--task-type", "echo"]
    command += ["--network-genesis", genesis, "--log-level", "warning", "--config", os.devnull]
    for address in bootstrap:
        command += ["--bootstrap", address]
    began = time.monotonic()
    with (root / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    node = BenchNode(name, process, root / name)
    try:
        _wait(lambda: _has_left_its_address(node), node)
        _wait(lambda: node.patient("GET", "/ready")[0] == 200, node)
    except BaseException:
        process.kill()
        process.wait()
        raise
    node.ready_s = time.monotonic() - began
    return node


def _has_left_its_address(node: BenchNode) -> bool:
    """Answer whether the address is that of this very process, not of one that was killed."""
    try:
        return bool(json.loads((node.folder / "rpc.json").read_text())["pid"] == node.process.pid)
    except FileNotFoundError:
        return False


def _wait(done: Any, node: BenchNode) -> None:
    deadline = time.monotonic() + READY_S
    while not done():
        if node.process.poll() is not None or time.monotonic() > deadline:
            log = node.folder.with_suffix(".log").read_text()
            raise RuntimeError(f"{node.name} did not come up:\n{log[-2000:]}")
        time.sleep(POLL_S)
