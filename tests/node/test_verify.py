"""Nothing that is wrong in a store stays unseen, and looking at it changes nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import layout
from node.core.own import Entry, cancellation, pack_entry, read_entry
from node.restore import restore
from node.verify import FINDINGS_MAX, NAMES, Report, verify_store
from protocol.ids import TaskId
from protocol.record import decode_record
from tests.builders import NETWORK, a_presence, a_record, a_task, key, raw_record
from tests.fakes_store import MemoryLog
from tests.node.stores import (
    OWNER,
    a_node,
)

PLACE = ("--id", OWNER, "--network-genesis", "01" * 16, "--network-name", "test")


def report_on(rows: dict[bytes, bytes], entries: Sequence[bytes] | None = None) -> Report:
    log = MemoryLog()
    log.stage(dict(rows))
    journal = a_node()[1] if entries is None else entries
    return verify_store(log, journal, network=NETWORK, public_key=key(OWNER))


def a_key(rows: dict[bytes, bytes], letter: bytes) -> bytes:
    return min(row for row in rows if row.startswith(letter))


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


def test_verify_store__finds_a_journal_that_was_rolled_back() -> None:
    rows, entries = a_node()
    record = decode_record(read_entry(entries[-1], NETWORK.params).record, NETWORK)

    findings = report_on(rows, entries[:-1]).findings

    lacks = f"record {record.record_id.hex()}: signed by this key, but the journal lacks it"
    assert lacks in findings


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
