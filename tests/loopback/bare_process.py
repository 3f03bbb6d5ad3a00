"""Starts the bare host as a process of its own, and ends it by its id."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

ROOT = Path(__file__).parents[2]


@dataclass
class BareProcess:
    """A running bare host.

    Attributes:
        process: The process itself.
        address: The full multiaddr it listens on.
    """

    process: trio.Process
    address: str

    @property
    def peer_id(self) -> str:
        return self.address.rpartition("/p2p/")[2]

    @property
    def port(self) -> int:
        return int(self.address.split("/")[4])

    def rss_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def bare_process(seed: bytes, *listen: str) -> AsyncIterator[BareProcess]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.loopback.bare_host", seed.hex(), *listen],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = b""
        with trio.fail_after(30):
            while not line.endswith(b"\n"):
                chunk = await process.stdout.receive_some()
                assert chunk, "the bare host ended before it listened"
                line += chunk
        yield BareProcess(process, line.decode().strip())
    finally:
        process.kill()
        with trio.CancelScope() as scope:
            scope.shield = True
            await process.wait()
