"""A data directory: one owner, one key, one network, and never a new store over an old one."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from node.errors import StartError, StoreDamaged
from node.store.directory import FORMAT, DataDirectory, make_folder
from node.store.open import Store, open_store
from protocol.errors import MarketError

NETWORK = b"n" * 16
KEY = b"k" * 32
OPENER = """
import sys
from pathlib import Path
from node.store.open import open_store
print("begin", flush=True)
open_store(Path(sys.argv[1]), network_id=b"n" * 16, public_key=b"k" * 32, nickname="killed")
print("open", flush=True)
sys.stdin.read()
"""


REPAIR = "run `aimarket-node repair --id alice`"
ADVICE = {"journal": "never sign again", "log": REPAIR, "log/CURRENT": REPAIR}


def opened(path: Path, *, network_id: bytes = NETWORK, public_key: bytes = KEY) -> Store:
    return open_store(path, network_id=network_id, public_key=public_key, nickname="alice")


def used(path: Path) -> Path:
    """Begin a store with one entry and one row, and close it."""
    store = opened(path)
    store.journal.append([b"said"])
    store.log.stage({b"row": b"1"})
    store.log.flush()
    store.close()
    return path


def remarked(path: Path, **fields: Any) -> None:
    marker = path / "marker"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | fields))


def refusal(path: Path, **owner: bytes) -> str:
    with pytest.raises(MarketError) as refused:
        opened(path, **owner)
    assert "\n" not in str(refused.value)
    return f"{type(refused.value).__name__}: {refused.value}"


def test_open_store__begins_one__in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    before = os.umask(0)

    store = opened(tmp_path / "deep" / "data")

    os.umask(before)
    modes = {
        name: stat.S_IMODE((tmp_path / "deep" / "data" / name).stat().st_mode)
        for name in ("", "lock", "marker", "journal", "log")
    }
    assert modes == {"": 0o700, "lock": 0o600, "marker": 0o600, "journal": 0o600, "log": 0o700}
    assert store.fresh
    assert not store.torn
    assert list(store.journal_entries) == []
    store.close()


def test_open_store__finds_what_an_earlier_process_left(tmp_path: Path) -> None:
    store = opened(used(tmp_path / "data"))

    assert not store.fresh
    assert list(store.journal_entries) == [b"said"]
    assert store.log.get(b"row") == b"1"
    store.close()


def test_open_store__says_that_the_journal_was_torn(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    journal = path / "journal"
    journal.write_bytes(journal.read_bytes()[:-1])

    store = opened(path)

    assert store.torn
    assert list(store.journal_entries) == []
    store.close()


def test_open_store__names_the_holder__when_the_directory_is_in_use(tmp_path: Path) -> None:
    store = opened(tmp_path)

    message = refusal(tmp_path)

    assert f"StartError: {tmp_path} is in use by process {os.getpid()} (alice); " in message
    store.close()
    opened(tmp_path).close()


def test_open_store__refuses_while_another_process_lives_and_not_after(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPENER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "open\n":
            pass
        message = refusal(tmp_path)
        process.kill()

    assert f"in use by process {process.pid} (killed)" in message
    opened(tmp_path).close()


@pytest.mark.parametrize("note", [b"", b"{", b'{"pid":1}', b"\xff", b"[]", b'{"pid":"x"}'])
def test_open_store__names_nobody__when_the_lock_says_nothing(tmp_path: Path, note: bytes) -> None:
    store = opened(tmp_path)
    (tmp_path / "lock").write_bytes(note)

    assert "in use by another process" in refusal(tmp_path)

    store.close()


def test_open_store__shows_a_hostile_nickname_on_one_line(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path, nickname="a\nb\x1b[31m")

    assert "(ab[31m)" in refusal(tmp_path)

    directory.close()


@pytest.mark.parametrize("part", ["journal", "log", "log/CURRENT"])
def test_open_store__names_the_part_that_is_missing(tmp_path: Path, part: str) -> None:
    path = used(tmp_path / "data")
    gone = path / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    message = refusal(path)

    assert message.startswith(f"StoreDamaged: {gone} is missing")
    assert ADVICE[part] in message
    assert not gone.exists()


@pytest.mark.parametrize("part", ["journal", "log"])
def test_open_store__refuses_a_store_without_its_marker(tmp_path: Path, part: str) -> None:
    path = used(tmp_path / "data")
    (path / "marker").unlink()
    other = path / ("log" if part == "journal" else "journal")
    shutil.rmtree(other) if other.is_dir() else other.unlink()

    message = refusal(path)

    assert message.startswith(f"StartError: {path / part} is there, but ")
    assert message.endswith(f"put it back, or {REPAIR}")
    assert (path / part).exists()


def test_open_store__refuses_another_network(tmp_path: Path) -> None:
    message = refusal(used(tmp_path / "data"), network_id=b"m" * 16)

    assert message.startswith("StartError: ")
    assert NETWORK.hex() in message
    assert (b"m" * 16).hex() in message


def test_open_store__refuses_another_key(tmp_path: Path) -> None:
    message = refusal(used(tmp_path / "data"), public_key=b"x" * 32)

    assert message.startswith("StartError: ")
    assert KEY.hex() in message
    assert (b"x" * 32).hex() in message


def test_open_store__refuses_a_newer_format(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    remarked(path, format=FORMAT + 1)

    message = refusal(path)

    assert message.startswith("StartError: ")
    assert f"has format {FORMAT + 1}, this program knows format {FORMAT}" in message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        b'{"format":0,"network_id":"","public_key":"","created":""}',
    ],
)
def test_open_store__finds_a_damaged_marker(tmp_path: Path, raw: bytes) -> None:
    path = used(tmp_path / "data")
    (path / "marker").write_bytes(raw)

    message = refusal(path)

    assert message.startswith(f"StoreDamaged: {path / 'marker'} is damaged")
    assert message.endswith(REPAIR)


def test_open_store__finds_a_journal_of_another_directory(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    opened(tmp_path / "other", public_key=b"x" * 32).close()
    shutil.copy(tmp_path / "other" / "journal", path / "journal")

    assert refusal(path).startswith("StoreDamaged: ")


def test_open_store__lets_go_of_the_directory__when_it_refuses(tmp_path: Path) -> None:
    path = used(tmp_path / "data")

    refusal(path, network_id=b"m" * 16)

    opened(path).close()


def test_open_store__begins_anew__after_a_killed_beginning(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    (path / "marker").unlink()
    (path / "initialising").touch()

    store = opened(path)

    assert store.fresh
    assert list(store.journal_entries) == []
    assert not (path / "initialising").exists()
    store.close()


def test_open_store__keeps_a_complete_store__beside_a_note_of_its_beginning(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    (path / "initialising").touch()

    store = opened(path)

    assert not store.fresh
    assert list(store.journal_entries) == [b"said"]
    assert not (path / "initialising").exists()
    store.close()


def test_open_store__survives_a_kill_at_any_moment_of_its_beginning(tmp_path: Path) -> None:
    dice = random.Random(8)
    began = 0

    for number in range(12):
        path = tmp_path / str(number)
        with subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            time.sleep(dice.random() * 0.01)  # any moment will do: the law has no exception
            process.kill()
        began += path.exists()

        store = opened(path)
        assert list(store.journal_entries) == []
        store.close()

    assert began


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_make_folder__refuses_one_that_others_write_in(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(StartError, match=f"mode {mode:04o}"):
        make_folder(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_make_folder__refuses_one_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, -1)

    with pytest.raises(StartError, match="belongs to user 1234, not to user 0"):
        make_folder(tmp_path)


def test_make_folder__refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(StartError, match="is not a folder"):
        make_folder(tmp_path / "data")


def test_open_store__refuses_a_symlink_for_a_lock(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "lock").symlink_to(tmp_path / "victim")

    assert refusal(tmp_path / "data").startswith("StartError: cannot open ")

    assert (tmp_path / "victim").read_text() == "precious"


def test_read_marker__is_what_a_person_reads(tmp_path: Path) -> None:
    fields = json.loads((used(tmp_path / "data") / "marker").read_text())

    assert fields.pop("created").endswith("+00:00")
    assert len(fields.pop("check")) == 16
    assert fields == {"format": FORMAT, "network_id": NETWORK.hex(), "public_key": KEY.hex()}


def test_open_store__refuses_damage_before_anything_is_signed(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    journal = path / "journal"
    data = bytearray(journal.read_bytes())
    data[-1] ^= 1
    journal.write_bytes(data)

    with pytest.raises(StoreDamaged, match="never sign again: begin a node with another --id"):
        opened(path)


def test_open_store__says_how_to_go_on__when_the_log_is_damaged(tmp_path: Path) -> None:
    path = used(tmp_path / "data")
    (manifest,) = (path / "log").glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[:-1])

    message = refusal(path)

    assert message.startswith(f"StoreDamaged: {path / 'log'} is damaged: ")
    assert message.endswith(REPAIR)
