"""A damaged log becomes a whole one: nothing of ours is lost, nothing wrong gets in."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from node.core.own import read_entry
from node.errors import StartError, StoreDamaged
from node.repair import Repaired, repair_store
from node.restore import unjournaled
from node.store.directory import FORMAT, read_marker
from node.store.journal import Journal
from node.store.level import LevelLog
from tests.builders import NETWORK, key
from tests.node.stores import (
    OWNER,
    a_node,
    a_store,
    files_in,
    flip,
    make_older,
    opened,
    own_records,
    records_of,
    remark,
    rows_of,
    verified,
)

ROOT = Path(__file__).parents[2]
KILLED = 9
# Repairs a copy of a damaged store in a child for each step after which it is to be killed, until
# one comes through. The parent opens no log: LevelDB's threads do not live on in a child.
KILLER = f"""
import os, shutil, sys
from pathlib import Path
from node import repair
from tests.builders import NETWORK, key

repair.FOLDED_TOGETHER = 50
damaged, home = Path(sys.argv[1]), Path(sys.argv[2])
for moment in range(100):
    path = home / str(moment)
    shutil.copytree(damaged, path)
    child = os.fork()
    if child == 0:
        told = 0
        def progress(what, records):
            global told
            told += 1
            if told > moment:
                os._exit({KILLED})
        repair.repair_store(
            path, network=NETWORK, public_key=key("{OWNER}"), nickname="{OWNER}", progress=progress
        )
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
    if status == 0:
        break
"""


def repaired(path: Path) -> Repaired:
    return repair_store(path, network=NETWORK, public_key=key(OWNER), nickname=OWNER)


def table_of(path: Path) -> Path:
    return sorted((path / "log").glob("*.ldb"))[0]


def write_ahead_log_of(path: Path) -> Path:
    return max((path / "log").glob("*.log"), key=lambda file: file.stat().st_size)


def only(path: Path, pattern: str) -> Path:
    (found,) = (path / "log").glob(pattern)
    return found


def fill(path: Path, letter: bytes) -> None:
    path.write_bytes(letter * path.stat().st_size)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no CURRENT": lambda path: (path / "log" / "CURRENT").unlink(),
    "an empty CURRENT": lambda path: (path / "log" / "CURRENT").write_bytes(b""),
    "a CURRENT of nonsense": lambda path: (path / "log" / "CURRENT").write_bytes(b"MANIFEST-0\n"),
    "no manifest": lambda path: only(path, "MANIFEST-*").unlink(),
    "a zeroed manifest": lambda path: fill(only(path, "MANIFEST-*"), b"\0"),
    "a flipped manifest": lambda path: flip(only(path, "MANIFEST-*"), 99),
    "no table": lambda path: table_of(path).unlink(),
    "a cut table": lambda path: shutil.copyfile(path / "key", table_of(path)),
    "a flipped table": lambda path: flip(table_of(path), table_of(path).stat().st_size * 4),
    "no write-ahead log": lambda path: write_ahead_log_of(path).unlink(),
    "a flipped write-ahead log": lambda path: flip(write_ahead_log_of(path), 9_999),
    "a write-ahead log of nonsense": lambda path: fill(write_ahead_log_of(path), b"\xa5"),
    "an empty folder": lambda path: empty(path / "log"),
    "no folder": lambda path: shutil.rmtree(path / "log"),
    "no marker": lambda path: (path / "marker").unlink(),
    "a damaged marker": lambda path: (path / "marker").write_bytes(b"{"),
    "nothing wrong": lambda path: None,
}
NOTHING = {"an empty folder", "no folder"}
WHOLE = {"no CURRENT", "an empty CURRENT", "a CURRENT of nonsense", "no manifest", "no marker"}
WHOLE |= {"a zeroed manifest", "a flipped manifest", "a damaged marker", "nothing wrong"}


@pytest.mark.parametrize("kind", DAMAGE)
def test_repair_store__makes_a_whole_store_of_any_wreck(tmp_path: Path, kind: str) -> None:
    rows, _ = a_node()
    path = a_store(tmp_path / OWNER)
    DAMAGE[kind](path)
    journal = (path / "journal").read_bytes()
    damaged = files_in(path / "log")

    result = repaired(path)

    report = verified(path)
    assert report.findings == report.notes == []
    found = records_of(rows_of(path))
    assert own_records().items() <= found.items() <= records_of(rows).items()
    if kind in WHOLE:
        assert found == records_of(rows)
    if kind in NOTHING:
        assert found == own_records()
    else:
        assert len(found) >= len(records_of(rows)) // 3
    assert result.records == len(found)
    assert (path / "journal").read_bytes() == journal
    if kind == "no folder":
        assert result.kept_at is None
    else:
        assert result.kept_at is not None
        assert files_in(result.kept_at) == damaged
    assert not list(path.glob("log.[!d]*"))


def test_repair_store__keeps_every_row__where_all_could_be_read(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "log" / "CURRENT").unlink()

    result = repaired(path)

    assert rows_of(path) == a_node()[0]  # what the user gave up, too
    assert (result.salvaged, result.lost) == (result.records, 0)


def test_repair_store__tells_what_it_knows_to_be_lost(tmp_path: Path) -> None:
    rows, entries = a_node()
    path = a_store(tmp_path / OWNER)
    store = opened(path)
    records = sorted(records_of(rows))
    gone = [row for row in records if row not in own_records()][:7] + list(own_records())[:2]
    store.log.stage(dict.fromkeys(gone) | {records[-1]: b"not a record"})
    store.log.flush()
    store.close()

    result = repaired(path)

    assert len(entries) > 2
    assert (result.refused, result.lost, result.restored) == (1, 8, 2)
    assert verified(path).is_ok


def test_repair_store__can_be_begun_again_after_a_kill_at_any_step(tmp_path: Path) -> None:
    rows, _ = a_node()
    damaged = a_store(tmp_path / "damaged")
    (damaged / "log" / "CURRENT").unlink()
    (damaged / "marker").unlink()
    before = files_in(damaged / "log")
    journal = (damaged / "journal").read_bytes()
    command = [sys.executable, "-c", KILLER, str(damaged), str(tmp_path)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    *kills, last = [int(line) for line in ended.stdout.split()]
    assert last == 0
    assert kills == [KILLED] * len(kills)
    batches = -(-len(records_of(rows)) // 50)
    assert len(kills) == batches + 5  # copied, made, moved aside, put in its place, finished
    for moment in range(len(kills)):
        path = tmp_path / str(moment)
        repaired(path)
        assert verified(path).is_ok, f"killed after {moment + 1} steps"
        assert rows_of(path) == rows, f"killed after {moment + 1} steps"
        assert (path / "journal").read_bytes() == journal
        kept = [files_in(one) for one in sorted(path.glob("log.damaged-*"))]
        assert before in kept, f"killed after {moment + 1} steps"
        assert not list(path.glob("log.[!d]*"))


def test_open_store__refuses_between_the_two_moves_of_a_repair(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "log").rename(path / "log.repaired")

    with pytest.raises(StoreDamaged, match="log is missing") as refused:
        opened(path)
    assert str(refused.value).endswith("run `aimarket-node repair --id an`")
    result = repaired(path)

    assert (result.salvaged, result.kept_at) == (0, None)
    assert rows_of(path) == a_node()[0]


def test_repair_store__never_takes_a_new_log_that_a_node_may_have_outgrown(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    shutil.copytree(path / "log", path / "log.repaired")
    log = LevelLog(path / "log.repaired")
    log.stage(dict.fromkeys(row for row, _ in log.scan(b"")))
    log.flush()
    log.close()

    repaired(path)

    assert rows_of(path) == a_node()[0]


def test_repair_store__brings_an_older_store_up_to_date(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    make_older(path)

    repaired(path)

    marker = read_marker(path)
    assert marker is not None
    assert marker.format == FORMAT
    assert verified(path).is_ok


@pytest.mark.parametrize("how", ["flipped", "gone", "empty"])
def test_repair_store__refuses_a_damaged_journal(tmp_path: Path, how: str) -> None:
    path = a_store(tmp_path / OWNER)
    journal = path / "journal"
    match how:
        case "flipped":
            flip(journal, journal.stat().st_size * 4)
        case "gone":
            journal.unlink()
        case _:
            journal.write_bytes(b"")
    before = files_in(path)

    with pytest.raises(StoreDamaged) as refused:
        repaired(path)

    assert str(refused.value).startswith(str(journal))
    assert str(refused.value).endswith(
        "without it nobody knows all that this key said, so it must never sign again: "
        "begin a node with another --id"
    )
    assert files_in(path) == before


def test_repair_store__refuses_what_is_not_ours(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)

    with pytest.raises(StartError, match="belongs to key"):
        repair_store(path, network=NETWORK, public_key=key("bo"), nickname=OWNER)
    remark(path, format=FORMAT + 1)
    with pytest.raises(StartError, match="use a newer one"):
        repaired(path)
    (path / "marker").unlink()
    with pytest.raises(StoreDamaged, match="begun by another key"):
        repair_store(path, network=NETWORK, public_key=key("bo"), nickname=OWNER)


def test_repair_store__has_nothing_to_do_where_nothing_was_begun(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="never used"):
        repaired(tmp_path)

    path = a_store(tmp_path / OWNER)
    (path / "marker").unlink()
    (path / "initialising").touch()
    with pytest.raises(StartError, match="never used"):
        repaired(path)


def test_repair_store__leaves_the_journals_torn_tail_to_the_node(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    journal = path / "journal"
    journal.write_bytes(journal.read_bytes() + b"\0\0")

    repaired(path)

    store = opened(path)
    assert store.torn
    store.close()


def test_repair_store__leaves_it_known_that_a_journal_lacks_what_the_log_holds(
    tmp_path: Path,
) -> None:
    path = a_store(tmp_path / OWNER)
    _, entries = a_node()
    (path / "journal").unlink()
    journal = Journal.create(path / "journal", owner=NETWORK.network_id + key(OWNER))
    journal.append(entries[:3])  # an old copy that was put back
    journal.close()

    repaired(path)

    store = opened(path)
    strange = unjournaled(store.log, store.journal_entries, NETWORK)
    assert {entry.record for entry in strange} == {
        read_entry(data, NETWORK.params).record for data in entries[3:]
    }
    store.close()
