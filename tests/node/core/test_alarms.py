"""One moment per alarm, the last one said."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.alarms import OUTBOX, PRESENCE, Alarm, Alarms
from protocol.ids import TaskId

NAMES = (OUTBOX, PRESENCE, Alarm("worker", TaskId(b"1")), Alarm("submitter", TaskId(b"1")))
moments = st.integers(0, 20)
orders = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), moments),
    st.tuples(st.just("clear"), st.sampled_from(NAMES), moments),
    st.tuples(st.just("due"), st.sampled_from(NAMES), moments),
)


def test_due__takes_what_has_come_earliest_first() -> None:
    alarms = Alarms()
    alarms.set(OUTBOX, 7)
    alarms.set(PRESENCE, 5)
    alarms.set(NAMES[2], 8)

    assert alarms.due(7) == [PRESENCE, OUTBOX]
    assert alarms.due(7) == []
    assert alarms.next_ms() == 8


def test_set__moves_an_alarm() -> None:
    alarms = Alarms()
    alarms.set(OUTBOX, 5)

    alarms.set(OUTBOX, 9)

    assert alarms.due(8) == []
    assert alarms.due(9) == [OUTBOX]


def test_clear__silences_an_alarm() -> None:
    alarms = Alarms()
    alarms.set(OUTBOX, 5)

    alarms.clear(OUTBOX)

    assert alarms.next_ms() is None
    assert alarms.due(100) == []


@given(st.lists(orders, max_size=40))
def test_alarms__do_as_a_dictionary_would(history: list[tuple[str, Alarm, int]]) -> None:
    alarms = Alarms()
    plain: dict[Alarm, int] = {}

    for what, alarm, at_ms in history:
        if what == "set":
            alarms.set(alarm, at_ms)
            plain[alarm] = at_ms
        elif what == "clear":
            alarms.clear(alarm)
            plain.pop(alarm, None)
        else:
            rung = alarms.due(at_ms)
            expected = {one for one, moment in plain.items() if moment <= at_ms}
            assert sorted(rung) == sorted(expected)
            plain = {one: moment for one, moment in plain.items() if moment > at_ms}
        assert alarms.next_ms() == min(plain.values(), default=None)
