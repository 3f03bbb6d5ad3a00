"""A rolled-back node takes back what it said, by its operator's word, and then signs on."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.log import find_profile, find_verdict, record_ids
from consensus.verdict import State
from node.core.adoption import SETTLE_MS
from node.core.effects import Adopted
from node.core.events import SigningAllowed, Via
from node.core.own import read_entry
from protocol.record import Verified, decode_record
from protocol.statements import Commit, Jury, Profile, Reveal
from tests.builders import NETWORK, a_profile, a_record, a_task, key
from tests.core_world import World
from tests.fakes_store import MemoryLog

NAMES = ("an", "bo", "cy", "di")


def rolled_back(entries_kept: int, *, adopts: bool) -> World:
    """Let four nodes work, then bring one back with only the beginning of its journal."""
    world = World(*NAMES)
    world.start()
    for name in NAMES:
        world.ask(name, f"asked by {name}")
    world.run(5_000)
    world.kill("an", lose_rows=True)
    node = world.nodes["an"]
    node.journal = node.journal[: min(entries_kept, len(node.journal) - 1)]
    world.start("an", sign=False, adopts=adopts)
    return world


def signed_twice(records: list[Verified]) -> list[object]:
    """Return what some key said in two ways."""
    said: dict[object, set[bytes]] = defaultdict(set)
    for record in records:
        for one in record.statements:
            if isinstance(one, Commit | Jury | Reveal):
                said[record.author, type(one), one.task_id].add(record.record_id)
            elif isinstance(one, Profile):
                said[record.author, one.sequence].add(record.record_id)
    return [slot for slot, found in said.items() if len(found) > 1]


@given(entries_kept=st.integers(0, 12))
@settings(max_examples=13, deadline=None)
def test_adoption__signs_no_slot_again_wherever_the_journal_was_cut(entries_kept: int) -> None:
    world = rolled_back(entries_kept, adopts=True)

    world.sync()
    world.tell("an", SigningAllowed())
    world.run(SETTLE_MS + 1_000)
    task_id = world.ask("an", "a new question")
    world.run(10_000)

    assert world.halts == {}
    assert signed_twice(world.spoken) == []
    verdict = find_verdict(world.nodes["bo"].log, task_id)
    assert verdict is not None
    assert verdict.state is State.FINAL


def test_adoption__takes_back_what_a_file_holds() -> None:
    world = rolled_back(0, adopts=True)
    said = [record for record in world.spoken if record.presence is None]

    world.hear("an", *said, via=Via.FILE)
    world.tell("an", SigningAllowed())
    world.run(SETTLE_MS + 1_000)
    world.ask("an", "a new question")
    world.run(10_000)

    assert world.halts == {}
    assert signed_twice(world.spoken) == []
    held = {record_id for _, record_id in record_ids(world.nodes["an"].log)}
    assert {record.record_id for record in said} <= held


def test_adoption__writes_into_the_journal_what_came_from_peers() -> None:
    world = rolled_back(0, adopts=True)
    node = world.nodes["an"]

    world.sync()

    mine = {one.record_id for one in world.spoken if one.author == key("an") and not one.presence}
    entries = [read_entry(data, NETWORK.params) for data in node.journal]
    assert {decode_record(entry.record, NETWORK).record_id for entry in entries} >= mine
    again = MemoryLog()
    world.kill("an")
    node.log = again
    world.start("an", sign=False)
    assert {found for _, found in record_ids(again)} >= mine


def test_adoption__ends_some_time_after_the_last_own_record() -> None:
    world = rolled_back(0, adopts=True)
    world.tell("an", SigningAllowed())
    machine = world.nodes["an"].machine
    assert machine is not None

    world.run(SETTLE_MS - 1_000)
    world.hear("an", a_record("an", a_task(), created_ms=7))
    world.run(SETTLE_MS - 1_000)

    assert not machine.outbox.signing
    world.run(2_000)
    assert machine.outbox.signing
    assert not machine.adopts
    assert [one for one in world.nodes["an"].effects if isinstance(one, Adopted)] == [Adopted()]


def test_adoption__does_not_end_before_peers_were_heard() -> None:
    world = rolled_back(0, adopts=True)

    world.run(10 * SETTLE_MS)

    machine = world.nodes["an"].machine
    assert machine is not None
    assert machine.adopts
    assert not machine.outbox.signing


def test_adoption__once_over_stops_the_node_at_the_next_strange_word() -> None:
    world = rolled_back(0, adopts=True)
    world.sync()
    world.tell("an", SigningAllowed())
    world.run(SETTLE_MS + 1_000)

    world.hear("an", a_record("an", a_task(), created_ms=7))

    assert "an" in world.halts


def test_adoption__keeps_the_name_the_key_goes_by() -> None:
    world = World("an", "bo")
    world.nodes["an"].alias = "anna"
    world.start("an", sign=False, adopts=True)

    world.hear("an", a_record("an", a_profile(sequence=0, alias="ann"), created_ms=7))
    world.tell("an", SigningAllowed())
    world.run(SETTLE_MS + 1_000)

    profile = find_profile(world.nodes["an"].log, key("an"))
    assert profile is not None
    assert (profile.sequence, profile.alias) == (1, "anna")


@pytest.mark.parametrize("entries_kept", [0, 3])
def test_a_rolled_back_node__stops_without_the_operators_word(entries_kept: int) -> None:
    world = rolled_back(entries_kept, adopts=False)

    world.sync()

    assert "an" in world.halts
    assert signed_twice(world.spoken) == []


def test_adoption__ends_though_others_speak_all_the_time() -> None:
    world = rolled_back(0, adopts=True)
    world.sync()
    world.tell("an", SigningAllowed())

    for _ in range(2):
        world.run(SETTLE_MS - 5_000)
        world.ask("bo", "something")
    world.run(SETTLE_MS)
    world.ask("bo", "something else")
    world.run(SETTLE_MS)

    assert [one for one in world.nodes["an"].effects if isinstance(one, Adopted)] == [Adopted()]
