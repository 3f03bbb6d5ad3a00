"""Ten real nodes at a steady rate of records, beside ten processes of the bare library.

Users ask at all nodes in turn, as often as makes the wanted rate of records. Of every task it is
measured when each other node tells of it by its own event stream; of all records, how many had to
be moved by sync. The bare library gossips as many messages of the same size among as many
processes.
"""

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.nodes import BenchNode, network

NODES = 10
RECORDS_PER_TASK = 7.9  # of three seats: docs/scale.md
MESSAGE_BYTES = 380  # what a gossip message of ours has on average: docs/scale.md
STRAGGLERS_S = 15.0
EQUAL_WITHIN_S = 60.0
DIALS = 6


class Follower:
    """Notes when a node tells of each task of others.

    Attributes:
        delays_s: From the submitter's date on each task until this node told of it.
    """

    def __init__(self, node: BenchNode) -> None:
        told = json.loads((node.folder / "rpc.json").read_text())
        host, port = told["url"].removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port))
        headers = {"Authorization": f"Bearer {told['token']}"}
        self._connection.request("GET", "/events?type=task", headers=headers)
        self._response = self._connection.getresponse()
        self.delays_s: list[float] = []
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while line := self._response.readline():
            if line.startswith(b"data:"):
                now_ms = time.time_ns() / 1e6
                told = json.loads(line[5:])
                if told["type"] == "task" and not told["mine"]:
                    self.delays_s.append((now_ms - told["created_ms"]) / 1e3)


def ours(count: int, records_per_s: float, seconds: float) -> dict[str, Any]:
    """Measure real nodes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        network(Path(folder), [f"node{n}" for n in range(count)]) as nodes,
    ):
        before = [_numbers(node) for node in nodes]
        followers = [Follower(node) for node in nodes]
        pause_s = RECORDS_PER_TASK / records_per_s
        began = time.monotonic()
        asked = 0
        while (due := began + asked * pause_s) < began + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            node = nodes[asked % count]
            status, answer = node.patient("POST", "/tasks", {"text": f"task {asked}"})
            assert status == 201, answer
            asked += 1
        took_s = time.monotonic() - began
        equal_s = _until_equal(nodes, asked)
        after = [_numbers(node) for node in nodes]
    grown = {
        name: sum(late[name] - early[name] for early, late in zip(before, after, strict=True))
        for name in before[0]
    }
    deliveries = grown["records"] * (count - 1) / count
    delays_s = sorted(delay for follower in followers for delay in follower.delays_s)
    return {
        "tasks": asked,
        "seconds": took_s,
        "records_per_s": grown["records"] / count / took_s,
        "equal_after_s": equal_s,
        "by_gossip_share": 1 - grown["moved"] / deliveries,
        "tasks_told_share": len(delays_s) / (asked * (count - 1)),
        "cpu_cores": grown["cpu_s"] / took_s,
        "messages_in": grown["messages_in"],
        "cpu_ms_per_message": 1e3 * grown["cpu_s"] / grown["messages_in"],
        **_spread(delays_s),
    }


def bare(count: int, per_s: float, seconds: float) -> dict[str, Any]:
    """Measure the library alone."""
    command = [sys.executable, "-m", "bench.bare_gossip", str(per_s / count), str(seconds)]
    command += [str(MESSAGE_BYTES), str(STRAGGLERS_S)]
    dice = random.Random(1)
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            processes.append(process)
        addresses: list[str] = [_heard(process) for process in processes]
        for number, process in enumerate(processes):
            others = dice.sample(addresses[:number], min(number, DIALS))
            _say(process, json.dumps(others))
            _heard(process)
        for process in processes:
            _say(process, "go")
        reports = [_heard(process) for process in processes]
    published = sum(report["published"] for report in reports)
    delays_s = sorted(delay for report in reports for delay in report["delays_s"])
    share = len(delays_s) / (published * (count - 1))
    return {"published": published, "delivered_share": share, **_spread(delays_s)}


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--records", type=float, default=20.0, help="A second, all together.")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    alone = bare(options.nodes, options.records, options.seconds)
    found = ours(options.nodes, options.records, options.seconds)
    if options.json:
        json.dump({"ours": found, "bare": alone}, sys.stdout)
        return
    print(
        f"{options.nodes} nodes, {found['tasks']} tasks in {found['seconds']:.0f} s,"
        f" {found['records_per_s']:.1f} records/s; {found['cpu_cores']:.2f} cores,"
        f" {found['cpu_ms_per_message']:.2f} ms of them for each gossip message that came"
    )
    print(
        f"with sync       100 % of all records, equal {found['equal_after_s']:.1f} s after the last"
    )
    print(
        f"by gossip alone at least {found['by_gossip_share']:.2%} of the deliveries;"
        f" tasks p50 {found['p50_s'] * 1e3:.0f} ms, p99 {found['p99_s'] * 1e3:.0f} ms"
    )
    print(
        f"bare library    {alone['delivered_share']:.2%} of {alone['published']} messages;"
        f" p50 {alone['p50_s'] * 1e3:.0f} ms, p99 {alone['p99_s'] * 1e3:.0f} ms"
    )


def _numbers(node: BenchNode) -> dict[str, float]:
    """Return what a node counts, by our names."""
    found = node.metrics()
    sync = "aimarket_sync_records_total"
    return {
        "records": found["aimarket_records"],
        "moved": found[f'{sync}{{direction="fetched"}}'] + found[f'{sync}{{direction="pushed"}}'],
        "messages_in": found['aimarket_gossip_messages_total{direction="in"}'],
        "cpu_s": found["process_cpu_seconds_total"],
    }


def _until_equal(nodes: list[BenchNode], tasks: int) -> float:
    """Wait until all logs have every task final and are equal; return after how many seconds."""
    began = time.monotonic()
    while True:
        found = [node.status() for node in nodes]
        digests = {(one["state_digest"], one["records"]) for one in found}
        if len(digests) == 1 and all(one["tasks"].get("final", 0) == tasks for one in found):
            return time.monotonic() - began
        if time.monotonic() - began > EQUAL_WITHIN_S:
            raise RuntimeError(f"not equal: {[(one['records'], one['tasks']) for one in found]}")
        time.sleep(0.1)


def _spread(ascending: list[float]) -> dict[str, float]:
    if not ascending:
        return {"p50_s": float("inf"), "p99_s": float("inf")}
    return {
        "p50_s": ascending[len(ascending) // 2],
        "p99_s": ascending[int(len(ascending) * 0.99)],
    }


def _say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _heard(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"a bare process ended: {process.poll()}"
    return json.loads(line)


if __name__ == "__main__":
    main()
