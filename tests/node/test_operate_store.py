"""The commands for a store that stands still: they say what they found, and what to do next."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consensus import layout
from node.commands import SCHEMA
from node.errors import StoreDamaged
from node.main import main
from node.store.open import looking_at
from node.verify import FINDINGS_MAX
from tests.builders import NETWORK
from tests.node.stores import (
    OWNER,
    a_node,
    a_store,
    files_in,
    flip,
    make_older,
    opened,
    records_of,
    rows_of,
    verified,
)

PLACE = ("--id", OWNER, "--network-genesis", "01" * 16, "--network-name", "test")


def a_key(rows: dict[bytes, bytes], letter: bytes) -> bytes:
    return min(row for row in rows if row.startswith(letter))


def run(home: Path, command: str, *options: str) -> Result:
    return CliRunner().invoke(main, [command, "--home", str(home), *PLACE, *options])


def test_verify__changes_nothing_and_says_ok(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    before = files_in(path)

    shown = run(tmp_path, "verify")

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("checked ")
    assert shown.stdout.endswith(": ok\n")
    assert files_in(path) == before


def test_verify__prints_a_document(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)

    good = run(tmp_path, "verify", "--json")
    store = opened(path)
    store.log.stage({a_key(a_node()[0], layout.JUDGED): None})
    store.log.flush()
    store.close()
    bad = run(tmp_path, "verify", "--json")

    assert (good.exit_code, json.loads(good.stdout)["ok"]) == (0, True)
    assert (bad.exit_code, json.loads(bad.stdout)["ok"]) == (1, False)
    assert json.loads(good.stdout)["schema"] == json.loads(bad.stdout)["schema"] == SCHEMA
    assert len(json.loads(bad.stdout)["findings"]) == 1


def test_verify__says_each_finding_on_a_line(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    store = opened(path)
    store.log.stage(dict.fromkeys(row for row, _ in store.log.scan(layout.ORDER)))
    store.log.flush()
    store.close()

    shown = run(tmp_path, "verify")

    records = sum(row.startswith(layout.RECORD) for row in a_node()[0])
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 1
    assert lines[FINDINGS_MAX] == f"and {records - FINDINGS_MAX:,} more"
    assert lines[-1].endswith(f"run `aimarket-node repair --id {OWNER}`")


def test_verify__ends_with_3_where_something_cannot_be_read(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (table, *_) = sorted((path / "log").glob("*.ldb"))
    flip(table, table.stat().st_size * 4)
    before = files_in(path)

    shown = run(tmp_path, "verify")
    document = json.loads(run(tmp_path, "verify", "--json").stdout)

    (line,) = [one for one in shown.stderr.splitlines() if one.startswith("aimarket-node: ")]
    assert shown.exit_code == 3
    assert line.startswith(f"aimarket-node: cannot read {path / 'log'}: ")
    assert line.endswith(f"run `aimarket-node repair --id {OWNER}`")
    assert document == {
        "schema": SCHEMA,
        "ok": False,
        "unreadable": line.removeprefix("aimarket-node: "),
    }
    assert files_in(path) == before


def test_verify__refuses_while_the_node_runs(tmp_path: Path) -> None:
    store = opened(a_store(tmp_path / OWNER))

    shown = run(tmp_path, "verify")

    store.close()
    assert shown.exit_code == 1
    assert f"is in use by process {os.getpid()} ({OWNER})" in shown.stderr


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_verify_and_repair__begin_nothing(tmp_path: Path, command: str) -> None:
    missing = run(tmp_path, command)
    (tmp_path / OWNER).mkdir(mode=0o700)
    empty = run(tmp_path, command)

    assert (missing.exit_code, empty.exit_code) == (1, 1)
    assert "there is no directory" in missing.stderr
    assert set(files_in(tmp_path / OWNER)) == set()


def test_verify__refuses_the_store_of_another_network(tmp_path: Path) -> None:
    a_store(tmp_path / OWNER)
    arguments = ["verify", "--home", str(tmp_path), "--id", OWNER, "--network-genesis", "02" * 16]

    shown = CliRunner().invoke(main, arguments)

    assert shown.exit_code == 1
    assert "belongs to network" in shown.stderr


def test_verify__leaves_an_older_store_to_the_node(tmp_path: Path) -> None:
    make_older(a_store(tmp_path / OWNER))

    shown = run(tmp_path, "verify")

    assert shown.exit_code == 1
    assert "has format 1" in shown.stderr
    assert "start the node once" in shown.stderr


def test_looking_at__clears_what_a_killed_look_left(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "log.verifying").mkdir()
    (path / "log.verifying" / "CURRENT").write_text("nonsense")

    with looking_at(path, network_id=NETWORK.network_id, nickname=OWNER) as (_, store):
        assert dict(store.log.scan(b"")) == a_node()[0]

    assert not (path / "log.verifying").exists()


def test_looking_at__never_writes_into_the_files_it_shares(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    before = files_in(path)

    with looking_at(path, network_id=NETWORK.network_id, nickname=OWNER) as (_, store):
        for number in range(3):
            store.log.stage({b"new": b"%d" % number, a_key(a_node()[0], layout.RECORD): None})
            store.log.flush()
            store.log.reopen()

    assert files_in(path) == before
    assert rows_of(path) == a_node()[0]


def test_looking_at__names_the_log_and_not_its_copy(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (manifest,) = (path / "log").glob("MANIFEST-*")
    flip(manifest, 80)

    with (
        pytest.raises(StoreDamaged) as refused,
        looking_at(path, network_id=NETWORK.network_id, nickname=OWNER),
    ):
        pass

    assert str(refused.value).startswith(f"{path / 'log'} is damaged: ")
    assert "verifying" not in str(refused.value)


def test_repair__tells_what_it_did(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "log" / "CURRENT").unlink()

    shown = run(tmp_path, "repair")

    (kept,) = path.glob("log.damaged-*")
    count = len(records_of(a_node()[0]))
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [
        f"the damaged log is kept at {kept}",
        f"salvaged {count} records, each checked anew",
        f"the new log holds {count} records",
        "start an: its peers send it what is missing",
    ]


def test_repair__asks_the_key_whose_store_it_is__where_no_marker_says_so(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "marker").unlink()

    assert run(tmp_path, "repair").exit_code == 0
    assert verified(path).is_ok


def test_repair__makes_no_key(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    (path / "marker").unlink()
    (path / "key").unlink()
    before = files_in(path)

    shown = run(tmp_path, "repair")

    assert shown.exit_code == 1
    assert f"the key {path / 'key'} is missing" in shown.stderr
    assert files_in(path) == before


def test_repair__refuses_while_the_node_runs(tmp_path: Path) -> None:
    store = opened(a_store(tmp_path / OWNER))

    shown = run(tmp_path, "repair")

    store.close()
    assert shown.exit_code == 1
    assert "is in use by process" in shown.stderr
