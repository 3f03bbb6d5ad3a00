"""Our own words on their way out: gathered, signed once, in messages of bounded size and pace."""

from collections.abc import Sequence

import pytest

from node.core.alarms import OUTBOX, Alarms
from node.core.effects import Append, Effect, Journal, Publish, Reply
from node.core.events import Now, Token
from node.core.outbox import Draftee, Outbox
from node.core.own import Asked, find_slot, read_entry, retry_slot, statement_slot
from node.core.settings import Settings
from node.core.turn import Turn
from protocol.gossip import unpack_gossip
from protocol.ids import Commitment, TaskId
from protocol.params import GOSSIP_BYTES_MAX
from protocol.record import Verified
from protocol.statements import Commit, Kind
from tests.builders import NETWORK, NOON_MS, a_jury, a_record, a_task, signer
from tests.fakes import MemoryRows


class Desk:
    """An outbox that signs, its rows, and everything that left it."""

    def __init__(self, *, settings: Settings | None = None, last_created_ms: int = 0) -> None:
        self.alarms = Alarms()
        self.outbox = Outbox(
            signer=signer("me"),
            network=NETWORK,
            settings=settings or Settings(),
            alarms=self.alarms,
            last_created_ms=last_created_ms,
        )
        self.outbox.signing = True
        self.rows = MemoryRows()
        self.effects: list[Effect] = []

    def add(self, *draftees: Draftee) -> list[bool]:
        return [self.outbox.add(self.turn(0), draftee) for draftee in draftees]

    def turn(self, ms: int, *, wall_ms: int | None = None) -> Turn:
        return Turn(self.rows, Now(ms, NOON_MS + ms if wall_ms is None else wall_ms))

    def flush(self, ms: int = 0, *, wall_ms: int | None = None) -> list[Verified]:
        """Flush at a moment, and write what there is to write."""
        turn = self.turn(ms, wall_ms=wall_ms)
        sealed = self.outbox.flush(turn)
        self.effects += turn.ended()
        self.rows.apply(turn.rows.changes)
        return sealed

    def messages(self) -> list[list[bytes]]:
        return [unpack_gossip(e.data) for e in self.effects if isinstance(e, Publish)]


def task_id(number: int) -> TaskId:
    return TaskId(number.to_bytes(32))


def a_draftee(number: int) -> Draftee:
    """Draft a commit, the smallest statement."""
    commit = Commit(task_id(number), Commitment(bytes(32)))
    return Draftee(commit, statement_slot(Kind.COMMIT, task_id(number)))


def a_big_draftee(number: int, *, size: int = 16_384) -> Draftee:
    """Draft a task with a long input."""
    return Draftee(a_task("x" * size, nonce=number), retry_slot(task_id(number)))


def a_jury_draftee(number: int) -> Draftee:
    jury = a_jury(task_id(number), {"bo": "x", "cy": "x"})
    return Draftee(jury, statement_slot(Kind.JURY, task_id(number)))


def spoken(records: Sequence[Verified]) -> list[int]:
    return [len(record.statements) for record in records]


def test_flush__gathers_what_waits_into_one_record() -> None:
    desk = Desk()
    desk.add(*(a_draftee(number) for number in range(5)))

    sealed = desk.flush()

    assert spoken(sealed) == [5]
    assert desk.messages() == [[sealed[0].raw]]


@pytest.mark.parametrize(("count", "expected"), [(256, [256]), (257, [256, 1])])
def test_flush__keeps_to_the_statements_of_a_record(count: int, expected: list[int]) -> None:
    desk = Desk()
    desk.add(*(a_draftee(number) for number in range(count)))

    assert spoken(desk.flush()) == expected


def test_flush__lets_a_jury_stand_alone_and_keeps_the_order() -> None:
    desk = Desk()
    desk.add(a_draftee(1), a_jury_draftee(2), a_jury_draftee(3), a_draftee(4), a_draftee(5))

    sealed = desk.flush()

    assert spoken(sealed) == [1, 1, 1, 2]
    assert [record.jury is not None for record in sealed] == [False, True, True, False]
    assert len(desk.messages()) == 1


def test_flush__keeps_to_the_records_of_a_message() -> None:
    desk = Desk()
    desk.add(*(a_jury_draftee(number) for number in range(65)))

    first, second = desk.flush(0), desk.flush(20)

    assert (len(first), len(second)) == (64, 1)
    assert [len(message) for message in desk.messages()] == [64, 1]


def test_flush__keeps_to_the_bytes_of_a_record_and_of_a_message() -> None:
    desk = Desk()
    desk.add(*(a_big_draftee(number) for number in range(10)))

    moments = [desk.flush(ms) for ms in range(0, 2_000, 100)]

    sizes = [sum(len(raw) for raw in message) for message in desk.messages()]
    assert sum(spoken([record for sealed in moments for record in sealed])) == 10
    assert all(len(record.raw) <= 32 * 1024 for sealed in moments for record in sealed)
    assert max(sizes) <= GOSSIP_BYTES_MAX
    assert min(sizes[:-1]) > GOSSIP_BYTES_MAX - 17_000  # no room is wasted that one would fill


@pytest.mark.parametrize("size", range(900, 1_000, 7))
def test_flush__fills_records_and_messages_without_ever_overflowing(size: int) -> None:
    desk = Desk()
    desk.add(*(a_big_draftee(number, size=size) for number in range(150)))

    left = [record for ms in range(0, 1_000, 100) for record in desk.flush(ms)]

    assert sum(spoken(left)) == 150
    assert sum(len(message) for message in desk.messages()) == len(left)  # read by its limits


def test_flush__says_nothing_before_signing_is_allowed() -> None:
    desk = Desk()
    desk.outbox.signing = False
    desk.add(a_draftee(1))

    before = desk.flush(0)
    desk.outbox.signing = True
    after = desk.flush(0)

    assert before == []
    assert desk.alarms.next_ms() is None
    assert spoken(after) == [1]


def test_flush__says_stored_records_again_before_signing_is_allowed() -> None:
    desk = Desk()
    desk.outbox.signing = False
    raw = a_record("me", a_task()).raw
    desk.outbox.say_again(raw)
    desk.add(a_draftee(1))

    sealed = desk.flush()

    assert sealed == []
    assert desk.messages() == [[raw]]


def test_flush__says_again_in_as_many_messages_as_it_takes() -> None:
    desk = Desk()
    raws = [a_record("me", a_task("x" * 16_000, nonce=number)).raw for number in range(7)]
    for raw in raws:
        desk.outbox.say_again(raw)
    desk.add(a_draftee(1))

    for ms in range(0, 100, 20):
        desk.flush(ms)

    assert [len(message) for message in desk.messages()] == [4, 3, 1]  # new words fill the room
    assert [raw for message in desk.messages() for raw in message if raw in raws] == raws


def test_flush__sends_the_first_at_once_and_the_next_after_the_batch_time() -> None:
    desk = Desk()
    desk.add(a_draftee(1))
    first = desk.flush(1_000)
    desk.add(a_draftee(2))

    too_early = desk.flush(1_019)
    alarm_ms = desk.alarms.next_ms()
    in_time = desk.flush(1_020)

    assert spoken(first) == spoken(in_time) == [1]
    assert too_early == []
    assert alarm_ms == 1_020


def test_flush__slows_down_in_a_crowd_and_recovers() -> None:
    desk = Desk()
    for number in range(10):
        desk.outbox.heard(number.to_bytes(32), 0)
        desk.outbox.heard(number.to_bytes(32), 1_000)
    desk.add(a_draftee(1))
    desk.flush(1_000)
    desk.add(a_draftee(2))

    waits_ms = desk.alarms.next_ms(), desk.flush(1_099), desk.alarms.next_ms()
    desk.flush(1_100)
    desk.add(a_draftee(3))
    later = desk.flush(12_000)
    desk.add(a_draftee(4))

    assert waits_ms == (None, [], 1_100)
    assert spoken(later) == [1]
    assert spoken(desk.flush(12_020)) == [1]


def test_flush__leaves_an_alarm_while_anything_waits() -> None:
    desk = Desk()
    desk.add(*(a_big_draftee(number) for number in range(4)))

    desk.flush(500)

    assert desk.alarms.due(520) == [OUTBOX]


def test_add__refuses_a_slot_that_waits_or_was_used() -> None:
    desk = Desk()

    waiting = desk.add(a_draftee(1), a_draftee(1))
    [record] = desk.flush()
    used = desk.add(a_draftee(1))

    assert (waiting, used) == ([True, False], [False])
    assert find_slot(desk.rows, statement_slot(Kind.COMMIT, task_id(1))) == record.record_id


def test_flush__journals_before_it_publishes_and_replies() -> None:
    desk = Desk()
    task = a_task()
    asked = Asked(bytes(32), bytes(32), task_id(7))
    slot = statement_slot(Kind.TASK, task_id(7))
    desk.add(Draftee(task, slot, asked=asked, tokens=[Token(1), Token(2)]), a_jury_draftee(2))

    sealed = desk.flush()

    kinds = [type(effect) for effect in desk.effects]
    assert kinds[:3] == [Journal, Journal, Append]
    assert sorted(kind.__name__ for kind in kinds[3:]) == ["Publish", "Reply", "Reply"]
    assert [e.task_id for e in desk.effects if isinstance(e, Reply)] == [task_id(7)] * 2
    entries = [e.entry for e in desk.effects if isinstance(e, Journal)]
    read = [read_entry(entry, NETWORK.params) for entry in entries]
    assert [entry.record for entry in read] == [record.raw for record in sealed]
    assert (read[0].slots, read[0].asked) == ((slot,), (asked,))


def test_created_ms__rises_while_the_clock_stands_or_falls_back() -> None:
    desk = Desk(last_created_ms=NOON_MS + 5)

    dates = []
    for number, wall_ms in enumerate((NOON_MS, NOON_MS, NOON_MS - 9_999, NOON_MS + 50, NOON_MS)):
        desk.add(a_draftee(number))
        dates += [one.created_ms for one in desk.flush(number * 100, wall_ms=wall_ms)]

    assert [date - NOON_MS for date in dates] == [6, 7, 8, 50, 51]


def test_is_full__counts_what_waits() -> None:
    desk = Desk(settings=Settings(outbox_max=2))

    desk.add(a_draftee(1))
    before = desk.outbox.is_full
    desk.add(a_draftee(2))

    assert (before, desk.outbox.is_full) == (False, True)
    assert isinstance(desk.flush()[0].statements[0], Commit)
    assert not desk.outbox.is_full


def test_flush__is_not_silenced_by_a_crowd_of_keys() -> None:
    bench = Desk()
    for number in range(2_000):
        bench.outbox.heard(number.to_bytes(32), 0)
        bench.outbox.heard(number.to_bytes(32), 1_000)
    bench.add(a_draftee(1))
    bench.flush(1_000)

    bench.add(a_draftee(2))

    assert bench.flush(1_999) == []
    assert len(bench.flush(2_000)) == 1


def test_flush__waits_no_longer_for_keys_that_are_heard_once() -> None:
    bench = Desk()
    for number in range(2_000):
        bench.outbox.heard(number.to_bytes(32), number)
    bench.add(a_draftee(1))
    bench.flush(2_000)

    bench.add(a_draftee(2))

    assert len(bench.flush(2_020)) == 1
