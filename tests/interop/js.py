"""Runs programs written with js-libp2p beside our nodes, and hears what they tell."""

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
REQUIRE = "AIMARKET_REQUIRE_NODE"
NODE_MAJOR_MIN = 20
EVENTS_MAX = 100_000  # a line each; a guess far above what a test brings about

Event = dict[str, Any]


def why_no_js() -> str:
    """Say what is missing on this machine; empty when the programs can run."""
    program = shutil.which("node")
    if program is None:
        return "Node.js is not installed"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").split(".")[0]) < NODE_MAJOR_MIN:
        return f"Node.js is {said.strip()}, at least {NODE_MAJOR_MIN} is needed"
    if not (HERE / "node_modules" / "libp2p").is_dir():
        return f"js-libp2p is not installed: run npm ci in {HERE}"
    return ""


def need_js() -> None:
    """Skip aloud, or fail where skipping is not allowed."""
    problem = why_no_js()
    if problem and os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {problem}", pytrace=False)
    if problem:
        pytest.skip(f"NOT TESTED: {problem}")


class Js:
    """One running program: lines in, events out."""

    def __init__(self, process: "subprocess.Popen[str]", complaints: Path) -> None:
        self.heard: list[Event] = []
        self._process = process
        self._complaints = complaints
        self._lines: queue.Queue[str | None] = queue.Queue(EVENTS_MAX)
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()

    def say(self, line: str) -> None:
        """Hand it one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self, event: str, *, within_s: float, **fields: object) -> Event:
        """Return the first event of that name and those fields, heard already or still to come."""
        for number in range(EVENTS_MAX):
            if number == len(self.heard):
                self.heard.append(self._next(f"{event} {fields}", within_s))
            found = self.heard[number]
            if found["event"] == event and fields.items() <= found.items():
                return found
        raise AssertionError(f"{event}: not among {EVENTS_MAX} events")

    def so_far(self, event: str) -> list[Event]:
        """Return every event of that name that it told until now."""
        while not self._lines.empty():
            self.heard.append(self._next(event, 0))
        return [each for each in self.heard if each["event"] == event]

    def finish(self, *, within_s: float) -> int:
        """Let it end by itself and return its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(within_s)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self, out: IO[str]) -> None:
        for line in out:
            self._lines.put(line)
        self._lines.put(None)

    def _next(self, what: str, within_s: float) -> Event:
        try:
            line = self._lines.get(timeout=within_s) if within_s else self._lines.get_nowait()
        except queue.Empty:
            raise AssertionError(
                f"{what}: not within {within_s:g} s, last heard {self.heard[-3:]}"
            ) from None
        if line is None:
            self._lines.put(None)
            raise AssertionError(f"{what}: it ended: {self._complaints.read_text()}")
        event: Event = json.loads(line)
        return event


@contextmanager
def js(program: str, arguments: Sequence[str], complaints: Path) -> Iterator[Js]:
    """Run one of the programs beside this file; it does not outlive the test."""
    command = ["node", "--import", str(HERE / "with_resolvers.mjs"), str(HERE / program)]
    with complaints.open("wb") as err:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    running = Js(process, complaints)
    try:
        yield running
    finally:
        running.close()
