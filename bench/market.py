"""How fast three real nodes are: submit to final, start to ready, memory, and a backlog."""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.nodes import POLL_S, BenchNode, network

LATENCY_P50_TARGET_S = 1.0
READY_TARGET_S = 5.0
MEMORY_TARGET_MIB = 160
BACKLOG_WAIT_S = 600.0


def submit_to_final_s(node: BenchNode, number: int) -> float:
    """Return the seconds from POST /tasks to a final state, seen by polling."""
    began = time.monotonic()
    status, answer = node.patient("POST", "/tasks", {"text": f"latency {number}"})
    assert status == 201, answer
    while True:
        _, task = node.patient("GET", f"/tasks/{answer['task_id']}")
        if task["state"] == "final":
            return time.monotonic() - began
        time.sleep(POLL_S)


def submit_many(node: BenchNode, count: int) -> None:
    """Hand a node many tasks, one after the other."""
    for number in range(count):
        status, answer = node.patient("POST", "/tasks", {"text": f"{node.name} {number}"})
        while status == 429:
            time.sleep(0.05)
            status, answer = node.patient("POST", "/tasks", {"text": f"{node.name} {number}"})
        assert status == 201, answer


def backlog(nodes: list[BenchNode], tasks: int, already: int) -> tuple[float, float]:
    """Return tasks/s from the first submission until all are final everywhere, and the seconds.

    Args:
        nodes: Each submits its share at the same time.
        tasks: How many in all.
        already: How many final tasks the logs hold before.
    """
    share = [tasks // len(nodes) + (i < tasks % len(nodes)) for i in range(len(nodes))]
    began = time.monotonic()
    threads = [
        threading.Thread(target=submit_many, args=(node, count))
        for node, count in zip(nodes, share, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = began + BACKLOG_WAIT_S
    while True:
        finals = [node.status()["tasks"]["final"] for node in nodes]
        seconds = time.monotonic() - began
        if min(finals) >= already + tasks:
            return tasks / seconds, seconds
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {seconds:.0f} s final: {finals} of {already + tasks}")
        time.sleep(0.1)


def measure(latencies: int, tasks: int) -> dict[str, object]:
    """Run the three nodes and return every figure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        network(Path(folder), ["alice", "bob", "carole"]) as nodes,
    ):
        idle = max(node.resident_mib() for node in nodes)
        waits = sorted(submit_to_final_s(nodes[i % 3], i) for i in range(latencies))
        rate, seconds = backlog(nodes, tasks, already=latencies)
        digests = {node.status()["state_digest"] for node in nodes}
        assert len(digests) == 1, f"the nodes disagree: {digests}"
        return {
            "ready_s": [node.ready_s for node in nodes],
            "p50_s": statistics.median(waits),
            "p99_s": waits[int(len(waits) * 0.99)],
            "max_s": waits[-1],
            "idle_mib": idle,
            "after_backlog_mib": max(node.resident_mib() for node in nodes),
            "tasks": tasks,
            "tasks_per_s": rate,
            "backlog_s": seconds,
            "records": nodes[0].status()["records"],
        }


def main() -> None:
    """Print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latencies", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.latencies, options.tasks)
    if options.json:
        json.dump(report, sys.stdout)
        return
    ready = report["ready_s"]
    assert isinstance(ready, list)
    print(f"start to ready, no model    first node {ready[0]:.2f} s (target <= {READY_TARGET_S})")
    print(f"                            joining    {max(ready[1:]):.2f} s")
    print(
        f"submit to final, 3 nodes    p50 {report['p50_s']:.3f} s (target <= 1)"
        f"  p99 {report['p99_s']:.3f} s, polled every {POLL_S * 1000:.0f} ms"
    )
    print(
        f"memory of a node process    idle {report['idle_mib']:.0f} MiB,"
        f" after the backlog {report['after_backlog_mib']:.0f} MiB"
        f" (target <= {MEMORY_TARGET_MIB})"
    )
    print(
        f"backlog of {report['tasks']} tasks       {report['tasks_per_s']:.1f} verified tasks/s"
        f" ({report['backlog_s']:.1f} s, {report['records']} records on each node)"
    )


if __name__ == "__main__":
    main()
