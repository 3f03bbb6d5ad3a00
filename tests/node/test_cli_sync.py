"""`aimarket sync` against a live RPC server: what it shows, and when it ends."""

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from node.commands_sync import LEVEL_SECONDS, Lines, Rate, is_level
from node.views import StatusView, SyncView
from tests.fakes_market import BOB, FakeMarket, a_status
from tests.node.test_cli_commands import home, served

__all__ = ["home"]

NEW = SyncView("idle", "", 0, 0, 0, 0, 0, "", None)
MOVING = replace(NEW, state="moving", peer_id=BOB.peer_id, moved=400, expected=1_000)
LEVEL = replace(NEW, sessions=1, fetched=1_000, level_with=BOB.peer_id, level_s_ago=2)


class SyncingMarket(FakeMarket):
    """Shows one status after the other, the last one for ever."""

    def __init__(self, *shown: SyncView) -> None:
        super().__init__()
        self._left = list(shown)

    def status(self) -> StatusView:
        sync = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        return replace(a_status(), sync=sync)


async def test_sync__says_nothing_but_the_end_when_the_log_is_level(home: Path) -> None:
    async with served(SyncingMarket(LEVEL), home) as run:
        plain = await run("sync")
        as_json = await run("sync", "--json")

    assert (plain.code, plain.err) == (0, "")
    assert plain.out == f"12 records, level with ~{BOB.peer_id[-6:]} 2 s ago\n"
    assert json.loads(as_json.out)["level_with"] == BOB.peer_id
    assert json.loads(as_json.out)["records"] == 12


async def test_sync__tells_lines_off_a_terminal_and_ends_when_level(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.commands_sync.TOLD_SECONDS", 0.0)
    monkeypatch.setattr("node.commands_sync.POLL_SECONDS", 0.01)
    market = SyncingMarket(NEW, MOVING, replace(MOVING, moved=900), LEVEL)
    async with served(market, home) as run:
        ended = await run("sync", "--json")

    first, second, third = ended.err.splitlines()
    assert ended.code == 0
    assert first == "not compared yet"
    assert second == f"400 of 1000 records moved with ~{BOB.peer_id[-6:]}"
    assert third.startswith(f"900 of 1000 records moved with ~{BOB.peer_id[-6:]}, ")
    assert third.endswith(" /s")
    assert json.loads(ended.out)["fetched"] == 1_000


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (MOVING, "400 of 1000 records moved"),
        (NEW, "not compared yet"),
        (replace(LEVEL, level_s_ago=LEVEL_SECONDS + 1), f"{LEVEL_SECONDS + 1} s ago"),
    ],
    ids=["moving", "never", "long ago"],
)
async def test_sync__exits_75_if_it_is_not_level_in_time(
    home: Path, shown: SyncView, said: str
) -> None:
    async with served(SyncingMarket(shown), home) as run:
        ended = await run("sync", "--timeout", "0.1", "--json")

    assert (ended.code, ended.out) == (75, "")
    assert said in ended.err.splitlines()[-1]
    assert "not level within 0.1 s" in ended.err


async def test_sync__names_the_reason_when_nobody_is_there(home: Path) -> None:
    class Alone(FakeMarket):
        def status(self) -> StatusView:
            return replace(a_status(), sync=NEW, peers=0)

    async with served(Alone(), home) as run:
        ended = await run("sync", "--timeout", "0")

    assert ended.code == 75
    assert "no peer is connected" in ended.err


async def test_sync__draws_a_bar_on_a_terminal_and_keeps_the_output_clean(home: Path) -> None:
    market = SyncingMarket(MOVING, replace(MOVING, moved=700), LEVEL)
    async with served(market, home):
        code, out, drawn = await trio.to_thread.run_sync(run_on_terminal, "sync", "--json")

    assert code == 0
    assert json.loads(out)["fetched"] == 1_000
    assert "400/1000" in drawn
    assert "\x1b[" in drawn


async def test_status__shows_how_far_the_log_is(home: Path) -> None:
    async with served(SyncingMarket(MOVING), home) as run:
        moving = await run("status")
    market = SyncingMarket(LEVEL)
    (home / "alice" / "rpc.json").unlink()
    (home / "alice").rmdir()
    async with served(market, home) as run:
        level = await run("status")

    assert "400 of 1000 records moved with" in moving.out
    assert "level with" in level.out


def test_is_level__is_not_said_while_records_move() -> None:
    documents = [
        {"level_s_ago": ago, "state": state}
        for ago in (None, 0, LEVEL_SECONDS, LEVEL_SECONDS + 1)
        for state in ("idle", "comparing", "moving")
    ]

    assert [document for document in documents if is_level(document)] == [
        {"level_s_ago": ago, "state": state}
        for ago in (0, LEVEL_SECONDS)
        for state in ("idle", "comparing")
    ]


def test_rate__begins_anew_with_each_peer(ticks: None) -> None:
    rate = Rate()
    told = [
        rate.text({"state": "moving", "peer_id": peer, "moved": moved})
        for peer, moved in [("bob", 100), ("bob", 300), ("cleo", 50), ("cleo", 60)]
    ]

    assert told == ["", "200 /s", "", "10 /s"]


def test_lines__are_not_told_twice_nor_too_often(
    ticks: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.commands_sync.TOLD_SECONDS", 7.0)
    lines = Lines()
    for moved in range(0, 1_000, 100):
        sync = {"state": "moving", "peer_id": "bob", "moved": moved, "expected": 1_000}
        lines.show({"sync": sync, "peers": 1})

    assert 2 <= len(capsys.readouterr().err.splitlines()) <= 5


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second passes between two looks at the clock."""
    moments = iter(range(10_000))
    monkeypatch.setattr("node.commands_sync.time.monotonic", lambda: float(next(moments)))


def run_on_terminal(*args: str) -> tuple[int, str, str]:
    """Run the command with a terminal for stderr; return its code, output and what was drawn."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "node.cli", *args], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        drawn = io.FileIO(ours)
        os.close(theirs)
        seen = b""
        try:
            while chunk := drawn.read(4_096):
                seen += chunk
        except OSError:  # the other end is closed
            pass
        assert process.stdout is not None
        out = process.stdout.read().decode()
        return process.wait(), out, seen.decode()
