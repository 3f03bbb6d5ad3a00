"""Five real nodes for half an hour: a task every five seconds, churn, a flooder for ten minutes.

What must not grow is read from every node that was never restarted, and its slope is printed:
memory, descriptors and tasks of the event loop, from the sixth minute on. At the end all logs are
equal. Memory of its own is what a node allocated; the rest of what is resident are files of LevelDB
that are mapped, which grow with the log and which the system takes back when it needs room. A node
that is flooded with valid records grows with its tables up to their bounds; so the slope after the
flood stands beside the whole.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.memory import resident_mib
from bench.nodes import BenchNode, network, started

NAMES = ["steady1", "steady2", "churn1", "churn2", "churn3"]
STEADY = 2  # these are never stopped
TASK_EVERY_S = 5.0
SAMPLE_EVERY_S = 10.0
CHURN_EVERY_S = 75.0
DOWN_S = 10.0
SETTLED_SHARE = 1 / 6  # of the time, before anything is expected to be flat: five minutes of thirty
EQUAL_WITHIN_S = 120.0
WATCHED = {
    "resident, MiB": "process_resident_memory_bytes",
    "descriptors": "process_open_fds",
    "loop tasks": "aimarket_loop_tasks",
    "log, MiB": "aimarket_log_bytes",
}
OWN = "own memory, MiB"


@dataclass(frozen=True)
class Sample:
    """What one node said of itself at one moment, by the names of `WATCHED`, and `OWN`."""

    node: str
    at_s: float
    numbers: dict[str, float]


class Soak:
    """The run, one step after the other; nothing waits for anything but the clock."""

    def __init__(self, root: Path, nodes: list[BenchNode], genesis: str, seconds: float) -> None:
        self.samples: list[Sample] = []
        self.asked: list[tuple[str, str]] = []
        self.stops = 0
        self._root = root
        self._nodes = nodes
        self._genesis = genesis
        self._seconds = seconds
        self._dice = random.Random(1)
        self._began = time.monotonic()
        self._down: tuple[int, float] | None = None  # which node, and when it comes back
        self._flooder: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Go through all of it."""
        due = {"task": 0.0, "sample": 0.0, "churn": CHURN_EVERY_S}
        steps = {"task": self._ask, "sample": self._sample, "churn": self._stop_one}
        pauses = {"task": TASK_EVERY_S, "sample": SAMPLE_EVERY_S, "churn": CHURN_EVERY_S}
        with ExitStack() as stack:
            stack.callback(self._end_flood)
            while (now_s := self._now_s()) < self._seconds:
                for name, step in steps.items():
                    if now_s >= due[name]:
                        step()
                        due[name] += pauses[name]
                self._bring_back(now_s)
                self._flood(now_s)
                time.sleep(0.1)
        self._bring_back(float("inf"))

    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _ask(self) -> None:
        up = [n for n in range(len(self._nodes)) if self._down is None or n != self._down[0]]
        node = self._nodes[self._dice.choice(up)]
        status, answer = node.patient("POST", "/tasks", {"text": f"task {len(self.asked)}"})
        assert status == 201, answer
        self.asked.append((node.name, answer["task_id"]))

    def _sample(self) -> None:
        for node in self._nodes[:STEADY]:
            found = node.metrics()
            numbers = {
                shown: found[name] / (2**20 if "MiB" in shown else 1)
                for shown, name in WATCHED.items()
            }
            numbers[OWN] = resident_mib(node)["RssAnon"]
            self.samples.append(Sample(node.name, self._now_s(), numbers))
        if sys.stderr.isatty():
            print(f"\r{self._now_s():5.0f} of {self._seconds:.0f} s", end="", file=sys.stderr)

    def _stop_one(self) -> None:
        if self._down is not None:
            return
        number = self._dice.randrange(STEADY, len(self._nodes))
        process = self._nodes[number].process
        process.send_signal(self._dice.choice([signal.SIGTERM, signal.SIGKILL]))
        process.wait(timeout=30)
        self.stops += 1
        self._down = (number, self._now_s() + DOWN_S)

    def _bring_back(self, now_s: float) -> None:
        if self._down is None or now_s < self._down[1]:
            return
        number = self._down[0]
        bootstrap = self._nodes[0].status()["addresses"]
        self._nodes[number] = started(self._root, NAMES[number], self._genesis, bootstrap)
        self._down = None

    def _flood(self, now_s: float) -> None:
        is_on = self._seconds / 3 <= now_s < self._seconds * 2 / 3
        if is_on and self._flooder is None:
            address = self._nodes[0].status()["addresses"][0]
            command = [sys.executable, "-m", "bench.flooder", address, self._genesis]
            self._flooder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if not is_on:
            self._end_flood()

    def _end_flood(self) -> None:
        if self._flooder is not None:
            self._flooder.kill()
            self._flooder.wait()
            self._flooder = None


def slope_per_hour(samples: list[tuple[float, float]]) -> float:
    """Return the least-squares slope of values over seconds, per hour; no number for one value."""
    count = len(samples)
    mean_s = sum(at for at, _ in samples) / count
    mean = sum(value for _, value in samples) / count
    spread = sum((at - mean_s) ** 2 for at, _ in samples)
    over = sum((at - mean_s) * (value - mean) for at, value in samples)
    return 3600 * over / spread if spread else float("nan")


def until_equal(nodes: list[BenchNode]) -> tuple[float, dict[str, int]]:
    """Return how long it took until all are equal, and how many tasks they have by state."""
    began = time.monotonic()
    while True:
        found = [node.status() for node in nodes]
        if len({(one["state_digest"], one["records"]) for one in found}) == 1:
            return time.monotonic() - began, found[0]["tasks"]
        if time.monotonic() - began > EQUAL_WITHIN_S:
            raise RuntimeError(f"not equal: {[(one['records'], one['tasks']) for one in found]}")
        time.sleep(0.2)


def main() -> None:
    """Run, and print the slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--samples", type=Path, help="Write all samples here, a document a line.")
    options = parser.parse_args()
    seconds = options.minutes * 60
    genesis = os.urandom(16).hex()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with network(root, NAMES, genesis=genesis) as nodes:
            soak = Soak(root, nodes, genesis, seconds)
            soak.run()
            equal_s, tasks = until_equal(nodes)
            states: dict[str, int] = {}
            for _, task_id in soak.asked:
                state = nodes[0].patient("GET", f"/tasks/{task_id}?wait=30")[1]["chain_state"]
                states[state] = states.get(state, 0) + 1
    if options.samples is not None:
        lines = (json.dumps([one.node, one.at_s, one.numbers]) for one in soak.samples)
        options.samples.write_text("\n".join(lines))
    print(
        f"{options.minutes:g} minutes, {len(soak.asked)} tasks asked: {states}; {soak.stops} stops"
    )
    print(f"logs equal {equal_s:.1f} s after the end; tasks in the log: {tasks}")
    spans = {"after the start": SETTLED_SHARE, "after the flood": 2 / 3}
    for node, name in itertools.product(NAMES[:STEADY], [OWN, *WATCHED]):
        own = [(one.at_s, one.numbers[name]) for one in soak.samples if one.node == node]
        slopes = "  ".join(
            f"{slope_per_hour([s for s in own if s[0] >= share * seconds]):+9.2f} /h {span}"
            for span, share in spans.items()
        )
        print(f"{node} {name:15} {own[0][1]:8.1f} to {own[-1][1]:8.1f}  {slopes}")
    if set(states) - {"final"}:
        sys.exit(f"not every task became final: {states}")


if __name__ == "__main__":
    main()
