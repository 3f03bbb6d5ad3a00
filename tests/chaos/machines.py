"""Machines that users type on: each a network namespace with a home of its own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.chaos.wires import Plug
from tests.loopback.nodes import ROOT, STOP_S, environment

COMMAND_S = 90.0


class Machine:
    """A network namespace, a home with nothing in it, and perhaps a node in a terminal.

    Args:
        plug: Its end of the wire.
        home: Its user's home, which is made.
        variables: What its user has in the environment, too.
    """

    def __init__(self, plug: Plug, home: Path, variables: Mapping[str, str] | None = None) -> None:
        self._plug = plug
        self._home = home
        home.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        usual = environment(HOME=str(home), PATH=path, NO_COLOR="1", PYTHONPATH=str(ROOT))
        bare = {name: value for name, value in usual.items() if not name.startswith("XDG_")}
        self._environment = {**bare, **(variables or {})}
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
