"""LevelDB as a log: safe between two threads, and never wrong without saying so."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.errors import StoreDamaged, StoreError
from node.store.level import LevelLog

WRITER = """
import sys
from pathlib import Path
from node.store.level import LevelLog
log = LevelLog(Path(sys.argv[1]))
number = sum(1 for _ in log.scan(b"a"))
while True:
    log.stage({b"a%08d" % number: b"x" * 200, b"b%08d" % number: b"y" * 200})
    log.flush()
    number += 1
    print(number, flush=True)
"""


def a_value(number: int) -> bytes:
    return random.Random(number).randbytes(60)


def filled(folder: Path, count: int = 3_000) -> dict[bytes, bytes]:
    """Write rows, and close twice so that they reach a table."""
    rows = {b"row%06d" % number: a_value(number) for number in range(count)}
    log = LevelLog(folder, create=True)
    log.stage(dict(rows))
    log.flush(sync=True)
    log.close()
    LevelLog(folder).close()  # what the write-ahead log holds becomes a table
    return rows


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(data)


def read_all(folder: Path, rows: dict[bytes, bytes]) -> None:
    """Read every row in both ways; only an error may differ from what was written."""
    log = LevelLog(folder)
    try:
        for key, value in rows.items():
            assert log.get(key) == value
        assert dict(log.scan(b"")) == rows
    finally:
        log.close()


def test_open__refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged):
        LevelLog(tmp_path / "log")

    assert list((tmp_path / "log").glob("*.ldb")) == []


def test_create__refuses_a_folder_that_is_there(tmp_path: Path) -> None:
    filled(tmp_path / "log", 1)

    with pytest.raises(StoreError, match="File exists"):
        LevelLog(tmp_path / "log", create=True)


def test_open__refuses_a_second_owner(tmp_path: Path) -> None:
    first = LevelLog(tmp_path / "log", create=True)

    with pytest.raises(StoreError, match="lock") as refused:
        LevelLog(tmp_path / "log")

    first.close()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*", "*.ldb"])
def test_open__finds_a_missing_file(tmp_path: Path, name: str) -> None:
    rows = filled(tmp_path / "log")
    next((tmp_path / "log").glob(name)).unlink()

    with pytest.raises(StoreError):
        read_all(tmp_path / "log", rows)


def test_reads__find_flipped_bits_in_tables(tmp_path: Path) -> None:
    rows = filled(tmp_path / "whole")
    dice = random.Random(5)
    table = next((tmp_path / "whole").glob("*.ldb")).name
    size = (tmp_path / "whole" / table).stat().st_size
    found: list[StoreError] = []

    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        flip(folder / table, dice.randrange(size * 8))
        try:
            read_all(folder, rows)
        except StoreError as error:
            found.append(error)
        shutil.rmtree(folder)

    assert all(isinstance(error, StoreDamaged) for error in found)
    assert not any("\n" in str(error) for error in found)
    # The rest hit the filter, which LevelDB then does without, or bytes that nothing reads.
    assert len(found) >= 54


def test_open__never_shows_wrong_rows__with_bits_flipped_in_the_write_ahead_log(
    tmp_path: Path,
) -> None:
    steps = [{b"row": b"%d" % number, b"pair": b"%d" % number} for number in range(300)]
    log = LevelLog(tmp_path / "whole", create=True)
    for step in steps:
        log.stage(dict(step))
        log.flush()
    log.close()
    path = next((tmp_path / "whole").glob("*.log"))
    dice = random.Random(7)
    refused = 0

    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        flip(folder / path.name, dice.randrange(path.stat().st_size * 8))
        try:
            log = LevelLog(folder)
        except StoreDamaged:
            refused += 1
            continue
        # A changed length in the last block looks like a torn tail: older, but never wrong.
        assert dict(log.scan(b"")) in [{}, *steps]
        log.close()

    assert refused >= 50


@pytest.mark.parametrize("name", ["MANIFEST-*", "CURRENT"])
def test_open__finds_flipped_bits_in_the_list_of_tables(tmp_path: Path, name: str) -> None:
    rows = filled(tmp_path / "whole", 200)
    dice = random.Random(6)

    for number in range(30):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        path = next(folder.glob(name))
        flip(path, dice.randrange(path.stat().st_size * 8))
        with pytest.raises(StoreError):
            read_all(folder, rows)
        shutil.rmtree(folder)


def test_scan__stops_at_damage_instead_of_ending(tmp_path: Path) -> None:
    rows = filled(tmp_path / "log")
    table = next((tmp_path / "log").glob("*.ldb"))
    flip(table, table.stat().st_size * 4)
    log = LevelLog(tmp_path / "log")
    seen: list[tuple[bytes, bytes]] = []

    with pytest.raises(StoreDamaged):
        seen.extend(log.scan(b"row"))

    assert seen == sorted(rows.items())[: len(seen)]
    log.close()


def test_flush__keeps_every_row_visible__while_it_runs(tmp_path: Path) -> None:
    log = LevelLog(tmp_path / "log", create=True)
    stop = threading.Event()

    def flush_for_ever() -> None:
        while not stop.is_set():
            log.flush()

    thread = threading.Thread(target=flush_for_ever)
    thread.start()
    try:
        for number in range(2_000):
            key = b"row%04d" % (number % 50)
            log.stage({key: b"%d" % number, b"pair": b"%d" % number})
            assert log.get(key) == b"%d" % number
            if number % 20 == 0:
                assert dict(log.scan(b""))[key] == b"%d" % number
    finally:
        stop.set()
        thread.join()
    log.flush()
    log.close()

    kept = dict(LevelLog(tmp_path / "log").scan(b"row"))
    assert kept == {b"row%04d" % index: b"%d" % (1_950 + index) for index in range(50)}


def test_flush__fails_until_reopened__when_the_disk_is_full(tmp_path: Path) -> None:
    log = LevelLog(tmp_path / "log", create=True)
    log.stage({b"kept": b"1"})
    log.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    log.stage({b"large": os.urandom(200_000)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StoreError, match="cannot write"):
            log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    log.stage({b"later": b"3"})
    with pytest.raises(StoreError, match="cannot write"):
        log.flush()
    assert log.get(b"large") is not None
    assert log.get(b"kept") == b"1"
    log.close()

    again = LevelLog(tmp_path / "log")
    assert list(again.scan(b"")) == [(b"kept", b"1")]
    again.stage({b"later": b"3"})
    again.flush()
    again.close()


@pytest.mark.parametrize("act", [LevelLog.flush, LevelLog.close])
def test_close__ends_writing(tmp_path: Path, act: Callable[[LevelLog], None]) -> None:
    log = LevelLog(tmp_path / "log", create=True)
    log.close()

    if act is LevelLog.close:
        act(log)
    else:
        with pytest.raises(StoreError, match="is closed"):
            act(log)


def test_flush__loses_nothing_and_halves_nothing__when_killed(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    LevelLog(folder, create=True).close()

    for lines in (1, 3, 30, 300):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.kill()
            heard = [int(line) for line in process.stdout if line.endswith("\n")]
        acknowledged = max([acknowledged, *heard])

        log = LevelLog(folder)
        firsts = [key[1:] for key, _ in log.scan(b"a")]
        seconds = [key[1:] for key, _ in log.scan(b"b")]
        log.close()
        assert firsts == seconds
        assert firsts == [b"%08d" % number for number in range(len(firsts))]
        assert len(firsts) >= acknowledged


def test_snapshot__is_refused_once_the_log_is_closed(tmp_path: Path) -> None:
    log = LevelLog(tmp_path / "log", create=True)
    with log.snapshot() as rows:
        log.close()

        with pytest.raises(StoreError):
            rows.get(b"a")
        with pytest.raises(StoreError):
            list(rows.scan(b"a"))
    with pytest.raises(StoreError):
        log.snapshot().__enter__()
