"""What must hold of machines among each other, whatever is lost, late, or killed half-way."""

import random
from collections.abc import Iterator
from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.log import (
    chain_answer,
    chain_of,
    find_task,
    find_verdict,
    newest_tasks,
    record_ids,
    state_digest,
    undecided,
)
from node.core.own import profile_slot, read_entry, retry_slot, statement_slot
from node.core.settings import Settings
from protocol.ids import TaskId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Kind, Profile, Reveal, Task
from tests.builders import NETWORK, signer
from tests.core_world import World

CALM = Settings(presence_ms=15_000)
WORKERS = ("bo", "cy", "di", "ed", "flo")
STORM_MS = 40_000
HEAL_STEPS_MAX = 40
storms = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
seeds = st.integers(0, 2**32)


class Storm:
    """A world whose every mishap follows from a seed."""

    def __init__(self, seed: int, *, liars: int = 0) -> None:
        self.rng = random.Random(seed)
        self.world = World("an", "sue", *WORKERS, settings=CALM)
        self.asked: dict[tuple[str, str], TaskId] = {}
        self._tokens: dict[object, tuple[str, str]] = {}
        self._liars = self.rng.sample(WORKERS, liars)
        world, rng = self.world, self.rng
        world.answer = self._answer
        world.run_ms = lambda _name: rng.choice((5, 50, 800, 4_000))
        world.delay_ms = lambda _from, _to: rng.choice((1, 10, 100, 3_000))
        world.is_lost = lambda _from, _to, _record: rng.random() < 0.15
        world.start()

    def rage(self) -> None:
        """Submit, kill and restart at random moments."""
        world, rng = self.world, self.rng
        begin_ms = world.now_ms
        for number in range(rng.randint(1, 4)):
            at_ms = begin_ms + rng.randrange(STORM_MS // 2)
            name, request = rng.choice(("an", "sue")), f"request {number}"
            world.at(at_ms, partial(self.submit, name, request))
        for _ in range(rng.randint(1, 8)):
            at_ms = begin_ms + rng.randrange(STORM_MS)
            world.at(at_ms, partial(self._hurt, rng.choice(tuple(world.nodes))))
        world.run(STORM_MS)

    def heal(self) -> None:
        """Start everybody, lose nothing, sync now and then, until all requests are answered."""
        world = self.world
        world.delay_ms = lambda _from, _to: 10
        world.run_ms = lambda _name: 20
        world.is_lost = lambda _from, _to, _record: False
        for node in world.nodes.values():
            node.fuse = None
        world.start()
        for _ in range(HEAL_STEPS_MAX):
            world.run(5_000)
            world.sync()
            if not any(list(undecided(node.log)) for node in world.nodes.values()):
                break
        world.run(1_000)
        world.sync()

    def submit(self, name: str, request: str) -> None:
        """Ask, or ask again: the same request is the same task for ever."""
        token = self.world.submit(name, f"text of {request}", request_id=request)
        self._tokens[token] = (name, request)

    def answered(self) -> dict[tuple[str, str], set[TaskId]]:
        """Return the ids that each request was told; more than one is a broken promise."""
        told: dict[tuple[str, str], set[TaskId]] = {}
        for token, task_id in self.world.replies.items():
            told.setdefault(self._tokens[token], set()).add(task_id)
        return told

    def _answer(self, name: str, text: str) -> str:
        honest = "positive" if len(text) % 2 else "negative"
        return "neutral" if name in self._liars else honest

    def _hurt(self, name: str) -> None:
        world, rng = self.world, self.rng
        node = world.nodes[name]
        if node.machine is None:
            return
        if rng.random() < 0.7:
            node.fuse = rng.randrange(6)  # dies between two effects
        else:
            world.kill(name, lose_rows=rng.random() < 0.5)
        later_ms = world.now_ms + rng.randrange(500, 20_000)
        world.at(later_ms, lambda: self._back(name))

    def _back(self, name: str) -> None:
        node = self.world.nodes[name]
        if node.machine is not None:  # the fuse never burned down
            node.fuse = None
            return
        self.world.start(name)


def slots_of(record: Verified) -> Iterator[bytes]:
    """Name what a record uses up; a first task uses a request, which it does not show."""
    for statement in record.statements:
        match statement:
            case Commit(task_id, _):
                yield statement_slot(Kind.COMMIT, task_id)
            case Jury(task_id, _):
                yield statement_slot(Kind.JURY, task_id)
            case Reveal(task_id, _, _):
                yield statement_slot(Kind.REVEAL, task_id)
            case Task() if statement.retry_of:
                yield retry_slot(statement.retry_of)
            case Profile():
                yield profile_slot(statement.sequence)


def check_one_record_a_slot(world: World) -> None:
    """Look through all that was ever offered to the mesh."""
    for name, node in world.nodes.items():
        used: dict[bytes, bytes] = {}
        journaled = {read_entry(entry, NETWORK.params).record for entry in node.journal}
        for record in node.published:
            if record.presence is not None or record.author != signer(name).public_key:
                continue
            assert record.raw in journaled
            for slot in slots_of(record):
                assert used.setdefault(slot, record.raw) == record.raw, f"{name} signed twice"


def check_logs_are_equal(world: World) -> None:
    """Compare what all nodes hold and what they make of it."""
    logs = [node.log for node in world.nodes.values()]
    assert len({tuple(record_ids(log)) for log in logs}) == 1
    assert len({state_digest(log) for log in logs}) == 1


def check_nothing_was_opened_early(world: World) -> None:
    """Find no reveal that was offered before the jury was."""
    seen: set[TaskId] = set()
    for record in world.spoken:
        for statement in record.statements:
            if isinstance(statement, Jury):
                seen.add(statement.task_id)
            elif isinstance(statement, Reveal):
                assert statement.task_id in seen


@storms
@given(seeds)
def test_machines__agree_and_finish_after_any_storm(seed: int) -> None:
    storm = Storm(seed)

    storm.rage()
    storm.heal()

    world = storm.world
    assert not world.halts
    check_one_record_a_slot(world)
    check_nothing_was_opened_early(world)
    check_logs_are_equal(world)
    log = world.nodes["an"].log
    for task_ids in storm.answered().values():
        assert len(task_ids) == 1
        assert chain_answer(log, chain_of(log, min(task_ids))) is not None
    for task_id in newest_tasks(log, limit=100):
        verdict = find_verdict(log, task_id)
        assert verdict is not None
        assert all(vote.result is not None for vote in verdict.votes), "a juror never opened"


@storms
@given(seeds, st.integers(1, 3))
def test_machines__agree_even_if_some_lie(seed: int, liars: int) -> None:
    storm = Storm(seed, liars=liars)

    storm.rage()
    storm.heal()

    assert not storm.world.halts
    check_one_record_a_slot(storm.world)
    check_nothing_was_opened_early(storm.world)
    check_logs_are_equal(storm.world)
    assert all(len(task_ids) == 1 for task_ids in storm.answered().values())


@storms
@given(st.integers(0, 60), st.sampled_from(("an", "bo")), st.booleans())
def test_restart__after_any_single_effect_loses_and_repeats_nothing(
    fuse: int, name: str, lose_rows: bool
) -> None:
    world = World("an", *WORKERS[:3], settings=CALM)
    world.start()
    world.nodes[name].fuse = fuse

    world.submit("an", request_id="once")
    world.run(3_000)
    if world.nodes[name].machine is not None:
        world.kill(name)
    if lose_rows:
        world.kill(name, lose_rows=True)
    world.start()
    world.sync()
    token = world.submit("an", request_id="once")
    for _ in range(12):
        world.run(5_000)
        world.sync()

    assert not world.halts
    check_one_record_a_slot(world)
    check_logs_are_equal(world)
    assert len(set(world.replies.values())) == 1
    log = world.nodes["an"].log
    assert chain_answer(log, chain_of(log, world.replies[token])) is not None
    assert len([one for one in newest_tasks(log, limit=9) if first_of(world, one)]) == 1


def first_of(world: World, task_id: TaskId) -> bool:
    """Answer whether a task is no retry."""
    submitted = find_task(world.nodes["an"].log, task_id)
    return submitted is not None and submitted.task.attempt == 0
