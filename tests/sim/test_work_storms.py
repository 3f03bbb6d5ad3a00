"""Storms over a network that asks for work: whatever ends in the middle of it."""

from dataclasses import replace

import pytest

from node.sim.trial import run_trial
from node.sim.weather import Weather
from tests.sim.seeds import seeds

BITS = 2  # the work takes as long as it takes in virtual time; these are for who checks it
MINUTES = 5


@pytest.mark.parametrize("seed", seeds(60, usual=3))
def test_run_trial__keeps_every_promise_where_records_take_work(seed: int) -> None:
    weather = replace(Weather.drawn(seed, minutes=MINUTES), work_bits=BITS)

    trial = run_trial(seed, weather=weather)

    assert trial.problems == (), trial.report()
    assert trial.tasks > 0
