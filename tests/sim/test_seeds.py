"""Drawn weathers, whole: storm, calm, and every promise kept; and how a run says that it failed."""

from dataclasses import fields

import pytest

from node.sim.counts import Counts
from node.sim.trial import SOMETIMES, Trial, main, run_trial
from node.sim.weather import Weather
from tests.sim.seeds import seeds

MINUTES = 5
KINDS = (
    "equivocators",
    "loss_ppm",
    "repeat_ppm",
    "jitter_ms",
    "clog_every_ms",
    "cut_every_ms",
    "offset_ms",
    "drift_ppm",
    "jump_every_ms",
    "kill_every_ms",
    "trap_every_ms",
    "power_ppm",
    "pause_every_ms",
    "full_every_ms",
    "slow_ppm",
    "failed_ppm",
    "wrong_ppm",
)


@pytest.mark.parametrize("seed", seeds(60, usual=2))
def test_run_trial__keeps_every_promise_in_a_drawn_weather(seed: int) -> None:
    trial = run_trial(seed, minutes=MINUTES)

    assert trial.problems == (), trial.report()
    assert trial.tasks > 0


def test_drawn__has_every_kind_of_fault_on_in_some_seeds_and_off_in_others() -> None:
    weathers = [Weather.drawn(seed) for seed in range(60)]

    for kind in KINDS:
        is_on = [bool(getattr(weather, kind)) for weather in weathers]
        assert 15 < sum(is_on) < 45, kind
    assert {shape for weather in weathers for shape in weather.shapes} == set(Weather().shapes)


def test_drawn__is_the_same_for_the_same_seed_and_keeps_within_bounds() -> None:
    for seed in range(60):
        weather = Weather.drawn(seed, nodes=9, minutes=2)

        assert weather == Weather.drawn(seed, nodes=9, minutes=2)
        assert weather.nodes == 9
        assert weather.storm_ms == 120_000
        assert weather.loss_ppm <= 300_000
        assert weather.repeat_ppm <= 500_000
        assert weather.offset_ms <= 24 * 3_600_000


def test_report__of_a_failure_has_all_that_replays_it() -> None:
    weather = Weather.drawn(17, nodes=7, minutes=10)
    trial = Trial(17, weather, ("a promise was broken",), Counts(), "ab" * 32, 5, 4, 9_000)

    report = trial.report()

    assert "seed 17: 1 problems, 4 of 5 tasks final" in report
    assert "problem: a promise was broken" in report
    assert "make sim SEED=17 NODES=7 MINUTES=10" in report
    assert "ab" * 32 in report
    for option in fields(weather):
        assert f"  {option.name} = {getattr(weather, option.name)}\n" in report


def test_report__of_a_weather_that_no_seed_draws_offers_no_replay_by_seed() -> None:
    trial = Trial(17, Weather(loss_ppm=7), (), Counts(), "ab" * 32, 5, 4, 9_000)

    assert "make sim" not in trial.report()


def test_main__says_what_came_of_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--nodes", "4", "--minutes", "1"]) == 0

    said = capsys.readouterr().out
    assert "seed 3: ok" in said
    assert "1 seeds: 0 failed" in said


def test_main__fails_a_long_run_in_which_a_rare_state_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--seeds", "0-29", "--nodes", "1", "--minutes", "1", "--jobs", "2"])

    said = capsys.readouterr().out
    assert status == 1
    assert any(f"        0 x {name}" in said for name in SOMETIMES)


@pytest.mark.parametrize("wrong", ["", "x", "3-", "-3", "1,,2", "1-x"])
def test_main__refuses_what_names_no_seeds(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", wrong])

    assert "seeds" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--nodes", "--minutes", "--jobs"])
@pytest.mark.parametrize("wrong", ["0", "-1", "x", "10001"])
def test_main__refuses_a_number_out_of_bounds(
    option: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([option, wrong])

    assert option in capsys.readouterr().err
