"""How long the RPC of a real node takes: lists over a full store, resumed streams, a busy node.

Every figure is a whole request over a kept connection, next to `GET /health` in the same minute,
which does nothing but go through HTTP and the guard.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.nodes import BenchNode, network
from bench.pipeline import history
from node.rpc.client import Client
from protocol.params import NetworkParams, network_of

LIST_P99_TARGET_S = 0.1
RESUMED_TARGET_S = 0.1
BUSY_P99_TARGET_S = 0.2
CHUNK_BYTES = 48 * 1024  # of records in one request; a body may have 64 KiB
STATEMENTS_TOGETHER = 64
CROWDS = 100  # of a submitter and three jurors each, so that the leaderboard has some hundred rows
ROUNDS_BETWEEN_NEWS = 10
PAGE = 50
BATCH = 200
ONE_THING = ("/health", "/status", "/metrics", "/workers/…", "/explain/…, of a worker")
BUSY_WAIT_S = 900.0
POLL_S = 0.01


class History:
    """Makes final tasks up, by others, and brings them in through the door of `log import`."""

    def __init__(self, node: BenchNode, genesis: str) -> None:
        self._network = network_of(NetworkParams(genesis=bytes.fromhex(genesis), name="private"))
        home = {"AIMARKET_HOME": str(node.folder.parent), "AIMARKET_CONFIG": os.devnull}
        self._client = Client.of(node.name, environment=home)

    def bring(self, tasks: int) -> None:
        """Bring tasks of one submitter and three jurors that nobody knew."""
        for _, raws in history(self._network, tasks, STATEMENTS_TOGETHER):
            self.take(raws)

    def take(self, raws: Iterable[bytes]) -> None:
        """Bring packed records in, in their order."""
        for chunk in _chunks(raws):
            self._client.import_log(chunk)


def lists(node: BenchNode, past: History, rounds: int) -> dict[str, list[float]]:
    """Time every address that lists something, and `/health`, in turn; seconds, ascending."""
    submitter = node.patient("GET", "/tasks?limit=1")[1]["tasks"][0]["submitter"]["peer_id"]
    worker = node.patient("GET", "/leaderboard")[1][0]["peer_id"]
    pages = _pages(node)
    paths: dict[str, Callable[[], str]] = {
        "/health": lambda: "/health",
        "/tasks": lambda: f"/tasks?limit={PAGE}",
        "/tasks, page by page": lambda: next(pages),
        "/tasks, the most": lambda: "/tasks?limit=100",
        "/tasks?state=final": lambda: f"/tasks?state=final&limit={PAGE}",
        "/tasks?state=open": lambda: f"/tasks?state=open&limit={PAGE}",
        "/tasks?type=none": lambda: f"/tasks?type=none&limit={PAGE}",
        "/tasks?submitter=…": lambda: f"/tasks?submitter={submitter}&limit={PAGE}",
        "/tasks?mine=true": lambda: f"/tasks?mine=true&limit={PAGE}",
        "/leaderboard": lambda: "/leaderboard",
        "/peers": lambda: "/peers",
        "/explain/…, of a worker": lambda: f"/explain/{worker}",
        "/workers/…": lambda: f"/workers/{worker}",
        "/status": lambda: "/status",
        "/metrics": lambda: "/metrics",
    }
    took: dict[str, list[float]] = {name: [] for name in paths}
    for number in range(rounds):
        if number % ROUNDS_BETWEEN_NEWS == 0:  # what is remembered of the scores is made anew
            past.bring(1)
        for name, path in paths.items():
            asked = path()
            began = time.perf_counter()
            status = node.read(asked)[0]
            took[name].append(time.perf_counter() - began)
            assert status == 200, (asked, status)
    return {name: sorted(seconds) for name, seconds in took.items()}


def resumed(node: BenchNode, rounds: int) -> list[float]:
    """Time from asking for a stream after an event long ago to the first event; ascending."""
    run, newest = _place(node)
    took = []
    for number in range(rounds):
        last = max(1, newest - 1 - number * newest // rounds)
        connection, headers = _connect(node)
        began = time.perf_counter()
        connection.request("GET", "/events", headers={**headers, "Last-Event-ID": f"{run}-{last}"})
        response = connection.getresponse()
        while True:
            line = response.readline()
            assert line, "the stream ended before an event"
            if line.startswith(b"data:"):
                break
        took.append(time.perf_counter() - began)
        connection.close()
    return sorted(took)


def busy(nodes: list[BenchNode], tasks: int) -> tuple[list[float], float]:
    """Hand one node many tasks at once, and time its `/status` until all are final.

    Returns:
        Seconds of each answer, ascending, and until the last task was final.
    """
    node = nodes[0]
    before = node.status()["tasks"].get("final", 0)
    asker = BenchNode(node.name, node.process, node.folder)  # a connection of its own
    failures: list[object] = []

    def hand_over() -> None:
        for first in range(0, tasks, BATCH):
            texts = [{"text": f"busy {n}"} for n in range(first, min(first + BATCH, tasks))]
            results = asker.patient("POST", "/tasks/batch", texts)[1]["results"]
            failures.extend(one for one in results if "error" in one)

    thread = threading.Thread(target=hand_over)
    began = time.perf_counter()
    thread.start()
    took = []
    while True:
        asked = time.perf_counter()
        found = node.status()["tasks"].get("final", 0)
        took.append(time.perf_counter() - asked)
        if found >= before + tasks:
            break
        if time.perf_counter() - began > BUSY_WAIT_S:
            raise RuntimeError(f"{found - before} of {tasks} tasks final")
        time.sleep(POLL_S)
    thread.join()
    assert not failures, failures[0]
    return sorted(took), time.perf_counter() - began


def measure(tasks: int, rounds: int, backlog: int) -> dict[str, object]:
    """Return every figure."""
    genesis = os.urandom(16).hex()
    with tempfile.TemporaryDirectory() as folder:
        with network(Path(folder), ["alice"], genesis=genesis) as (alice,):
            past = History(alice, genesis)
            for _ in range(CROWDS):
                past.bring(tasks // CROWDS)
            found = alice.status()["tasks"]
            assert found["final"] == tasks, found
            listed, streamed = lists(alice, past, rounds), resumed(alice, rounds)
        with network(Path(folder), ["bob", "carole", "dora"]) as nodes:
            answers, seconds = busy(nodes, backlog)
    return {
        "tasks": tasks,
        "lists_s": {name: _figures(found) for name, found in listed.items()},
        "resumed_s": _figures(streamed),
        "backlog": backlog,
        "backlog_s": seconds,
        "busy_status_s": _figures(answers),
        "answers": len(answers),
    }


def main() -> None:
    """Print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--backlog", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.tasks, options.rounds, options.backlog)
    if options.json:
        json.dump(report, sys.stdout)
        return
    lists_s = report["lists_s"]
    assert isinstance(lists_s, dict)
    health_s = lists_s["/health"]["p50"]
    print(f"{report['tasks']:,} final tasks in the store, {options.rounds} rounds; milliseconds")
    for name, figures in lists_s.items():
        _show(name, figures, health_s, LIST_P99_TARGET_S if name not in ONE_THING else None)
    resumed_s, busy_s = report["resumed_s"], report["busy_status_s"]
    assert isinstance(resumed_s, dict)
    assert isinstance(busy_s, dict)
    _show("first event, resumed", resumed_s, health_s, RESUMED_TARGET_S)
    print(f"{report['backlog']:,} echo tasks at once, final after {report['backlog_s']:.1f} s")
    _show(f"/status, {report['answers']} times", busy_s, health_s, BUSY_P99_TARGET_S)


def _show(name: str, figures: dict[str, float], health_s: float, target_s: float | None) -> None:
    shown = "  ".join(f"{key} {seconds * 1e3:6.1f}" for key, seconds in figures.items())
    verdict = ""
    if target_s is not None:
        is_met = figures["p99"] <= target_s
        verdict = f"  p99 <= {target_s * 1e3:.0f}: {'ok' if is_met else 'MISSED'}"
    print(f"{name:24} {shown}  = {figures['p50'] / health_s:5.1f} x /health{verdict}")


def _figures(ascending: list[float]) -> dict[str, float]:
    return {
        "p50": statistics.median(ascending),
        "p99": ascending[int(len(ascending) * 0.99)],
        "max": ascending[-1],
    }


def _chunks(raws: Iterable[bytes]) -> Iterator[bytes]:
    chunk = b""
    for raw in raws:
        framed = len(raw).to_bytes(4, "big") + raw
        if chunk and len(chunk) + len(framed) > CHUNK_BYTES:
            yield chunk
            chunk = b""
        chunk += framed
    if chunk:
        yield chunk


def _pages(node: BenchNode) -> Iterator[str]:
    """Walk through all pages, again and again."""
    cursor = None
    while True:
        path = f"/tasks?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        yield path
        cursor = node.patient("GET", path)[1]["next"]


def _connect(node: BenchNode) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    told = json.loads((node.folder / "rpc.json").read_text())
    host, port = told["url"].removeprefix("http://").split(":")
    headers = {"Authorization": f"Bearer {told['token']}"}
    return http.client.HTTPConnection(host, int(port), timeout=60), headers


def _place(node: BenchNode) -> tuple[str, int]:
    """Return the run of a node and the number of its newest event."""
    connection, headers = _connect(node)
    connection.request("GET", "/events", headers=headers)
    line = connection.getresponse().readline().decode()
    connection.close()
    run, _, number = line.removeprefix("id: ").strip().rpartition("-")
    return run, int(number)


if __name__ == "__main__":
    main()
