"""Partitions have the shapes their names promise."""

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.sim.shapes import bridge, halves, isolate_one, majority_ring
from tests.chaos.shapes import Pairs

pytestmark = [pytest.mark.chaos, pytest.mark.chaos_ci]

crowds = st.integers(3, 9).map(lambda count: [f"n{i}" for i in range(count)])
dice = st.integers(0, 2**32).map(Random)


def heard(names: list[str], cut: Pairs) -> dict[str, set[str]]:
    """Return whom each hears, itself included."""
    severed = {frozenset(pair) for pair in cut}
    open_ = [pair for pair in combinations(names, 2) if frozenset(pair) not in severed]
    return {name: {name, *(b for pair in open_ if name in pair for b in pair)} for name in names}


@given(crowds, dice)
def test_halves__hear_only_themselves(names: list[str], rng: Random) -> None:
    groups = {frozenset(group) for group in heard(names, halves(names, rng)).values()}

    assert len(groups) == 2
    assert frozenset.union(*groups) == set(names)
    assert abs(len(names) - 2 * len(min(groups, key=len))) <= 1


@given(crowds, dice)
def test_isolate_one__leaves_one_alone(names: list[str], rng: Random) -> None:
    sizes = sorted(map(len, heard(names, isolate_one(names, rng)).values()))

    assert sizes == [1, *[len(names) - 1] * (len(names) - 1)]


@given(crowds, dice)
def test_bridge__joins_two_halves_by_one(names: list[str], rng: Random) -> None:
    groups = heard(names, bridge(names, rng))
    (middle,) = (name for name, group in groups.items() if group == set(names))
    sides = {frozenset(group) for name, group in groups.items() if name != middle}

    assert len(sides) == 2
    assert frozenset.intersection(*sides) == {middle}


@given(crowds.filter(lambda names: len(names) >= 5), dice)
def test_majority_ring__gives_everyone_another_majority(names: list[str], rng: Random) -> None:
    groups = list(heard(names, majority_ring(names, rng)).values())

    assert all(len(names) > len(group) > len(names) / 2 for group in groups)
    assert len({frozenset(group) for group in groups}) == len(names)
