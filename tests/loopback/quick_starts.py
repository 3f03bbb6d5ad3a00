"""Starts `aimarket-node` many times over, each in a process of its own, and loads it only once.

Importing all that a node needs takes most of a start; here one process does it and then divides.
Run as `python -m tests.loopback.quick_starts`; a line of JSON asks for one start:

    arguments   the command line
    sign        a path whose appearance begins the countdown; null for none
    kill_s      how long after that the process is killed

and a line of JSON answers: code (negative for a signal), out, err.
"""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import node.daemon
from node.main import main as aimarket_node


def start(arguments: list[str], sign: str | None, kill_s: float) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _become(arguments, out, err)
        if sign is not None:
            while not Path(sign).exists() and _runs(pid):
                pass  # no pause: the moments that matter are short
            time.sleep(kill_s)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        return {"code": os.waitstatus_to_exitcode(status), "out": _text(out), "err": _text(err)}


def _become(arguments: list[str], out: BinaryIO, err: BinaryIO) -> None:
    with open(os.devnull, "rb") as nothing:
        for ours, fd in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(ours.fileno(), fd)
    code = 1
    try:
        aimarket_node(arguments, prog_name="aimarket-node")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _runs(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


if __name__ == "__main__":
    assert node.daemon, "what `aimarket-node` takes in when it needs it is here already"
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not divide"
    for line in sys.stdin:
        print(json.dumps(start(**json.loads(line))), flush=True)
