"""Lends beds to scenarios, says aloud where the machine cannot, and sums up what was measured."""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import FAKETIME
from tests.chaos.sizes import new_seed, rng_of
from tests.chaos.wires import Wires, probe

REQUIRE = "AIMARKET_REQUIRE_NETNS"
_said: list[str] = []
_missing: set[str] = set()

Tell = Callable[[str], None]


@cache
def _why_no_wires() -> str:
    return probe()


def _need(problem: str) -> None:
    """Skip aloud, or fail where skipping is not allowed."""
    if not problem:
        return
    _missing.add(problem)
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {problem}", pytrace=False)
    pytest.skip(f"NOT TESTED: {problem}")


@pytest.fixture
def wired() -> None:
    """Ask for a machine that can make network namespaces and cut their wires."""
    _need(_why_no_wires())


@pytest.fixture
def wires(wired: None) -> Iterator[Wires]:
    """Lend a switch to plug namespaces into."""
    made = Wires()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def false_clocks() -> None:
    """Ask for libfaketime."""
    _need("" if Path(FAKETIME).exists() else f"libfaketime is not installed: no {FAKETIME}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Lend a folder on a disk of its own that a test can fill: 8 MiB of memory."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    _need(f"no tmpfs can be mounted: {done.stderr.strip()}" if done.returncode else "")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Return how a scenario says what it measured; shown at the end, passed or failed."""

    def say(line: str) -> None:
        print(line)
        _said.append(f"{request.node.name}: {line}")

    return say


@pytest.fixture
def rng(request: pytest.FixtureRequest, tell: Tell) -> Random:
    """Return the chance of a scenario, from a seed that is shown."""
    seed = new_seed()
    tell(f"AIMARKET_SEED={seed}")
    return rng_of(seed, request.node.name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures, and what could not be tested."""
    if _said:
        terminalreporter.section("chaos: measured")
        for line in _said:
            terminalreporter.line(line)
    if _missing:
        terminalreporter.section("chaos: THE REAL NETWORK WAS NOT TESTED", red=True, bold=True)
        for problem in sorted(_missing):
            terminalreporter.line(problem, red=True)
