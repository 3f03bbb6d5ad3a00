"""The reputation formula against the figures it was designed by."""

from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.contributions import Counters
from consensus.reputation import harmonic_ppm, reputation_ppm

counts = st.integers(0, 500)


@pytest.mark.parametrize(
    ("agreed", "of", "expected_ppm"), [(1, 1, 207), (3, 3, 439), (29, 30, 833), (990, 1000, 982)]
)
def test_reputation__of_one_run_for_each_submitter(agreed: int, of: int, expected_ppm: int) -> None:
    pairs = [Counters(agreed=1)] * agreed + [Counters(dissented=1)] * (of - agreed)

    assert round(reputation_ppm(pairs, 0) / 1000) == expected_ppm


def test_reputation__of_one_submitter_grows_slowly() -> None:
    assert round(reputation_ppm([Counters(agreed=980, dissented=20)], 0) / 1000) == 635


def test_reputation__of_nothing_is_zero() -> None:
    assert reputation_ppm([], 0) == 0
    assert reputation_ppm([Counters(excused=9)], 0) == 0


def test_reputation__is_halved_by_each_fault_however_many() -> None:
    whole = reputation_ppm([Counters(agreed=9)], 0)

    assert reputation_ppm([Counters(agreed=9)], 1) == whole // 2
    assert reputation_ppm([Counters(agreed=9)], 10**12) == 0


def test_reputation__treats_absence_as_dissent_and_excuses_the_excused() -> None:
    assert reputation_ppm([Counters(agreed=9, absent=2)], 0) == reputation_ppm(
        [Counters(agreed=9, dissented=2)], 0
    )
    assert reputation_ppm([Counters(agreed=9, excused=2)], 0) == reputation_ppm(
        [Counters(agreed=9)], 0
    )


@given(st.lists(st.builds(Counters, counts, counts, counts, counts), max_size=20))
def test_reputation__is_the_wilson_bound(pairs: list[Counters]) -> None:
    runs = [(p.agreed, p.agreed + p.dissented + p.absent) for p in pairs]
    weights = [(sum(1 / i for i in range(1, n + 1)), a, n) for a, n in runs if n]
    total = sum(h for h, _, _ in weights)
    share = sum(h * a / n for h, a, n in weights)
    z2 = 3.841459
    bound = 0.0
    if total:
        spread = sqrt(z2 * (share * (total - share) / total + z2 / 4))
        bound = (share + z2 / 2 - spread) / (total + z2)

    assert abs(reputation_ppm(pairs, 0) - 1e6 * bound) < 200  # parts per million, by rounding


def test_harmonic__is_the_sum_and_has_an_end() -> None:
    total = 0
    for runs in range(1, 2_000):
        total += 10**6 // runs
        assert harmonic_ppm(runs) == total
    assert harmonic_ppm(0) == 0
    assert harmonic_ppm(10**6) == sum(10**6 // i for i in range(1, 10**6 + 1))
    assert harmonic_ppm(10**6) == harmonic_ppm(10**6 + 1) == harmonic_ppm(10**15)
    assert abs(harmonic_ppm(10**5) / 1e6 - (log(10**5) + 0.5772)) < 0.1
