"""The journal alone decides what we have said: the database is made to agree with it."""

import pytest

from consensus.log import record_count, record_ids, state_digest
from node.core.own import Entry, find_asked, find_slot, pack_entry, read_entry, request_key
from node.errors import StoreDamaged
from node.restore import restore, unjournaled
from protocol.params import NetworkParams, network_of
from tests.builders import NETWORK, NOON_MS, a_record, a_task, key
from tests.core_world import World
from tests.fakes_store import MemoryLog

OWN_ROWS = (b"S", b"Q", b"O")


def own_rows(log: MemoryLog) -> dict[bytes, bytes]:
    """Return the rows that mirror the journal."""
    return {row: value for prefix in OWN_ROWS for row, value in log.scan(prefix)}


def a_day() -> World:
    """Let four nodes submit to each other and settle everything."""
    world = World("an", "bo", "cy", "di")
    world.start()
    for name in world.nodes:
        world.submit(name, f"asked by {name}", request_id=f"request of {name}")
    world.run(5_000)
    return world


def test_restore__brings_everything_of_ours_back_into_an_empty_database() -> None:
    world = a_day()

    for name, node in world.nodes.items():
        log = MemoryLog()
        newest_ms = restore(log, node.journal, NETWORK)

        mine = [one for one in node.published if one.author == key(name) and not one.presence]
        assert own_rows(log) == own_rows(node.log) != {}
        assert sorted(found for _, found in record_ids(log)) == sorted(
            {one.record_id for one in mine}
        )
        assert newest_ms == max(one.created_ms for one in mine)
        assert find_asked(log, request_key(f"request of {name}")) is not None


def test_restore__leaves_a_whole_database_as_it_is() -> None:
    node = a_day().nodes["an"]
    before = dict(node.log.scan(b""))

    restore(node.log, node.journal, NETWORK)

    assert dict(node.log.scan(b"")) == before


@pytest.mark.parametrize("kept", range(4))
def test_restore__completes_a_database_that_lags_behind(kept: int) -> None:
    node = a_day().nodes["an"]
    log = MemoryLog()
    restore(log, node.journal[:kept], NETWORK)

    restore(log, node.journal, NETWORK)

    assert own_rows(log) == own_rows(node.log)
    assert record_count(log) == len(node.journal)


def test_restore__writes_through_to_the_disk() -> None:
    node = a_day().nodes["an"]
    log = MemoryLog()
    restore(log, node.journal, NETWORK)
    digest = state_digest(log)

    log.crash()

    assert own_rows(log) == own_rows(node.log)
    assert state_digest(log) == digest


def test_restore__says_zero_for_an_empty_journal() -> None:
    log = MemoryLog()

    assert restore(log, [], NETWORK) == 0
    assert record_count(log) == 0


def test_restore__stops_at_an_entry_that_somebody_else_wrote() -> None:
    record = a_record("an", a_task(), created_ms=NOON_MS)
    other_network = network_of(NetworkParams(genesis=b"\x02" * 16, name="other"))
    entry = pack_entry(Entry(record.raw, (b"slot",), (), ()))
    forged = pack_entry(Entry(record.raw[:-1] + b"\0", (b"slot",), (), ()))

    for entries, network in (
        ([b"not an entry"], NETWORK),
        ([forged], NETWORK),
        ([entry], other_network),
    ):
        with pytest.raises(StoreDamaged, match=f"journal entry {len(entries) - 1}"):
            restore(MemoryLog(), entries, network)


def test_restore__marks_the_slots_of_a_record_that_the_database_has() -> None:
    record = a_record("an", a_task(), created_ms=NOON_MS)
    log = MemoryLog()
    restore(log, [pack_entry(Entry(record.raw, (b"one slot",), (), ()))], NETWORK)

    restore(log, [pack_entry(Entry(record.raw, (b"one slot", b"two"), (), ()))], NETWORK)

    assert find_slot(log, b"two") == record.record_id


def test_unjournaled__finds_nothing_where_the_journal_is_whole() -> None:
    for node in a_day().nodes.values():
        assert unjournaled(node.log, node.journal, NETWORK) == []
        assert unjournaled(MemoryLog(), node.journal, NETWORK) == []


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_unjournaled__finds_what_a_journal_lacks_that_was_put_back(kept: int) -> None:
    node = a_day().nodes["an"]
    lost = [read_entry(data, NETWORK.params) for data in node.journal[kept:]]

    found = unjournaled(node.log, node.journal[:kept], NETWORK)

    assert sorted(one.record for one in found) == sorted(one.record for one in lost)
    assert {slot for one in found for slot in one.slots} == {s for one in lost for s in one.slots}
