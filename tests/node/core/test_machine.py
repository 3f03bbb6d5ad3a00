"""One machine from start to stop: what it says first, again, and never."""

from dataclasses import replace

import pytest

from consensus.log import find_profile, has_record
from consensus.verdict import State
from node.core.announcer import SETTLED_MS
from node.core.effects import Channel, Effect, Halt, Journal, Publish
from node.core.events import (
    CapabilitiesChanged,
    Listening,
    PresencesHeard,
    Received,
    SigningAllowed,
    Stopping,
    Via,
)
from node.core.settings import Settings
from protocol.ids import PeerId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Presence, Profile, Task
from tests.builders import NOON_MS, a_presence, a_profile, a_record, a_task, key
from tests.core_world import SENTIMENT, World
from tests.node.core.submitter_bench import CROWD, a_bench, by_rank, commit, jurors, reveal


def records_of(world: World, name: str = "me") -> list[Verified]:
    """Return what a node published into the log, in order."""
    return [
        record
        for record in world.nodes[name].published
        if record.presence is None and record.author == key(name)
    ]


def presences_of(world: World) -> list[Presence]:
    return world.said("me", Presence)


def words(effects: list[Effect]) -> list[Effect]:
    """Return what would leave the node or be signed."""
    return [effect for effect in effects if isinstance(effect, Journal | Publish)]


@pytest.mark.parametrize("via", [Via.GOSSIP, Via.SYNC])
def test_receive__halts_on_a_record_of_ours_that_we_do_not_know(via: Via) -> None:
    world = World("me")
    world.start()

    world.hear("me", a_record("me", a_task()), via=via)

    assert "me" in world.halts
    assert world.up() == []


def test_receive__signs_nothing_once_it_halted() -> None:
    world = World("me")
    world.start()
    machine = world.nodes["me"].machine
    assert machine is not None
    world.submit("me")  # waits for the pause after the profile
    world.now_ms += 1_000
    event = Received((a_record("me", a_task()),), Via.SYNC, PeerId("a peer"))

    effects = machine.handle(event, world.now("me"))
    later = machine.handle(SigningAllowed(), world.now("me"))

    assert [type(effect) for effect in effects] == [Halt]
    assert later == []


def test_receive__leaves_our_own_words_out_of_a_file__and_stops_for_them_elsewhere() -> None:
    world = World("me")
    world.start()
    ours, hers = a_record("me", a_task()), a_record("an", a_task())

    world.hear("me", ours, hers, via=Via.FILE)

    log = world.nodes["me"].log
    assert (has_record(log, ours.record_id), has_record(log, hers.record_id)) == (False, True)
    assert world.halts == {}
    world.hear("me", ours, via=Via.SYNC)
    assert list(world.halts) == ["me"]


def test_receive__takes_our_own_words_back_without_alarm() -> None:
    world = a_bench()
    world.ask("me")

    for record in records_of(world):
        world.hear("me", record)
        world.hear("me", record, via=Via.SYNC)

    assert world.halts == {}


def test_hear_presences__ignores_our_own() -> None:
    world = a_bench()
    clone = a_record("me", a_presence(), created_ms=NOON_MS * 2)

    world.tell("me", PresencesHeard((clone,), PeerId("a peer")))

    assert world.halts == {}
    machine = world.nodes["me"].machine
    assert machine is not None
    assert machine.presences.find(key("me")) is None


def test_start__says_records_of_undecided_tasks_again_byte_for_byte() -> None:
    world = a_bench(*CROWD)
    settled = world.ask("me", "settled")
    world.run(100)
    open_task = world.ask("me", "open")
    world.run(100)
    seated = world.ask("me", "seated")
    for task_id in (settled, seated):
        commit(world, task_id, *by_rank(task_id, *CROWD)[:3])
        world.run(100)
    reveal(world, settled, *by_rank(settled, *CROWD)[:3])
    world.run(100)
    before = records_of(world)
    world.kill("me")
    world.nodes["me"].published.clear()

    world.start()
    world.run(100)

    again = records_of(world)
    told = [one.task_id for one in world.said("me", Jury)]
    assert {one.raw for one in again} <= {one.raw for one in before}
    assert told == [seated]
    assert sorted(task.input for task in world.said("me", Task)) == [b"open", b"seated"]
    assert world.state("me", open_task) is State.OPEN


def test_start__says_an_unseated_commit_again() -> None:
    world = World("an", "me")
    world.is_lost = lambda _from, to, record: to == "an" and record.presence is None
    world.start()
    world.ask("an")
    world.run(2_000)
    before = records_of(world)
    world.kill("me")
    world.nodes["me"].published.clear()

    world.start("me")
    world.run(100)

    assert len(world.said("me", Commit)) == 1
    assert {one.raw for one in records_of(world)} <= {one.raw for one in before}


def test_start__does_not_choose_a_jury_anew_that_is_only_in_the_journal() -> None:
    world = a_bench(*CROWD)
    task_id = world.ask("me")
    first = by_rank(task_id, *CROWD)[:3]
    commit(world, task_id, *first[:2])
    world.run(100)
    world.nodes["me"].fuse = 1  # dies after the journal of the jury, before its rows and words
    commit(world, task_id, first[2])
    early = (world.up(), world.said("me", Jury))
    journal = list(world.nodes["me"].journal)

    world.start()
    world.meet("me", *CROWD)
    commit(world, task_id, *CROWD)
    world.run(14_000)

    assert early == ([], [])
    assert jurors(world, task_id) == [sorted(first)]
    assert world.nodes["me"].journal == journal


def test_start__signs_a_profile_once_for_each_alias() -> None:
    world = World("me")
    for alias in ("an", "an", "bo", "bo", "an"):
        world.nodes["me"].alias = alias
        world.start()
        world.run(1_000)
        world.kill("me", lose_rows=True)

    profiles = world.said("me", Profile)

    assert [(one.sequence, one.alias) for one in profiles] == [(0, "an"), (1, "bo"), (2, "an")]


def test_start__numbers_its_profile_above_any_it_knows() -> None:
    world = World("me")
    world.nodes["me"].alias = "an"
    world.start(sign=False)
    world.run(1_000)

    world.tell("me", SigningAllowed())

    profile = find_profile(world.nodes["me"].log, key("me"))
    assert profile == a_profile("an", sequence=0, agent="test")


def test_handle__dates_records_after_all_of_an_earlier_life() -> None:
    world = a_bench()
    world.ask("me")
    newest_ms = max(one.created_ms for one in records_of(world))
    world.kill("me")
    world.nodes["me"].skew_ms = -(10**9)
    world.nodes["me"].published.clear()

    world.start()
    world.submit("me", "another", request_id="another")
    world.run(1_000)

    fresh = [one for one in records_of(world) if isinstance(one.statements[0], Task)]
    assert max(one.created_ms for one in fresh) > newest_ms


def test_speak__repeats_itself_before_the_ttl_is_over() -> None:
    world = World("me")
    world.start()

    world.run(65_000)

    assert len(presences_of(world)) == 8  # at once, when its model was loaded, every ten seconds
    assert {one.ttl_ms for one in presences_of(world)} == {30_000}


def test_speak__slows_down_in_a_crowd() -> None:
    world = World("me", settings=Settings(presence_ms=1_000, presence_nodes_per_s=1))
    world.start()
    world.meet("me", *(f"worker {number}" for number in range(19)))
    world.run(1_000)
    before = len(presences_of(world))

    world.run(100_000)

    assert len(presences_of(world)) - before == 5
    assert presences_of(world)[-1].ttl_ms == 60_000


def test_soon__speaks_at_once_but_not_more_often_than_the_gap() -> None:
    world = World("me")
    world.start()
    world.run(5_000)
    before = len(presences_of(world))

    world.tell("me", CapabilitiesChanged(()))
    world.tell("me", Listening(("/ip4/127.0.0.1/tcp/1",)))
    at_once = presences_of(world)[before:]
    world.run(999)
    within = presences_of(world)[before:]
    world.run(1)
    after = presences_of(world)[before:]

    assert [one.capabilities for one in at_once] == [()]
    assert len(within) == 1
    assert [one.addresses for one in after] == [(), ("/ip4/127.0.0.1/tcp/1",)]


def test_stopping__says_goodbye() -> None:
    world = a_bench()

    world.tell("me", Stopping())

    assert presences_of(world)[-1].ttl_ms == 0


def test_live_presences__hands_over_all_it_holds_and_its_own() -> None:
    world = a_bench("bo")
    machine = world.nodes["me"].machine
    assert machine is not None
    world.meet("me", "cy", ttl_ms=0)

    raws = machine.live_presences(world.now("me"), most=99)

    heard = machine.presences.find(key("bo"))
    assert heard is not None
    assert raws[1:] == [heard.raw]


def test_hear_presences__passes_on_what_it_heard_on_a_new_connection() -> None:
    world = World("me")
    world.start()
    record = a_record("bo", a_presence(), created_ms=NOON_MS + 5)
    silent = replace(a_presence(), capabilities=())
    other = a_record("cy", silent, created_ms=NOON_MS + 5)

    first = world.tell("me", PresencesHeard((record, other), PeerId("bo")))
    again = world.tell("me", PresencesHeard((record,), PeerId("cy")))

    relayed = [one for one in words(first) if isinstance(one, Publish)]
    assert [one.channel for one in relayed] == [Channel.PRESENCE] * 2
    assert words(again) == []


def test_handle__lists_no_capability_before_its_model_is_loaded() -> None:
    world = World("me")

    world.start(capabilities=())
    world.tell("me", CapabilitiesChanged((SENTIMENT,)))
    world.run(1_000)

    assert [one.capabilities for one in presences_of(world)] == [(), (SENTIMENT,)]


def test_live_presences__signs_once_for_many_peers_that_come_at_once() -> None:
    world = World("me", "peer")
    world.start("me", "peer")
    machine = world.nodes["me"].machine
    assert machine is not None
    world.run(5_000)

    first, again = (machine.live_presences(world.now("me"), most=9)[0] for _ in range(2))
    world.tell("me", CapabilitiesChanged(()))
    changed = machine.live_presences(world.now("me"), most=9)[0]
    world.run(1_001)
    later = machine.live_presences(world.now("me"), most=9)[0]

    assert first == again
    assert len({first, changed, later}) == 3


def test_met__says_once_more_who_we_are_after_the_first_peer_only() -> None:
    world = World("me")
    world.start()
    world.run(3_000)
    said = len(presences_of(world))

    world.tell("me", PresencesHeard((a_record("an", a_presence()),), PeerId("an")))
    world.run(SETTLED_MS - 1)
    before = len(presences_of(world))
    world.run(1)
    after = len(presences_of(world))
    world.tell("me", PresencesHeard((a_record("bo", a_presence()),), PeerId("bo")))
    world.run(SETTLED_MS)

    assert (before, after) == (said, said + 1)
    assert len(presences_of(world)) == said + 1
