"""Nothing that is wrong in a store stays unseen, and looking at it changes nothing."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import layout
from node.core.own import Entry, cancellation, pack_entry, read_entry
from node.errors import StoreDamaged
from node.main import main
from node.restore import restore
from node.store.open import looking_at
from node.verify import FINDINGS_MAX, NAMES, Report, verify_store
from protocol.ids import TaskId
from tests.builders import NETWORK, a_presence, a_record, a_task, key, raw_record
from tests.fakes_store import MemoryLog
from tests.node.stores import (
    OWNER,
    a_node,
    a_store,
    files_in,
    flip,
    make_older,
    opened,
    rows_of,
)

PLACE = ("--id", OWNER, "--network-genesis", "01" * 16, "--network-name", "test")


def report_on(rows: dict[bytes, bytes], entries: Sequence[bytes] | None = None) -> Report:
    log = MemoryLog()
    log.stage(dict(rows))
    journal = a_node()[1] if entries is None else entries
    return verify_store(log, journal, network=NETWORK, public_key=key(OWNER))


def a_key(rows: dict[bytes, bytes], letter: bytes) -> bytes:
    return min(row for row in rows if row.startswith(letter))


def run(home: Path, command: str, *options: str) -> Result:
    return CliRunner().invoke(main, [command, "--home", str(home), *PLACE, *options])


def test_verify_store__finds_nothing_where_all_is_right() -> None:
    rows, entries = a_node()

    report = report_on(rows)

    letters = [row[:1] for row in rows]
    assert report.is_ok
    assert report.notes == []
    assert report.checked == {
        "records": letters.count(layout.RECORD),
        "rows": sum(letter in NAMES for letter in letters),
        "journal entries": len(entries),
        "own rows": sum(letter not in NAMES for letter in letters),
    }
    assert set(letters) >= set(NAMES), "there is something of each kind"


def test_verify_store__finds_nothing_in_nothing() -> None:
    assert report_on({}, []).is_ok


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_verify_store__finds_any_row_that_is_gone_changed_or_made_up(data: st.DataObject) -> None:
    rows = dict(a_node()[0])
    letter = data.draw(st.sampled_from(sorted({row[:1] for row in rows})))
    row = data.draw(st.sampled_from(sorted(row for row in rows if row.startswith(letter))))
    match data.draw(st.sampled_from(("gone", "changed", "made up"))):
        case "gone" if letter != b"X":  # only the user knows what was given up
            del rows[row]
        case "changed" if rows[row]:
            at = data.draw(st.integers(0, len(rows[row]) - 1))
            value = bytearray(rows[row])
            value[at] ^= 1 << data.draw(st.integers(0, 7))
            rows[row] = bytes(value)
        case _:
            rows[row[:-1] + bytes([row[-1] ^ 1])] = rows[row]

    assert not report_on(rows).is_ok


@pytest.mark.parametrize("letter", NAMES)
def test_verify_store__names_what_is_missing(letter: bytes) -> None:
    rows = dict(a_node()[0])
    row = a_key(rows, letter)
    del rows[row]

    report = report_on(rows)

    if letter == layout.RECORD:  # then what followed from it follows from nothing
        (order,) = [line for line in report.findings if line.startswith("order row")]
        assert order.endswith(f"{row[1:].hex()}: follows from no record")
    else:
        assert f"{NAMES[letter]} {row[1:].hex()}".rstrip() + ": is missing" in report.findings


def test_verify_store__finds_a_record_under_another_key() -> None:
    rows = dict(a_node()[0])
    one, other = sorted(row for row in rows if row.startswith(layout.RECORD))[:2]
    rows[one] = rows[other]

    findings = report_on(rows).findings

    assert f"record {one[1:].hex()}: what is there is record {other[1:].hex()}" in findings


def test_verify_store__finds_a_forged_signature() -> None:
    rows = dict(a_node()[0])
    row = a_key(rows, layout.RECORD)
    rows[row] = rows[row][:-1] + bytes([rows[row][-1] ^ 1])

    (finding, *_) = report_on(rows).findings

    assert finding == f"record {row[1:].hex()}: {finding.split(': ', 1)[1]}"
    assert finding.endswith("the signature does not verify")


def test_verify_store__finds_a_presence_in_the_log() -> None:
    record = a_record("bo", a_presence())
    rows = {layout.RECORD + record.record_id: record.raw}

    assert "a presence, which is never stored" in report_on(rows, []).findings[0]


def test_verify_store__finds_a_row_of_no_kind() -> None:
    rows = a_node()[0] | {b"z what is this": b""}

    assert report_on(rows).findings == [f"a row of no known kind: {b'z what is this'.hex()}"]


def test_verify_store__tells_the_first_findings_and_counts_the_rest() -> None:
    rows = {row: value for row, value in a_node()[0].items() if not row.startswith(layout.ORDER)}
    records = sum(row.startswith(layout.RECORD) for row in rows)

    report = report_on(rows)

    assert len(report.findings) == FINDINGS_MAX
    assert report.more == records - FINDINGS_MAX


@pytest.mark.parametrize("late", [1, 3])
def test_verify_store__notes_what_a_killed_node_had_no_time_to_write(late: int) -> None:
    rows, entries = without_last(late)

    report = report_on(rows, entries)

    assert report.is_ok
    assert report.notes == [f"the last {late} journal entries go into the log at the next start"]


def test_verify_store__finds_a_hole_in_what_the_journal_says() -> None:
    rows, entries = without_last(1)
    swapped = [*entries[:-2], entries[-1], entries[-2]]

    report = report_on(rows, swapped)

    number = len(entries) - 2
    assert report.findings == [f"journal entry {number}: its record is missing, later ones are not"]


def without_last(late: int) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Return a node's rows from before its last words, and its whole journal."""
    log = MemoryLog()
    entries = list(a_node()[1])
    restore(log, entries[:-late], NETWORK)
    return dict(log.scan(b"")), entries


def test_verify_store__finds_a_journal_entry_that_is_none() -> None:
    rows, entries = a_node()

    report = report_on(rows, [*entries, b"not an entry"])

    assert len(report.findings) == 1
    assert report.findings[0].startswith(f"journal entry {len(entries)}: ")


def test_verify_store__finds_a_journal_entry_of_another_key() -> None:
    rows, entries = a_node()
    record = a_record("bo", a_task("not ours"))
    entry = pack_entry(Entry(record.raw, (), (), ()))

    report = report_on(rows, [*entries, entry])

    author = key("bo").hex()
    assert report.findings == [f"journal entry {len(entries)}: signed by {author}, not by us"]


def test_verify_store__finds_a_forged_journal_entry() -> None:
    rows, entries = a_node()
    raw = raw_record(OWNER, [1, 0, "x", "y"])
    entry = pack_entry(Entry(raw[:-1] + bytes([raw[-1] ^ 1]), (), (), ()))

    report = report_on(rows, [*entries, entry])

    assert [line.split(": ")[0] for line in report.findings] == [f"journal entry {len(entries)}"]


def test_verify_store__finds_a_slot_that_is_not_marked() -> None:
    rows = dict(a_node()[0])
    slot = a_key(rows, b"S")
    del rows[slot]

    (finding,) = report_on(rows).findings

    assert finding.endswith(f"slot {slot.hex()} is not marked")


@pytest.mark.parametrize("letter", [b"S", b"Q", b"O", b"?"])
def test_verify_store__finds_an_own_row_the_journal_does_not_know(letter: bytes) -> None:
    made_up = letter + bytes(32)

    (finding,) = report_on(a_node()[0] | {made_up: bytes(32)}).findings

    assert finding == f"own row {made_up.hex()}: the journal does not say so"


def test_verify_store__finds_a_task_given_up_that_is_not_ours() -> None:
    rows, own = a_node()[0], key(OWNER)
    others = next(
        TaskId(row[1:])
        for row, value in rows.items()
        if row.startswith(layout.TASK) and layout.read_task(TaskId(row[1:]), value).author != own
    )
    made_up = dict.fromkeys(cancellation(others), b"")

    assert len(report_on(rows | made_up).findings) == 1


def test_verify_store__looks_at_every_entry_of_the_journal() -> None:
    rows, entries = a_node()

    for number, data in enumerate(entries):
        entry = read_entry(data, NETWORK.params)
        broken = [*entries]
        broken[number] = pack_entry(
            Entry(entry.record[:-1] + bytes([entry.record[-1] ^ 1]), (), (), ())
        )
        assert f"journal entry {number}: " in " ".join(report_on(rows, broken).findings)


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
    assert document == {"ok": False, "unreadable": line.removeprefix("aimarket-node: ")}
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
