"""Kills a process before each step it takes on the disk, one process a step.

Run as `python -m tests.node.key_steps ACTION FOLDER STRIDE`: what is killed before step n works in
`FOLDER/n`, which is prepared by the same action. Prints how many steps there are; the process that
was let through worked in the last folder.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from node.key_sealing import LOG2_N_MIN, seal_key
from node.keys import load_key, replace_key
from node.store.open import open_store
from protocol.ids import sha256

SEED = sha256(b"a seed")
PASSPHRASE = b"open sesame"
NETWORK_ID = b"n" * 16


def create(folder: Path) -> None:
    load_key(folder / "node")


def create_sealed(folder: Path) -> None:
    load_key(folder / "node", passphrase_file=folder / "passphrase")


def begin(folder: Path) -> None:
    begin_store(folder / "node")


def unprotect(folder: Path) -> None:
    replace_key(folder / "node/key", SEED, None)


def protect(folder: Path) -> None:
    replace_key(folder / "node/key", SEED, PASSPHRASE)


def begin_store(directory: Path) -> bytes:
    """Do what a node does at its start, as far as its disk goes; return whose it is."""
    public_key = load_key(directory).signer.public_key
    open_store(directory, network_id=NETWORK_ID, public_key=public_key, nickname="an").close()
    return public_key


def prepare(action: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    if action == "create_sealed":
        write(folder / "passphrase", PASSPHRASE)
    if action in ("protect", "unprotect"):
        (folder / "node").mkdir(mode=0o700)
        load_key(folder / "node")
        replace_key(folder / "node/key", SEED, None)
    if action == "unprotect":
        write(folder / "node/key", seal_key(SEED, PASSPHRASE, log2_n=LOG2_N_MIN))


def write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


ACTIONS: dict[str, Callable[[Path], None]] = {
    action.__name__: action for action in (create, create_sealed, begin, protect, unprotect)
}


def main(action: str, root: Path, stride: int) -> None:
    step = 1
    while True:
        folder = root / str(step)
        prepare(action, folder)
        pid = os.fork()
        if pid == 0:
            _die_before(step)
            ACTIONS[action](folder)
            sys.setprofile(None)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        step += stride
    print(step)


def _die_before(step: int) -> None:
    """Kill this process before its nth call to the operating system."""
    left = step

    def watch(frame: FrameType, event: str, called: Any) -> None:
        nonlocal left
        if event == "c_call" and called.__module__ == "posix":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
