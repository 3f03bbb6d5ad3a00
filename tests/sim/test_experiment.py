"""Experiments: what may be asked for, that a seed decides all of it, and what is measured."""

import os
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.settings import Settings
from node.sim.experiment import run
from node.sim.options import (
    ADVERSARIES_MAX,
    LIMITS,
    BadOption,
    Options,
    percent,
    read_adversaries,
    read_percent,
    read_range,
)
from node.sim.report import Sample
from node.sim.stage import KINDS, populated

ROOT = Path(__file__).parents[2]
TINY = Options(nodes=5, tasks=3, seed=7)
HASHED = """
from node.sim.experiment import run
from node.sim.options import Options
print(run(Options(nodes=5, tasks=3, seed=7, loss_ppm=50_000)).trace_hash)
"""

names = st.sampled_from(sorted(KINDS))
counts = st.integers(1, 50)


@given(st.sampled_from(sorted(LIMITS)), st.integers(1, 1_000), st.booleans())
def test_options__refuse_what_is_out_of_its_limits(name: str, by: int, is_above: bool) -> None:
    limit = LIMITS[name]
    wrong = limit.high + by if is_above else limit.low - by

    with pytest.raises(BadOption) as caught:
        Options(**{**asdict(TINY), name: wrong})

    said = str(caught.value)
    assert said.startswith(f"--{limit.flag} ")
    assert "\n" not in said
    assert (percent(limit.high) if limit.is_share else str(limit.high)) in said


@given(st.integers(1, 31))
def test_options__need_a_quorum_beside_the_submitter(seats: int) -> None:
    least = seats // 2 + 2

    assert replace(TINY, nodes=least, seats=seats).nodes == least
    with pytest.raises(BadOption, match=f"at least {least} nodes"):
        replace(TINY, nodes=least - 1, seats=seats)


def test_options__have_room_for_everybody() -> None:
    few, many = replace(TINY, nodes=1_000), replace(TINY, nodes=5_000)

    assert few.settings() == Settings()
    assert many.settings() == Settings(authors_max=5_000)
    assert many.document()["authors_max"] == 5_000


@given(st.dictionaries(names, counts))
def test_read_adversaries__gives_back_what_was_written(wanted: dict[str, int]) -> None:
    text = ", ".join(f"{name.replace(' ', '-')}:{count}" for name, count in wanted.items())

    assert dict(read_adversaries(text, KINDS)) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody:3", "'nobody': unknown, there are lazy"),
        ("lazy:0", f"'lazy:0': need a number from 1 to {ADVERSARIES_MAX}"),
        ("lazy:-1", "'lazy:-1': need"),
        ("lazy:x", "'lazy:x': need"),
        (f"lazy:{ADVERSARIES_MAX + 1}", f"1 to {ADVERSARIES_MAX}"),
        ("lazy,lazy", "'lazy': named twice"),
    ],
)
def test_read_adversaries__says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(BadOption) as caught:
        read_adversaries(text, KINDS)

    assert said in str(caught.value)


@given(st.integers(0, 100_000_000))
def test_read_percent__reads_what_percent_shows(hundredths: int) -> None:
    ppm = hundredths // 100 * 100  # a hundredth of a percent is what is shown

    assert read_percent("loss", percent(ppm)) == pytest.approx(ppm, rel=1e-5)


@pytest.mark.parametrize("text", ["", "much", "nan", "inf", "5 of 100"])
def test_read_percent__refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(BadOption, match="in percent"):
        read_percent("loss", text)


def test_read_range__reads_two_numbers_or_one() -> None:
    assert read_range("delay", "10-100") == (10, 100)
    assert read_range("delay", "50") == (50, 50)
    with pytest.raises(BadOption, match="two whole numbers"):
        read_range("delay", "10-")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_populated__puts_as_many_of_a_kind_into_the_world_as_asked_for(name: str) -> None:
    world = populated(replace(TINY, adversaries=((name, 3),)))

    others = world.hosts[TINY.nodes :]
    assert {host.cast for host in others} == {name}
    # Whoever holds many keys with one machine has one of its own besides.
    holds = len(others) == 1
    assert len(world.index_of) == TINY.nodes + 3 + holds


def test_run__kept_every_promise_and_says_so() -> None:
    report = run(TINY)

    assert report.problems == []
    assert report.outcomes.final == report.outcomes.tasks == 3
    assert report.outcomes.wrong == 0
    assert report.times.equal_after_ms is not None
    assert report.times.settled_ms is not None
    assert report.samples[-1].records_min == report.samples[-1].records_max == report.log.records
    assert len(report.waits_ms) == 3


def test_run__is_the_same_run_for_the_same_options() -> None:
    options = replace(TINY, loss_ppm=100_000, adversaries=(("lazy", 2),), run_jitter_ms=50)

    first, again, other = run(options), run(options), run(replace(options, seed=8))

    assert first.document() == again.document()
    assert first.trace_hash != other.trace_hash


def test_run__does_not_depend_on_how_python_hashes() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", HASHED],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(found) == 1


@pytest.mark.parametrize("name", sorted(KINDS))
def test_run__keeps_every_promise_with_any_cheat(name: str) -> None:
    report = run(Options(nodes=7, tasks=8, seed=11, gap_ms=250, adversaries=((name, 2),)))

    assert report.problems == []
    assert report.samples[-1].logs == 1
    assert report.samples[-1].asked == 8


def test_run__through_a_storm_heals() -> None:
    report = run(replace(TINY, nodes=7, tasks=20, seed=3, has_storm=True, gap_ms=2_000))

    assert report.problems == []
    assert report.samples[-1].logs == 1


def test_run__sees_liars_win_when_they_are_many() -> None:
    report = run(replace(TINY, tasks=20, adversaries=(("colluding liar", 10),)))

    assert report.outcomes.wrong > 10
    assert report.outcomes.predicted_wrong_ppm > 500_000


def test_run__asks_inputs_of_which_so_many_are_positive() -> None:
    """Whoever says "positive" to all is right that often."""
    lazy = (("lazy", 5),)
    none, every = (
        run(replace(TINY, tasks=5, positive_ppm=ppm, adversaries=lazy)) for ppm in (0, 1_000_000)
    )

    dissented = {one.cast: one.dissented for one in every.casts}
    assert dissented["lazy"] == 0
    assert none.outcomes.wrong + sum(one.dissented for one in none.casts) > 0


def test_run__without_profiles_has_shorter_logs_and_the_same_outcome() -> None:
    with_names = run(TINY)
    without = run(replace(TINY, has_profiles=False))

    assert without.log.records < with_names.log.records
    assert without.outcomes.final == 3
    assert without.problems == []


def test_run__goes_on_for_as_long_as_asked() -> None:
    report = run(replace(TINY, minutes=1))

    assert report.times.simulated_ms >= 60_000
    assert report.samples[-1].now_ms >= 60_000


def test_run__tells_how_far_it_is_once_a_second() -> None:
    told: list[tuple[str, Sample]] = []

    report = run(TINY, lambda phase, sample: told.append((phase, sample)))

    assert [sample for _, sample in told] == report.samples
    moments = [sample.now_ms for sample in report.samples]
    assert all(after - before >= 1_000 for before, after in pairwise(moments))
    assert {phase for phase, _ in told} >= {"meet", "settle"}
