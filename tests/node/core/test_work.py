"""A market whose network asks for work: it trades as any other, and signs nothing twice."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.log import state_digest
from consensus.verdict import State
from node.core import events as ev
from node.core.alarms import Alarms
from node.core.effects import Publish, Work
from node.core.events import Now
from node.core.outbox import Outbox
from node.core.own import read_entry
from node.core.settings import Settings
from node.core.turn import Turn
from protocol.params import network_of
from protocol.record import open_record
from protocol.statements import Commit, Jury, Presence, Profile, Reveal, Task
from protocol.work import find_work, has_work
from tests.builders import NETWORK, NOON_MS, key, signer
from tests.core_world import World
from tests.fakes import MemoryRows
from tests.node.core.test_outbox import a_draftee

BITS = 5
DEAR = network_of(replace(NETWORK.params, record_work_bits=BITS))
NAMES = ("al", "bo", "cy", "di")


def test_market__decides_tasks_of_a_network_that_asks_for_work() -> None:
    world = World(*NAMES, network=DEAR)
    world.start()
    world.run(1_000)

    tasks = [world.ask(name, f"a day like {name}") for name in NAMES]
    world.run(30_000)

    assert {world.state(name, task) for name in NAMES for task in tasks} == {State.FINAL}
    assert len({state_digest(world.nodes[name].log) for name in NAMES}) == 1
    kinds = {type(one) for record in world.spoken for one in record.statements}
    assert kinds == {Commit, Jury, Presence, Profile, Reveal, Task}
    assert all(has_work(record.record_id, BITS) for record in world.spoken)


def test_record__is_dated_when_its_work_begins_and_later_than_the_one_before() -> None:
    world = World(*NAMES, network=DEAR)
    world.work_ms = 700
    world.start()
    for number in range(5):
        world.ask("al", f"text {number}")
        world.run(300)
    world.run(60_000)

    for name in NAMES:
        own = [one.created_ms for one in world.nodes[name].published if one.author == key(name)]
        assert own == sorted(set(own))


def test_statements__gather_while_work_is_being_done() -> None:
    world = World("al", "bo", network=DEAR)
    world.work_ms = 1_000
    world.start()
    world.run(3_000)

    tokens = [world.submit("al", f"text {n}", request_id=f"r{n}") for n in range(40)]
    world.run(3_000)

    assert set(tokens) <= world.replies.keys()
    sizes = [len(one.statements) for one in world.nodes["al"].published if one.presence is None]
    assert len(sizes) <= 3
    assert sum(sizes) >= 40


def test_machine__asks_for_one_piece_of_work_at_a_time_and_takes_no_other() -> None:
    world = World("al", network=DEAR)
    world.work_ms = 1_000_000
    world.start()
    for number in range(3):
        world.submit("al", f"text {number}", request_id=f"r{number}")
    world.run(20_000)

    ordered = [effect for effect in world.nodes["al"].effects if isinstance(effect, Work)]
    assert len(ordered) <= 3, "a record, and a presence that was ordered anew"
    before = len(world.nodes["al"].effects)
    world.tell("al", ev.Worked(999, 0))
    assert not any(isinstance(one, Publish) for one in world.nodes["al"].effects[before:])
    assert world.nodes["al"].published == []


def test_presence__has_one_piece_of_work_done_at_a_time_however_often_we_move() -> None:
    world = World("al", network=DEAR)
    world.work_ms = 60_000
    world.start()
    for number in range(50):
        world.tell("al", ev.Listening((f"/ip4/192.0.2.{number}/tcp/1",)))
        world.run(1_000)

    ordered = [effect for effect in world.nodes["al"].effects if isinstance(effect, Work)]
    assert len(ordered) <= 2, "a record, and one presence"

    world.run(200_000)
    said = [one.presence for one in world.nodes["al"].published if one.presence is not None]
    assert {one.addresses for one in said} == {("/ip4/192.0.2.49/tcp/1",)}


def test_leave__orders_a_goodbye() -> None:
    world = World("al", network=DEAR)
    world.start()
    world.run(1_000)

    world.tell("al", ev.Stopping())
    world.run(1_000)

    presence = world.nodes["al"].published[-1].presence
    assert presence is not None
    assert presence.ttl_ms == 0


def test_node__tells_whom_it_meets_its_last_presence_that_was_worked_for() -> None:
    world = World("al", network=DEAR)
    world.start()
    machine = world.nodes["al"].machine
    assert machine is not None

    none_yet = machine.live_presences(world.now("al"), most=9)
    world.run(3_000)
    (own,) = machine.live_presences(world.now("al"), most=9)

    assert none_yet == []
    assert own == [one for one in world.nodes["al"].published if one.presence][-1].raw


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_node__signs_nothing_twice_however_it_is_killed_at_work(data: st.DataObject) -> None:
    world = World(*NAMES, network=DEAR)
    world.work_ms = data.draw(st.sampled_from([0, 5, 400]))
    world.start()
    world.run(500)
    for number in range(4):
        world.submit("al", f"text {number}", request_id=f"r{number}")
        for _ in range(data.draw(st.integers(0, 3))):
            name = data.draw(st.sampled_from(NAMES))
            world.nodes[name].fuse = data.draw(st.integers(0, 12))
            world.run(data.draw(st.integers(0, 800)))
            if world.nodes[name].machine is None:
                world.start(name)
        world.run(200)
    for name in NAMES:
        world.nodes[name].fuse = None
        if world.nodes[name].machine is None:
            world.start(name)
    world.run(30_000)
    world.sync()

    assert world.halts == {}
    for name in NAMES:
        entries = [read_entry(one, DEAR.params) for one in world.nodes[name].journal]
        slots = [slot for entry in entries for slot in entry.slots]
        assert len(slots) == len(set(slots)), name
        assert all(open_record(entry.record, DEAR) for entry in entries)
    assert len({state_digest(world.nodes[name].log) for name in NAMES}) == 1


def test_outsider__says_nothing_and_is_told_everything() -> None:
    members = tuple(sorted(map(key, ("al", "bo", "cy"))))
    world = World(
        "al", "bo", "cy", "out", network=network_of(replace(NETWORK.params, members=members))
    )
    world.start()
    world.run(1_000)

    task = world.ask("al")
    token = world.submit("out", request_id="mine")
    world.run(40_000)
    world.tell("out", ev.Stopping())

    assert {world.state(name, task) for name in world.nodes} == {State.FINAL}
    assert not any(one.author == key("out") for one in world.nodes["out"].published)
    assert world.nodes["out"].journal == []
    assert token not in world.replies
    machine = world.nodes["out"].machine
    assert machine is not None
    assert len(machine.live_presences(world.now("out"), most=9)) == 3


@pytest.mark.parametrize("bits", [0, BITS])
def test_outbox__refuses_users_when_it_is_full_whatever_waits_for_work(bits: int) -> None:
    network = network_of(replace(NETWORK.params, record_work_bits=bits))
    world = World("al", network=network, settings=Settings(outbox_max=4))
    world.work_ms = 10_000
    world.start(sign=bits > 0)

    tokens = [world.submit("al", f"text {n}", request_id=f"r{n}") for n in range(6)]

    refused = [world.refusals[token].code for token in tokens if token in world.refusals]
    assert refused == ["busy"] * 3, "our own name waits, too"
    machine = world.nodes["al"].machine
    assert machine is not None
    assert len(machine.outbox) == 4


def test_forget__leaves_what_else_was_in_the_record_whose_work_is_being_done() -> None:
    outbox = Outbox(
        signer=signer("al"),
        network=DEAR,
        settings=Settings(),
        alarms=Alarms(),
        last_created_ms=0,
    )
    outbox.signing = True
    draftees = [a_draftee(number) for number in range(3)]
    begin = Turn(MemoryRows(), Now(0, NOON_MS))
    for draftee in draftees:
        outbox.add(begin, draftee)
    assert outbox.flush(begin) == []

    outbox.forget(draftees[1].slot)
    outbox.note_work(1, 0)
    again = Turn(MemoryRows(), Now(100, NOON_MS + 100))
    assert outbox.flush(again) == []
    (asked,) = [effect for effect in again.effects if isinstance(effect, Work)]
    outbox.note_work(asked.ticket, find_work(asked.record, start=0, tries=10_000) or 0)
    (record,) = outbox.flush(again)

    assert record.statements == (draftees[0].statement, draftees[2].statement)
    assert (len(outbox), outbox.find(draftees[1].slot)) == (0, None)
