"""Workers that do not do their work: what they earn, and that nobody else suffers for it."""

from itertools import combinations
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.verdict import quorum_of
from node.sim import ballots
from node.sim.cast_voters import CAST, Crasher, FlakyModel, Lazy, SlowWorker, Withholder
from node.sim.host import Host
from node.sim.odds import PPM, Bloc, binomial_ppm, drawn_ppm, error_ppm
from node.sim.oracle import problems
from node.sim.verdicts import CastTally, outcomes, percentile, tally
from node.sim.world import World
from tests.sim.seeds import seeds

HONEST = 6
ODD_SEATS = st.sampled_from([1, 3, 5, 7])
SHARES = st.integers(0, PPM)


def a_world(kind: type[Host], *, seed: int = 1, tasks: int = 24, cast: int = 2) -> World:
    """Run honest hosts and some of another kind until all is settled and heard everywhere."""
    world = World(seed)
    for _ in range(HONEST):
        world.add(Host)
    for _ in range(cast):
        world.add(kind)
    world.wire(3)
    world.boot()
    world.run(ballots.WARM_UP_MS)
    ballots.ask(world, range(HONEST), tasks, seats=3, together=4)
    world.run(60_000)
    return world


def tally_of(world: World, cast: str) -> CastTally:
    return next(one for one in tally(world) if one.cast == cast)


@given(ODD_SEATS, SHARES, st.integers(7, 30))
def test_drawn__is_binomial_where_all_are_alike(seats: int, share_ppm: int, workers: int) -> None:
    drawn = drawn_ppm([Bloc(workers, share_ppm)], seats=seats)

    assert abs(drawn - binomial_ppm(share_ppm, seats=seats)) <= 1


@given(
    ODD_SEATS,
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 250_000, PPM])), max_size=3),
)
def test_drawn__counts_every_way_to_draw_a_jury(seats: int, sizes: list[tuple[int, int]]) -> None:
    blocs = [Bloc(7, 500_000), *(Bloc(workers, wrong_ppm) for workers, wrong_ppm in sizes)]
    everyone = [bloc.wrong_ppm for bloc in blocs for _ in range(bloc.workers)]
    if len(everyone) > 11:
        everyone, blocs = everyone[:7], blocs[:1]

    juries = list(combinations(everyone, min(seats, len(everyone))))
    expected = sum(_wrong(jury, quorum_of(seats)) for jury in juries) / len(juries)

    assert abs(drawn_ppm(blocs, seats=seats) - PPM * expected) <= 1


def _wrong(jury: tuple[int, ...], quorum: int) -> float:
    shares = [wrong_ppm / PPM for wrong_ppm in jury]
    return sum(
        prod(share if at in wrong else 1 - share for at, share in enumerate(shares))
        for count in range(quorum, len(jury) + 1)
        for wrong in combinations(range(len(jury)), count)
    )


@given(ODD_SEATS, st.integers(0, 50), st.integers(0, 50))
def test_drawn__rises_with_every_liar(seats: int, liars: int, honest: int) -> None:
    fewer = drawn_ppm([Bloc(liars, PPM), Bloc(honest + 8, 0)], seats=seats)
    more = drawn_ppm([Bloc(liars + 1, PPM), Bloc(honest + 7, 0)], seats=seats)

    assert 0 <= fewer <= more <= PPM


def test_error__is_that_of_a_coin() -> None:
    assert error_ppm(PPM // 2, tasks=10_000) == 5_000
    assert error_ppm(0, tasks=10) == error_ppm(PPM, tasks=10) == 0


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 100))
def test_percentile__is_the_least_value_that_so_many_do_not_exceed(
    values: list[int], percent: int
) -> None:
    found = percentile(sorted(values), percent)

    assert found in values
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@pytest.mark.parametrize("cast", sorted(CAST))
def test_cast__breaks_no_promise_to_others(cast: str) -> None:
    world = a_world(CAST[cast])

    assert problems(world) == []


@pytest.mark.parametrize("cast", sorted(CAST))
def test_tally__accounts_for_every_seat(cast: str) -> None:
    world = a_world(CAST[cast], tasks=12)

    marks = [mark for _, _, marks in ballots.juries(world) for mark in marks]
    lines = tally(world)

    assert sum(one.keys for one in lines) == len(world.hosts)
    assert sum(one.seats for one in lines) == len(marks)
    assert sum(one.agreed for one in lines) == marks.count(0)
    assert sum(one.dissented for one in lines) == marks.count(1)
    assert sum(one.absent for one in lines) == marks.count(3)
    assert all(one.points == one.agreed for one in lines)


def test_liar__earns_less_than_who_works() -> None:
    for cast in ("lazy", "random", "constant liar", "colluding liar", "withholder"):
        world = a_world(CAST[cast], cast=1, tasks=60)

        liar, honest = tally_of(world, cast), tally_of(world, "honest")

        assert liar.seats > 0
        assert 2 * liar.reputation_ppm_median < honest.reputation_ppm_median


def test_lazy__agrees_where_the_answer_is_its_only_one() -> None:
    world = a_world(Lazy, cast=1, tasks=40)

    lazy = tally_of(world, "lazy")
    positive = sum(
        world.models.truth(world.users.by_task[task_id].input_bytes) == b"positive"
        for task_id, jurors, _ in ballots.juries(world)
        if world.hosts[HONEST].key in jurors
    )

    assert outcomes(world).wrong == 0
    assert (lazy.agreed, lazy.seats) == (positive, lazy.agreed + lazy.dissented)


def test_withholder__is_absent_from_every_seat_and_stops_nobody() -> None:
    world = a_world(Withholder)

    found, withholder = outcomes(world), tally_of(world, "withholder")

    assert withholder.seats > 0
    assert withholder.absent == withholder.seats
    assert found.final == found.tasks
    assert found.wrong == 0


def test_crasher__opens_late_what_it_sealed() -> None:
    world = a_world(Crasher, seed=2, tasks=120)

    crasher = tally_of(world, "crasher")

    assert world.counts.sometimes["a juror died before its opened answer left"] > 0
    assert world.counts.sometimes["a worker died after its commitment left"] > 0
    assert crasher.absent == 0
    assert outcomes(world).final == 120


def test_slow_worker__is_replaced_by_a_stand_by() -> None:
    world = a_world(SlowWorker)

    found = outcomes(world)

    assert found.final == found.tasks
    assert found.runs_per_task > 3
    assert found.final_ms_p99 < world.hosts[-1].run_ms


def test_flaky_model__is_replaced_and_tries_again() -> None:
    world = a_world(FlakyModel)

    found, flaky = outcomes(world), tally_of(world, "flaky")

    assert (found.final, found.wrong) == (found.tasks, 0)
    assert flaky.seats == flaky.agreed > 0


@pytest.mark.parametrize("seats", [3, 5, 7])
def test_verdict__is_wrong_exactly_where_liars_are_a_quorum_of_the_first_in_rank(
    seats: int,
) -> None:
    """So the share of wrong verdicts is that of a lottery, whose odds are known."""
    world = ballots.machines_with_liars(1, tasks=60, seats=seats, workers=20, liar_each=3)

    liars = [host.key for host in world.hosts if host.cast == "constant liar"]
    found = outcomes(world)

    assert ballots.seated_out_of_turn(world) == 0
    assert (found.final, found.retried) == (found.tasks, 0)
    assert found.wrong == ballots.captured(world, liars) > 0
    assert found.runs_per_task == seats


@pytest.mark.parametrize("seed", seeds(20, usual=1))
def test_crowd_with_liars__is_wrong_as_often_as_the_odds_say(seed: int) -> None:
    world = ballots.crowd_with_liars(seed, tasks=400, seats=3, machines=2, workers=100)

    found = outcomes(world)

    error = error_ppm(found.predicted_wrong_ppm, tasks=found.tasks)
    assert ballots.seated_out_of_turn(world) == 0
    assert abs(found.wrong_ppm - found.predicted_wrong_ppm) <= 3 * error
    assert (found.final, found.retried) == (found.tasks, 0)


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_tasks__end_although_a_third_dies_without_a_word(seed: int) -> None:
    world = ballots.with_dead_workers(seed, nodes=13, tasks=12)

    found = outcomes(world)

    assert sum(not host.is_up for host in world.hosts) == 3
    assert (found.final, found.wrong) == (found.tasks, 0)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 1_000))
def test_fair_weather__costs_as_many_runs_as_seats(seed: int) -> None:
    found = outcomes(ballots.in_fair_weather(seed, nodes=8, tasks=8))

    assert found.final == found.tasks
    assert found.runs_per_task <= 3.5
