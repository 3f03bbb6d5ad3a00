"""Stores of older versions become new ones when they are opened, whenever that is cut short."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from consensus.layout import RANGE_SUM
from consensus.range_sums import sync_items
from node.errors import StoreError
from node.store.directory import FORMAT, read_marker
from node.store.level import LevelLog
from node.store.open import open_store
from node.store.upgrade import STEPS, upgrade
from protocol.reconcile_tree import LEAF_MAX
from tests.builders import NETWORK, key
from tests.node.stores import OWNER, a_node, a_store, make_older, opened, rows_of

ROOT = Path(__file__).parents[2]
KILLS = 20
KILLED = 9
# Opens a copy of a store of format 1 in a child for each moment at which it is to be killed. The
# parent opens none: LevelDB's threads do not live on in a child.
KILLER = f"""
import os, shutil, sys
from pathlib import Path
from consensus import range_sums
from node.store.open import open_store
from tests.builders import NETWORK, key

range_sums.REBUILT_TOGETHER = 5
old, home, moments = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for moment in range(moments):
    path = home / str(moment)
    shutil.copytree(old, path)
    child = os.fork()
    if child == 0:
        told = 0
        def progress(done, total):
            global told
            told += 1
            if told > moment:
                os._exit({KILLED})
        open_store(
            path, network_id=NETWORK.network_id, public_key=key("{OWNER}"), nickname="{OWNER}",
            progress=progress,
        )
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def an_old_store(path: Path) -> Path:
    a_store(path)
    make_older(path)
    return path


def format_of(path: Path) -> int:
    marker = read_marker(path)
    assert marker is not None
    return marker.format


def test_steps__lead_from_every_older_format() -> None:
    assert sorted(STEPS) == list(range(1, FORMAT))


def test_open_store__brings_an_older_store_up_to_date_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows, _ = a_node()
    path = an_old_store(tmp_path / "an")
    journal = path / "journal"
    before = journal.read_bytes(), journal.stat().st_mtime_ns
    told: list[tuple[int, int]] = []
    caplog.set_level(logging.INFO)

    store = open_store(
        path,
        network_id=NETWORK.network_id,
        public_key=key(OWNER),
        nickname=OWNER,
        progress=lambda done, total: told.append((done, total)),
    )
    grown = dict(store.log.scan(b""))
    store.close()

    records = sum(row.startswith(b"r") for row in rows)
    assert grown == rows
    assert format_of(path) == FORMAT
    assert (journal.read_bytes(), journal.stat().st_mtime_ns) == before
    assert told[-1] == (records, records)
    assert [line.getMessage() for line in caplog.records] == [
        f"upgrading {path} from format 1 to {FORMAT}: {records} records",
        f"upgraded {path} to format {FORMAT}",
    ]


def test_open_store__leaves_a_store_of_today_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_store(tmp_path / "an")
    marker = path / "marker"
    before = marker.stat().st_mtime_ns
    caplog.set_level(logging.INFO)

    opened(path).close()

    assert marker.stat().st_mtime_ns == before
    assert caplog.records == []


def test_open_store__ends_an_upgrade_that_was_killed_at_any_point(tmp_path: Path) -> None:
    rows, _ = a_node()
    old = an_old_store(tmp_path / "old")
    journal = (old / "journal").read_bytes()
    command = [sys.executable, "-c", KILLER, str(old), str(tmp_path), str(KILLS)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout.split() == [str(KILLED)] * KILLS
    for moment in range(KILLS):
        path = tmp_path / str(moment)
        assert format_of(path) == 1
        if 5 * (moment + 1) > LEAF_MAX:  # fewer are counted without sums
            assert counted(path) == 5 * (moment + 1)
        assert rows_of(path) == rows, f"killed after {moment} batches"
        assert format_of(path) == FORMAT
        assert (path / "journal").read_bytes() == journal


def counted(path: Path) -> int:
    """Return how many records the sums speak of."""
    log = LevelLog(path / "log")
    try:
        return sync_items(log).size
    finally:
        log.close()


class Failing:
    """A log whose disk fails at the n-th write."""

    def __init__(self, log: LevelLog, writes: int) -> None:
        self._log = log
        self._writes = writes
        self.get = log.get
        self.scan = log.scan
        self.stage = log.stage

    def flush(self, *, sync: bool = False) -> None:
        if self._writes == 0:
            raise StoreError("the disk is full")
        self._writes -= 1
        self._log.flush(sync=sync)


@pytest.mark.parametrize("writes", [0, 1])
def test_upgrade__comes_out_right_after_a_disk_that_failed(tmp_path: Path, writes: int) -> None:
    rows, _ = a_node()
    path = an_old_store(tmp_path / "an")
    log = LevelLog(path / "log")

    with pytest.raises(StoreError):
        upgrade(Failing(log, writes), format=1, progress=lambda done, total: None)
    log.close()

    assert rows_of(path) == rows


def test_upgrade__makes_wrong_sums_right(tmp_path: Path) -> None:
    rows, _ = a_node()
    path = an_old_store(tmp_path / "an")
    log = LevelLog(path / "log")
    log.stage({RANGE_SUM + b"\x00": bytes(40), RANGE_SUM + b"\x05wrong": bytes(40)})
    log.flush()
    log.close()

    assert rows_of(path) == rows
