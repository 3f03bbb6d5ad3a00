"""The door: what is stored, what is passed on, and what is left to the sync."""

import pytest

from consensus.log import has_record
from node.core.effects import Publish, Word
from node.core.events import PresencesHeard, Token, Via
from node.core.settings import Settings
from protocol.ids import PeerId
from protocol.record import Verified
from protocol.sealing import statement_digest
from protocol.statements import Jury
from tests.builders import NOON_MS, a_jury, a_presence, a_profile, a_record, a_task, id_of, key
from tests.core_world import World

TASK = a_task(task_type="echo", model_digest=b"")
TASK_ID = id_of("an", TASK)
SLOW = Settings(gossip_per_author_per_s=10, gossip_burst=3, presences_burst=3)


@pytest.fixture
def world() -> World:
    world = World("me", settings=SLOW)
    world.start()
    return world


def holds(world: World, *records: Verified) -> list[bool]:
    return [has_record(world.nodes["me"].log, record.record_id) for record in records]


def juries() -> list[Jury]:
    """Make four juries of one slot, those first that the join keeps."""
    made = [a_jury(TASK_ID, {"bo": answer}) for answer in ("a", "b", "c", "d")]
    return sorted(made, key=statement_digest)


def test_admit__stores_and_passes_on_what_is_new(world: World) -> None:
    record = a_record("an", TASK)

    assert world.hear("me", record) is Word.ACCEPT
    assert holds(world, record) == [True]


def test_admit__ignores_what_it_holds(world: World) -> None:
    record = a_record("an", TASK)
    world.hear("me", record)

    assert world.hear("me", record) is Word.IGNORE


def test_admit__passes_on_a_message_of_which_anything_is_new(world: World) -> None:
    known, new = a_record("an", TASK), a_record("an", a_profile())
    world.hear("me", known)

    assert world.hear("me", known, new) is Word.ACCEPT
    assert holds(world, new) == [True]


@pytest.mark.parametrize(
    ("ahead_ms", "word"), [(60_000, Word.ACCEPT), (60_001, Word.IGNORE), (-(10**12), Word.ACCEPT)]
)
def test_admit__stores_but_does_not_pass_on_what_is_from_the_future(
    world: World, ahead_ms: int, word: Word
) -> None:
    record = a_record("an", TASK, created_ms=NOON_MS + world.now_ms + ahead_ms)

    assert world.hear("me", record) is word
    assert holds(world, record) == [True]


def test_admit__ignores_a_third_jury_that_the_join_drops(world: World) -> None:
    records = [a_record("an", jury) for jury in juries()]

    words = [world.hear("me", record) for record in records[:3]]

    assert words == [Word.ACCEPT, Word.ACCEPT, Word.IGNORE]
    assert holds(world, *records[:3]) == [True, True, False]


def test_admit__stores_a_third_jury_that_the_join_keeps_but_does_not_pass_it_on(
    world: World,
) -> None:
    records = [a_record("an", jury) for jury in reversed(juries())]

    words = [world.hear("me", record) for record in records[:3]]

    assert words == [Word.ACCEPT, Word.ACCEPT, Word.IGNORE]
    assert holds(world, *records[:3]) == [False, True, True]


def test_admit__stores_a_jury_in_a_smaller_record_but_does_not_pass_it_on_again(
    world: World,
) -> None:
    records = [a_record("an", juries()[0], created_ms=NOON_MS + date_ms) for date_ms in range(3)]
    records.sort(key=lambda record: record.record_id, reverse=True)

    words = [world.hear("me", record) for record in records]

    assert words == [Word.ACCEPT, Word.IGNORE, Word.IGNORE]
    assert holds(world, *records) == [False, False, True]


def test_admit__counts_juries_by_slot(world: World) -> None:
    for author in ("an", "sue"):
        assert world.hear("me", a_record(author, juries()[0])) is Word.ACCEPT
        assert world.hear("me", a_record(author, juries()[1])) is Word.ACCEPT


def test_is_within_pace__leaves_gossip_beyond_it_to_the_sync(world: World) -> None:
    records = [a_record("an", a_profile(sequence=number)) for number in range(4)]

    words = [world.hear("me", record) for record in records]
    before = holds(world, records[3])
    world.hear("me", records[3], via=Via.SYNC)

    assert words == [Word.ACCEPT] * 3 + [Word.IGNORE]
    assert before == [False]
    assert holds(world, records[3]) == [True]


def test_is_within_pace__lets_the_author_speak_again_later(world: World) -> None:
    records = [a_record("an", a_profile(sequence=number)) for number in range(5)]
    for record in records[:4]:
        world.hear("me", record)

    world.run(100)

    assert world.hear("me", records[4]) is Word.ACCEPT


def test_is_within_pace__bounds_the_sender_too(world: World) -> None:
    records = [a_record(f"author {number}", a_profile()) for number in range(13)]

    words = [world.hear("me", record) for record in records]

    assert words == [Word.ACCEPT] * 12 + [Word.IGNORE]


def test_is_within_pace__keeps_room_for_those_who_are_here_while_strangers_flood(
    world: World,
) -> None:
    world.tell("me", PresencesHeard((a_record("bo", a_presence()),), PeerId("a peer"), None))
    for number in range(20):
        world.hear("me", a_record(f"author {number}", a_profile()))

    stranger = world.hear("me", a_record("one more", a_profile()))
    known = world.hear("me", a_record("bo", a_profile(), created_ms=NOON_MS + 1))
    world.run(100)
    again = [world.hear("me", a_record(f"later {number}", a_profile())) for number in range(2)]

    assert (stranger, known) == (Word.IGNORE, Word.ACCEPT)
    assert again == [Word.ACCEPT, Word.IGNORE]


def test_hear_presences__passes_on_only_what_is_newer(world: World) -> None:
    record = a_record("bo", a_presence(), created_ms=NOON_MS + 5)
    older = a_record("bo", a_presence(load=1), created_ms=NOON_MS + 4)

    for token, heard in enumerate((record, record, older), start=900):
        world.tell("me", PresencesHeard((heard,), PeerId("a peer"), Token(token)))

    assert [world.words[Token(token)] for token in (900, 901, 902)] == [
        Word.ACCEPT,
        Word.IGNORE,
        Word.IGNORE,
    ]


def test_hear_presences__keeps_to_the_pace(world: World) -> None:
    records = [a_record("bo", a_presence(), created_ms=NOON_MS + number) for number in range(4)]

    for token, heard in enumerate(records, start=900):
        world.tell("me", PresencesHeard((heard,), PeerId("a peer"), Token(token)))

    assert world.words[Token(902)] is Word.ACCEPT
    assert world.words[Token(903)] is Word.IGNORE


def test_hear_presences__lets_no_single_author_speak_without_end(world: World) -> None:
    records = [a_record("bo", a_presence(), created_ms=NOON_MS + number) for number in range(40)]

    for token, heard in enumerate(records, start=900):
        world.tell("me", PresencesHeard((heard,), PeerId(f"peer {token}"), Token(token)))

    accepted = [token for token in range(900, 940) if world.words[Token(token)] is Word.ACCEPT]
    assert len(accepted) == 17  # one that makes it known, and a burst


def test_hear_presences__gossips_on_only_some_of_what_was_exchanged() -> None:
    world = World("me")
    world.start()
    records = tuple(a_record(f"worker {number}", a_presence()) for number in range(200))

    effects = world.tell("me", PresencesHeard(records, PeerId("a peer")))

    relayed = [effect for effect in effects if isinstance(effect, Publish)]
    assert len(relayed) <= 17  # sixteen, and perhaps our own
    machine = world.nodes["me"].machine
    assert machine is not None
    assert all(machine.presences.find(record.author) for record in records)


def test_hear_presences__drives_nobody_out_who_is_here_and_has_records() -> None:
    world = World("me", settings=Settings(authors_max=3))
    world.start()
    world.meet("me", "bo", "cy", "di")
    for name in ("bo", "cy", "di"):
        world.hear("me", a_record(name, a_profile()), via=Via.SYNC)

    world.meet("me", *(f"sybil {number}" for number in range(20)))

    machine = world.nodes["me"].machine
    assert machine is not None
    assert all(machine.presences.find(key(name)) for name in ("bo", "cy", "di"))
    assert machine.presences.find(key("sybil 0")) is None


def test_hear_presences__takes_who_has_records_though_keys_without_fill_the_table() -> None:
    world = World("me", settings=Settings(authors_max=8))
    world.start()
    world.hear("me", a_record("bo", a_profile()), via=Via.SYNC)
    for sender in range(5):
        sybils = tuple(a_record(f"sybil {sender} {n}", a_presence()) for n in range(8))
        world.tell("me", PresencesHeard(sybils, PeerId(f"sender {sender}")))

    world.meet("me", "bo", "cy")

    machine = world.nodes["me"].machine
    assert machine is not None
    assert machine.presences.find(key("bo"))
    assert machine.presences.find(key("cy")) is None, "one took its place in this moment"
