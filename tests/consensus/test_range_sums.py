"""The sums over the log are those of its records, however they came, and can be made again."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import range_sums
from consensus.incremental import fold
from consensus.layout import RANGE_SUM
from consensus.log import record_ids
from consensus.rows import Changes
from protocol.reconcile_items import Item, SortedItems
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS
from tests.fakes_store import MemoryLog
from tests.strategies import histories


def sums_in(log: MemoryLog) -> dict[bytes, bytes]:
    return dict(log.scan(RANGE_SUM))


def a_crowd(seed: int, count: int) -> list[Item]:
    rng = random.Random(seed)
    return [Item(NOON_MS + rng.randrange(50), rng.randbytes(32)) for _ in range(count)]


def log_of(items: list[Item]) -> MemoryLog:
    log, moved = MemoryLog(), range_sums.Moved()
    for item in items:
        moved.add(*item)
    log.stage(moved.changes(log))
    return log


def rebuild(log: MemoryLog, *, batches: int | None = None) -> bool:
    """Make the sums anew, or begin to; answer whether all was done."""
    for number, changes in enumerate(range_sums.rebuilt(log)):
        if number == batches:
            return False
        log.stage(changes)
    return True


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(1, 5))
def test_fold__keeps_the_sums_of_what_the_log_holds(history: list[Verified], batch: int) -> None:
    log = MemoryLog()

    for at in range(0, len(history), batch):
        log.stage(fold(log, history[at : at + batch], NETWORK).changes)

    items = SortedItems(Item(at, record_id) for at, record_id in record_ids(log))
    found = range_sums.sync_items(log)
    assert found.between(0, found.size) == items.between(0, items.size)
    assert found.fingerprint(0, found.size) == items.fingerprint(0, items.size)
    assert sums_in(log) == sums_in(log_of(list(items.between(0, items.size))))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(-2, 52))
def test_fingerprint_below__is_of_what_is_older(seed: int, count: int, offset: int) -> None:
    items = a_crowd(seed, count)
    horizon_ms = NOON_MS + offset

    found = range_sums.fingerprint_below(log_of(items), horizon_ms)

    below = SortedItems(item for item in items if item.created_ms < horizon_ms)
    assert found == (below.size, below.fingerprint(0, below.size))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 400),
    killed_after=st.lists(st.integers(0, 6), max_size=3),
    wrong=st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(min_size=40, max_size=40)),
)
def test_rebuilt__is_right_from_any_beginning(
    seed: int, count: int, killed_after: list[int], wrong: dict[bytes, bytes]
) -> None:
    log = log_of(a_crowd(seed, count))
    expected = sums_in(log)
    damage: Changes = {RANGE_SUM + key: value for key, value in wrong.items()}
    log.stage(damage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_sums, "REBUILT_TOGETHER", 70)
        for batches in killed_after:
            rebuild(log, batches=batches)
        assert rebuild(log)

    assert sums_in(log) == expected
