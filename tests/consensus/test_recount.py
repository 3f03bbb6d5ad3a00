"""A whole log laid out from its records is the log that grew record by record."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.incremental import fold
from consensus.recount import recount
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_market_day, a_profile, a_record, a_task
from tests.fakes import MemoryRows
from tests.strategies import histories

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def told(records: list[Verified]) -> dict[bytes, bytes]:
    """Lay out all kinds of rows; each keeps to its letter."""
    rows: dict[bytes, bytes] = {}
    for letter, kind in recount(records, NETWORK):
        assert all(key.startswith(letter) for key in kind)
        rows |= kind
    return rows


def grown(records: list[Verified]) -> dict[bytes, bytes]:
    rows = MemoryRows()
    for record in records:
        rows.apply(fold(rows, [record], NETWORK).changes)
    return rows.rows


@quick
@given(histories(), st.integers(0, 2**32))
def test_recount__is_every_row_of_the_log_that_grew(history: list[Verified], seed: int) -> None:
    shuffled = [*history, *history[::2]]
    random.Random(seed).shuffle(shuffled)

    assert told(shuffled) == grown(history)


def test_recount__is_every_row__of_a_log_whose_sums_have_many_levels() -> None:
    records = [
        a_record("an", a_profile("an", sequence=number), created_ms=NOON_MS + number % 7)
        for number in range(300)
    ]
    records += a_market_day("an", a_task(), {"bo": "positive", "cy": "positive", "di": "negative"})

    assert told(records) == grown(records)


def test_recount__tells_nothing_of_nothing() -> None:
    assert told([]) == {}
