"""The README's commands for several machines, each a network namespace with a home of its own.

Every command of a console block whose prompt names a machine is run there as it is written; ADDR is
what alice printed. What a block shows must come.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.machines import Machine
from tests.chaos.wires import Wires
from tests.loopback.nodes import READY_S, ROOT, until
from tests.loopback.test_transcript import missing

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.chaos_ci,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(240),
]

PROMPT = re.compile(r"([a-z]+)\$ (.*)")
PRINTED_ADDRESS = re.compile(r"on the next machine run: aimarket-node --bootstrap (\S+) --id NAME")
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
