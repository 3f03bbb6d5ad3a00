"""What is remembered of the log up to some moments is what its rows say."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.incremental import fold
from consensus.range_sums import fingerprint_below
from node.core.effects import Differs
from node.core.events import Now, PresencesHeard
from node.core.horizons import HORIZONS_MAX, SUMS_PER_TURN_MAX, Horizons
from node.core.turn import Turn
from protocol.ids import PeerId
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_presence, a_profile, a_record
from tests.core_world import World
from tests.fakes_store import MemoryLog
from tests.node.core.counted_log import CountedLog
from tests.strategies import histories

MOMENTS = [NOON_MS + offset for offset in (-1, 0, 1, 2, 3, 4, 60_000)]


def store(log: MemoryLog, horizons: Horizons, *records: Verified) -> None:
    folded = fold(log, records, NETWORK)
    log.stage(folded.changes)
    horizons.note(records, folded)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 5), st.data())
def test_fingerprint_below__is_right_after_whatever_was_folded(
    history: list[Verified], batch: int, data: st.DataObject
) -> None:
    log, horizons = MemoryLog(), Horizons()
    asked = st.lists(st.sampled_from(MOMENTS), max_size=len(MOMENTS), unique=True)

    for at in range(0, len(history), batch):
        store(log, horizons, *history[at : at + batch])

        for horizon_ms in data.draw(asked):
            expected = fingerprint_below(log, horizon_ms)
            assert horizons.fingerprint_below(log, horizon_ms) == expected


def test_fingerprint_below__reads_nothing_again_for_records_dated_later() -> None:
    log, horizons = CountedLog(), Horizons()
    store(log, horizons, a_record("an", a_profile(), created_ms=NOON_MS))
    before = horizons.fingerprint_below(log, NOON_MS + 1)
    store(log, horizons, a_record("bo", a_profile(), created_ms=NOON_MS + 1))
    log.read = 0

    after = horizons.fingerprint_below(log, NOON_MS + 1)

    assert after == before
    assert log.read == 0


def test_fingerprint_below__remembers_no_more_than_its_bound() -> None:
    log, horizons = CountedLog(), Horizons()
    for offset in range(HORIZONS_MAX + 1):
        horizons.fingerprint_below(log, NOON_MS + offset)
    log.read = 0

    horizons.fingerprint_below(log, NOON_MS + 1)
    read_when_known = log.read
    horizons.fingerprint_below(log, NOON_MS)

    assert read_when_known == 0
    assert log.read > 0


def test_differs__makes_no_more_new_sums_than_one_turn_may() -> None:
    log, horizons = MemoryLog(), Horizons()
    presences = [
        replace(a_presence(), horizon_ms=NOON_MS + at, count=5) for at in range(SUMS_PER_TURN_MAX)
    ]
    one_more = replace(a_presence(), horizon_ms=NOON_MS - 1, count=5)
    turn, later = Turn(log, Now(0, NOON_MS)), Turn(log, Now(1, NOON_MS))

    assert all(horizons.differs(turn, told) for told in presences)
    assert not horizons.differs(turn, one_more)
    assert all(horizons.differs(turn, told) for told in presences), "those are known"
    assert horizons.differs(later, one_more)


def test_hear_presences__takes_few_as_differing_where_each_tells_of_another_horizon() -> None:
    world = World("me")
    world.start()
    told = [replace(a_presence(), horizon_ms=NOON_MS + at, count=5) for at in range(20)]
    records = tuple(a_record(f"stranger {at}", one) for at, one in enumerate(told))

    effects = world.tell("me", PresencesHeard(records, PeerId("a peer")))

    assert sum(isinstance(effect, Differs) for effect in effects) == SUMS_PER_TURN_MAX
