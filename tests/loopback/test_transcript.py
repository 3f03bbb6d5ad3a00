"""The README's transcript, replayed: every command is run, every line it shows must come."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.loopback.nodes import (
    LOOPBACK,
    READY_S,
    ROOT,
    RealNode,
    Street,
    environment,
    street,
    until,
)

HEADING = "## From nothing to proof"
SHOWN_ID = re.compile(r"\b[0-9a-f]{8}\b")
COMMAND_S = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the transcript, and the lines it is said to print."""

    command: str
    expected: tuple[str, ...]


def steps_of(readme: str) -> Iterator[Step]:
    """Walk the commands of the first console block below the heading."""
    block = readme.split(HEADING, 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    command = ""
    expected: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield Step(command, tuple(expected))
            command, expected = line[2:].split("  #")[0].strip(), []
        elif line.strip():
            expected.append(line)
    yield Step(command, tuple(expected))


def is_shown(expected: str, printed: str) -> bool:
    """Answer whether a printed line is the one expected, where `…` stands for anything."""
    pattern = ".*".join(re.escape(part.strip()) for part in expected.split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None


def missing(expected: tuple[str, ...], printed: str) -> list[str]:
    """Return the expected lines that do not come, in their order; a lone `…` expects nothing."""
    lines = iter(printed.splitlines())
    wanted = [line for line in expected if line.strip() != "…"]
    return [line for line in wanted if not any(is_shown(line, one) for one in lines)]


def is_connected(pid: int) -> bool:
    """Answer whether a process has a connection; it asks at once, a command takes longer."""
    links = psutil.Process(pid).net_connections("tcp")
    return any(link.status == psutil.CONN_ESTABLISHED for link in links)


class Reader:
    """Somebody who types what the README says, in several terminals."""

    def __init__(self, town: Street, directory: Path) -> None:
        self._town = town
        self._directory = directory
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = environment(AIMARKET_HOME=str(town.home), NO_COLOR="1", PATH=path)
        self._nodes: list[RealNode] = []
        self._ids: dict[str, str] = {}  # the README's, and what it is today
        self._watching: tuple[Step, subprocess.Popen[str]] | None = None
        self.problems: list[str] = []

    def follow(self, step: Step) -> None:
        """Run one step and note what it did not show."""
        words = shlex.split(step.command)
        if words[0] == "aimarket-node":
            self._start_node(words)
        elif words[:2] == ["aimarket", "watch"]:
            self._wait_ready()
            process = subprocess.Popen(
                words, env=self._environment, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            self._watching = step, process
            until(lambda: is_connected(process.pid), within_s=READY_S, what="the watcher connected")
        else:
            self._run(step)

    def finish(self) -> None:
        """See that what was watched was shown."""
        assert self._watching is not None, "nothing is watched"
        step, process = self._watching
        assert process.stdout is not None
        printed = ""
        with alarm(COMMAND_S):
            while missing(self._today(step).expected, printed):
                line = process.stdout.readline()
                if not line:
                    break
                printed += line
        self._compare(self._today(step), printed)

    def close(self) -> None:
        """Close the terminal that watches."""
        if self._watching is not None:
            process = self._watching[1]
            process.terminate()
            process.wait(COMMAND_S)

    def _run(self, step: Step) -> None:
        today = self._today(step)
        ran = subprocess.run(
            ["bash", "-c", today.command],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if ran.returncode:
            self.problems.append(f"$ {today.command}: exit code {ran.returncode}: {ran.stderr}")
        for shown in SHOWN_ID.findall("\n".join(step.expected)):
            if shown not in self._ids:  # the task just submitted
                newest = self._nodes[0].ask("/tasks?limit=1")["tasks"][0]["task_id"]
                self._ids[shown] = newest[: len(shown)]
        self._compare(self._today(step), ran.stdout)

    def _today(self, step: Step) -> Step:
        lines = [step.command, *step.expected]
        for shown, real in self._ids.items():
            lines = [line.replace(shown, real) for line in lines]
        return Step(lines[0], tuple(lines[1:]))

    def _compare(self, step: Step, printed: str) -> None:
        for line in missing(step.expected, printed):
            self.problems.append(f"$ {step.command}: no line {line!r} in:\n{printed}")

    def _start_node(self, words: list[str]) -> None:
        name = words[words.index("--id") + 1]
        common = ("--listen", LOOPBACK, "--rpc-port", "0", "--network-genesis", self._town.genesis)
        node = RealNode(name, self._town.home, common)
        self._town.nodes.append(node)
        if self._nodes:
            assert words[words.index("--bootstrap") + 1] == "ADDR", "as another node printed it"
            node.launch("--bootstrap", self._nodes[0].address)
        else:
            self._town.home.mkdir()
            node.launch()
        node.wait_serving()
        self._nodes.append(node)

    def _wait_ready(self) -> None:
        def all_know_all() -> bool:
            capable = [node.status()["capable"].get("sentiment", 0) for node in self._nodes]
            return bool(min(capable) == len(self._nodes) - 1)

        until(all_know_all, within_s=READY_S, what="all know all")


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    rest = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *rest)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.e2e
def test_readme__shows_what_a_newcomer_sees(tmp_path: Path) -> None:
    steps = list(steps_of((ROOT / "README.md").read_text()))
    typed = [step.command.split()[:2] for step in steps]
    for must in ("submit", "watch", "explain", "certificate", "verify"):
        assert ["aimarket", must] in typed, f"the transcript has no {must}"
    with street(tmp_path) as town:
        reader = Reader(town, tmp_path)
        try:
            for step in steps:
                reader.follow(step)
            reader.finish()
        finally:
            reader.close()
    assert not reader.problems, "\n".join(reader.problems)


def test_missing__finds_lines_that_do_not_come_in_order() -> None:
    printed = "one\ntwo of 3\nthree"
    assert missing(("one", "two of …", "…", "three"), printed) == []
    assert missing(("two of 4",), printed) == ["two of 4"]
    assert missing(("three", "one"), printed) == ["one"]
