"""Proof that the simulator can fail: with a bug patched in, a trial finds it within 20 seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

import consensus.incremental
from consensus import jury_join
from consensus.layout import KeptJury
from node.core.effects import Effect, Publish
from node.core.outbox import Draftee
from node.core.own import statement_slot
from node.core.submitter import OwnTask, Submitter
from node.core.turn import Turn
from node.sim.cast_sybils import HastySybils
from node.sim.trial import run_trial
from node.sim.weather import Weather
from node.sim.world import World
from protocol.statements import Jury, Kind, Seat

SEEDS = range(20)


@dataclass(frozen=True)
class Bug:
    """A fault to be patched in.

    Attributes:
        patch: Puts it in.
        weather: In which it does harm.
        prepare: Puts those into the world who make use of it.
        signs: One of these is said of it, wherever it is found.
    """

    patch: Callable[[pytest.MonkeyPatch], None]
    weather: Weather
    prepare: Callable[[World], None] | None
    signs: tuple[str, ...]


def let_the_first_jury_win(patch: pytest.MonkeyPatch) -> None:
    """Keep the jury that came first, whatever comes later."""

    def join(kept: Sequence[KeptJury], new: KeptJury) -> list[KeptJury]:
        return list(kept) or [new]

    patch.setattr(consensus.incremental, "join", join)


def refuse_a_third_jury(patch: pytest.MonkeyPatch) -> None:
    """Keep the two juries that came first, even if a third is smaller."""
    right = jury_join.join

    def join(kept: Sequence[KeptJury], new: KeptJury) -> list[KeptJury]:
        is_third = len(kept) == 2 and new.digest not in [jury.digest for jury in kept]
        return list(kept) if is_third else right(kept, new)

    patch.setattr(consensus.incremental, "join", join)


def seat_the_first_to_arrive(patch: pytest.MonkeyPatch) -> None:
    """Sign the jury once enough have committed, whosever turn it is."""
    right = Submitter._seat

    def seat(self: Submitter, turn: Turn, own: OwnTask) -> None:
        if len(own.commits) < own.task.seats:
            right(self, turn, own)
            return
        jurors = sorted(list(own.commits)[: own.task.seats])
        jury = Jury(own.task_id, tuple(Seat(juror, own.commits[juror]) for juror in jurors))
        self._outbox.add(turn, Draftee(jury, statement_slot(Kind.JURY, own.task_id)))
        own.seated_ms = turn.now.ms

    patch.setattr(Submitter, "_seat", seat)


def publish_before_the_journal(patch: pytest.MonkeyPatch) -> None:
    """Let words leave before they are written down."""
    right = Turn.ended

    def ended(self: Turn) -> list[Effect]:
        effects = right(self)
        leaving: list[Effect] = [one for one in effects if isinstance(one, Publish)]
        return leaving + [one for one in effects if not isinstance(one, Publish)]

    patch.setattr(Turn, "ended", ended)


def add_hasty_keys(world: World) -> None:
    """Put an operator of three keys next to everybody, which answer everything at once."""
    hasty = world.add(HastySybils)
    for host in world.hosts[: hasty.index]:
        world.net.link(hasty.index, host.index, 5)


TWO_FACES = Weather(minutes=1, equivocators=2, jitter_ms=200, task_every_ms=2_000)
BUGS = {
    "first jury seen wins": Bug(let_the_first_jury_win, TWO_FACES, None, ("logs differ",)),
    "a third jury is refused": Bug(refuse_a_third_jury, TWO_FACES, None, ("logs differ",)),
    "first to arrive are seated": Bug(
        seat_the_first_to_arrive,
        Weather(minutes=1, task_every_ms=2_000),
        add_hasty_keys,
        ("before its turn",),
    ),
    "published before the journal": Bug(
        publish_before_the_journal,
        Weather(minutes=2, task_every_ms=2_000, trap_every_ms=5_000),
        None,
        ("twice for one slot", "its journal does not know it"),
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_trial__finds_a_bug_within_twenty_seeds_and_none_without_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = BUGS[name]
    with monkeypatch.context() as patched:
        bug.patch(patched)
        for seed in SEEDS:
            sick = run_trial(seed, weather=bug.weather, prepare=bug.prepare)
            if any(sign in problem for sign in bug.signs for problem in sick.problems):
                break
        else:
            pytest.fail(f"{name}: not found in {len(SEEDS)} seeds")

    for tried in range(sick.seed + 1):
        sane = run_trial(tried, weather=bug.weather, prepare=bug.prepare)
        assert sane.problems == (), sane.report()
    assert sane.trace_hash != sick.trace_hash
