"""The README shows a run of the simulator, which anybody can have again."""

import re
import shlex
from pathlib import Path

import pytest

from node.cli import main

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.compile(r"^\$ aimarket (simulate .*)\n((?:.+\n)+?)…$", re.MULTILINE)


def test_simulate__prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    ((command, shown),) = EXAMPLE.findall(README.read_text())

    code = main(shlex.split(command))

    printed = capsys.readouterr().out
    assert code == 0
    assert printed.startswith(shown), printed
