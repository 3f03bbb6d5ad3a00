"""The README's commands for several machines, each a network namespace with a home of its own.

Every command of a console block whose prompt names a machine is run there as it is written; ADDR is
what alice printed. What a block shows must come.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.wires import Plug, Wires
from tests.loopback.nodes import READY_S, ROOT, STOP_S, environment, until
from tests.loopback.test_transcript import missing

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.chaos_ci,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(240),
]

PROMPT = re.compile(r"([a-z]+)\$ (.*)")
PRINTED_ADDRESS = re.compile(r"on the next machine run: aimarket-node --bootstrap (\S+) --id NAME")
COMMAND_S = 90.0
EQUAL_S = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """One command, the machine it is typed on, and the lines it is said to print."""

    machine: str
    command: str
    expected: tuple[str, ...]


def blocks_of(readme: str) -> list[list[Step]]:
    """Return the steps of each console block whose prompts name machines."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        steps: list[Step] = []
        for line in block.splitlines():
            typed = PROMPT.fullmatch(line)
            if typed is not None:
                steps.append(Step(typed[1], typed[2].split("  #")[0].strip(), ()))
            elif steps and line.strip():
                last = steps.pop()
                steps.append(Step(last.machine, last.command, (*last.expected, line)))
        if steps:
            found.append(steps)
    return found


class Machine:
    """A network namespace, a home with nothing in it, and perhaps a node in a terminal."""

    def __init__(self, plug: Plug, home: Path) -> None:
        self._plug = plug
        self._home = home
        home.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = environment(HOME=str(home), PATH=path, NO_COLOR="1", PYTHONPATH=str(ROOT))
        self._environment = {
            name: value for name, value in variables.items() if not name.startswith("XDG_")
        }
        self._node: subprocess.Popen[bytes] | None = None

    def start(self, command: str) -> None:
        """Type a command that takes the terminal."""
        with self._screen.open("wb") as screen, self._complaints.open("wb") as complaints:
            self._node = subprocess.Popen(
                self._typed(command),
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=complaints,
            )

    def run(self, command: str) -> str:
        """Type a command and return what it prints."""
        ran = subprocess.run(
            self._typed(command),
            cwd=self._home,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert ran.returncode == 0, f"{command}: exit code {ran.returncode}: {ran.stderr}"
        return ran.stdout

    def shown(self) -> str:
        """Return what its node printed so far."""
        assert self._node is not None
        assert self._node.poll() is None, f"it ended: {self._complaints.read_text()}"
        return self._screen.read_text()

    def press_ctrl_c(self) -> int:
        """Stop its node as a user does, and return the exit code."""
        assert self._node is not None
        self._node.send_signal(signal.SIGINT)
        return self._node.wait(STOP_S)

    @property
    def complained(self) -> bool:
        return "Traceback" in self._complaints.read_text()

    @property
    def _screen(self) -> Path:
        return self._home.with_suffix(".out")

    @property
    def _complaints(self) -> Path:
        return self._home.with_suffix(".err")

    def _typed(self, command: str) -> list[str]:
        return ["ip", "netns", "exec", self._plug.namespace, *shlex.split(command)]


@pytest.fixture
def wires(wired: None) -> Iterator[Wires]:
    made = Wires()
    try:
        yield made
    finally:
        made.close()


def test_readme__shows_what_happens_on_several_machines(
    wires: Wires, tmp_path: Path, tell: Tell
) -> None:
    teaser, steps = blocks_of((ROOT / "README.md").read_text())
    machines: dict[str, Machine] = {}
    address = ""

    for step in steps:
        command = step.command.replace("ADDR", address) if address else step.command
        expected = tuple(line.replace("ADDR", address or "…") for line in step.expected)
        if command.startswith("aimarket-node"):
            here = machines[step.machine] = Machine(
                wires.plug(step.machine), tmp_path / step.machine
            )
            here.start(command)
            until(
                lambda: not missing(expected, here.shown()),  # noqa: B023 - asked at once
                within_s=READY_S,
                what=f"{step.machine} shows {expected}",
            )
            printed = PRINTED_ADDRESS.search(here.shown())
            address = address or (printed[1] if printed else "")
            continue
        if not step.command.startswith("aimarket submit"):
            _wait_equal(machines)
        printed_now = machines[step.machine].run(command)
        assert missing(expected, printed_now) == [], f"{step}: {printed_now}"
    codes = {name: machine.press_ctrl_c() for name, machine in machines.items()}

    tell(f"{len(steps)} commands on {len(machines)} machines; alice is at {address}")
    assert len(machines) >= 3
    assert set(codes.values()) == {0}
    assert not any(machine.complained for machine in machines.values())
    assert {(one.machine, _without_order(one.command)) for one in teaser} <= {
        (one.machine, _without_order(one.command)) for one in steps
    }


def _without_order(command: str) -> tuple[str, ...]:
    return tuple(sorted(shlex.split(command)))


def _wait_equal(machines: dict[str, Machine]) -> None:
    """Wait until all computed the same; whoever walks to another machine takes longer."""

    def states() -> set[str]:
        found = {}
        for name, machine in machines.items():
            (found[name],) = re.findall(
                r'"state_digest": "(\w+)"', machine.run("aimarket status --json")
            )
        return set(found.values())

    until(lambda: len(states()) == 1, within_s=EQUAL_S, what="all machines come to the same")
