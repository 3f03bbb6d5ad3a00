"""`aimarket watch`: what it shows, and every way it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.commands_watch import TYPES, line_of
from node.feed import News
from node.rpc.client import Event
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from node.views_events import EventType
from tests.fakes_market import FakeMarket, a_reporter, services

TOKEN = "a" * 64
ID = "11" * 32
ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b[31mx\x9b2J\u202e\nfake"


AT_A_TERMINAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
from node.cli import main
sys.exit(main())
"""


@asynccontextmanager
async def watching(home: Path, *args: str) -> AsyncIterator[trio.Process]:
    """Run the command as a process of its own, which no test leaves behind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIMARKET_")}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", AT_A_TERMINAL, "watch", *args],
        cwd=ROOT,
        env={**kept, "AIMARKET_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        await process.wait()


class Served:
    """A node that can be started anew, with another secret each time."""

    def __init__(self, home: Path) -> None:
        self.reporter = a_reporter(run="cafe0001")
        self._path = home / "alice" / "rpc.json"
        self._path.parent.mkdir()
        self._starts = 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        self._starts += 1
        token = f"{self._starts}" * 64
        async with trio.open_nursery() as nursery:
            offered = services(FakeMarket(), self.reporter)
            url = await nursery.start(partial(serve_rpc, offered, port=0, token=token))
            write_rpc_file(self._path, RpcFile(url, token, os.getpid(), "alice"))
            yield
            nursery.cancel_scope.cancel()

    def happen(self, *kinds: EventType) -> None:
        self.reporter.feed.add([News(kind, bytes.fromhex(ID)) for kind in kinds])


async def lines(stream: trio.abc.ReceiveStream | None, count: int) -> list[str]:
    assert stream is not None
    raw = b""
    with trio.fail_after(20):
        while raw.count(b"\n") < count:
            raw += await stream.receive_some()
    return raw.decode().splitlines()


async def ended(process: trio.Process) -> int:
    with trio.fail_after(20):
        return await process.wait()


async def test_watch__follows_a_node_across_restarts_and_ends_with_130(tmp_path: Path) -> None:
    node = Served(tmp_path)
    node.happen("cancel")
    async with AsyncExitStack() as stack:
        async with node.up():
            arguments = ("--json", "--after", "cafe0001-0")
            process = await stack.enter_async_context(watching(tmp_path, *arguments))
            told = await lines(process.stdout, 1)
        lost = await lines(process.stderr, 1)
        node.happen("cancel")  # while nobody listens
        async with node.up():
            told += await lines(process.stdout, 1)
            back = await lines(process.stderr, 1)
            process.send_signal(signal.SIGINT)
            code = await ended(process)

    happened = [event.at_ms for event in node.reporter.feed.after(0).events]
    assert [json.loads(line) for line in told] == [
        {"schema": 1, "id": f"cafe0001-{n}", "type": "cancel", "task_id": ID, "at_ms": at_ms}
        for n, at_ms in enumerate(happened, 1)
    ]
    assert (lost, back) == (["lost the node; going on when it is back"], ["the node is back"])
    assert code == 130


async def test_watch__ends_when_its_reader_leaves_though_nothing_happens(tmp_path: Path) -> None:
    node = Served(tmp_path)
    node.happen("cancel")
    async with node.up(), watching(tmp_path, "--after", "cafe0001-0") as process:
        (line,) = await lines(process.stdout, 1)
        assert process.stdout is not None
        await process.stdout.aclose()
        code = await ended(process)
        assert process.stderr is not None
        said = await process.stderr.receive_some()

    assert line.split()[1:] == ["cancel", ID[:8], "given", "up", "here"]
    assert (code, said) == (1, b"")


async def test_watch__is_refused_like_every_command(tmp_path: Path) -> None:
    async with watching(tmp_path) as absent:
        code = await ended(absent)
    async with watching(tmp_path, "--type", "odd") as mistyped:
        usage = await ended(mistyped)

    assert (code, usage) == (69, 2)


BY = {"worker_id": HOSTILE, "peer_id": "12D3KooWBobBob\x1b"}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "task": {"task_id": ID, "task_type": HOSTILE, "submitter": BY, "seats": 3, "retry_of": ID},
    "commit": {"task_id": ID, "workers": [BY], "count": 3},
    "reveal": {"task_id": ID, "workers": [BY], "count": 1},
    "jury": {"task_id": ID, "by": BY, "jurors": [BY]},
    "verdict": {"task_id": ID, "state": "final", "answer": HOSTILE},
    "cancel": {"task_id": ID},
    "scores": {"state_digest": "ab" * 32},
    "peer": {"worker": BY, "connected": True},
    "node": {
        "ready": False, "waiting": HOSTILE, "signing": False, "read_only": "", "behind": True,
    },
    "gap": {"missed": None},
    "\x1b[2J": {"task_id": HOSTILE},
}  # fmt: skip


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_line_of__is_one_line_that_cannot_command_a_terminal(kind: str) -> None:
    line = line_of(Event("r-1", kind, {"type": kind, **DOCUMENTS[kind]}))

    assert line.isprintable()


def test_line_of__says_what_is_missing() -> None:
    assert line_of(Event("", "gap", {"missed": 12})) == "gap      12 events are missing here"
    assert line_of(Event("", "gap", {"missed": None})) == "gap      some events are missing here"


def test_types__are_those_of_the_node() -> None:
    assert set(TYPES) == set(EventType.__args__)  # type: ignore[attr-defined]
    assert {*TYPES, "gap"} <= DOCUMENTS.keys()
