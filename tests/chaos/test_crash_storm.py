"""C1: five nodes under a storm of kills lose nothing, contradict nothing, and end as one."""

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from node.config import make_network
from tests.chaos.conftest import Tell
from tests.chaos.oracle import (
    blame_by,
    complaints_of,
    faults_of,
    kinds_signed,
    remains_of,
    tasks_in,
)
from tests.chaos.sizes import is_long, times
from tests.chaos.storm import Storm
from tests.loopback.nodes import street, wait_equal, wait_final

KILLS, TASKS_PER_ROUND, ROUND_S, AWAY_S = (40, 5, 5.0, 10.0) if is_long() else (10, 4, 2.5, 2.5)
EQUAL_WITHIN_S = 60.0
HEARD_WITHIN_S = 10.0  # since it serves: what a launch takes depends on what else runs


@pytest.mark.chaos
@pytest.mark.chaos_ci
@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", range(times(small=1, listed=3)))
def test_kill_storm__loses_nothing_and_leaves_five_nodes_equal(
    run: int, tmp_path: Path, rng: Random, tell: Tell
) -> None:
    with street(tmp_path) as town:
        nodes = town.open("alice", "bob", "carol", "dave", "erin")
        network = make_network(name=None, genesis=town.genesis)
        storm = Storm(
            nodes=nodes,
            network=network,
            dice=rng,
            tasks_per_round=TASKS_PER_ROUND,
            round_s=ROUND_S,
            away_s_max=AWAY_S,
        )
        started_s = time.monotonic()
        storm.rage(kills=KILLS, kills_max=3 * KILLS)
        raged_s = time.monotonic()

        last_s = max(one.launched_s for one in storm.returns)
        accepted = [one.task_id for one in storm.requests if one.task_id is not None]
        wait_final(nodes[0], accepted, within_s=EQUAL_WITHIN_S - (time.monotonic() - last_s))
        wait_equal(nodes, within_s=EQUAL_WITHIN_S - (time.monotonic() - last_s))
        equal_s = time.monotonic()

        blamed = {node.name: blame_by(node) for node in nodes}
        assert [node.stop() for node in nodes] == [0] * len(nodes)
        left = [remains_of(node, network) for node in nodes]
        complaints = [complaint for node in nodes for complaint in complaints_of(node)]

    report(storm, tell, raged_s - started_s, equal_s - last_s)
    assert len(storm.kills) == len(storm.returns) >= KILLS
    assert all(storm.phases().values()), storm.phases()
    assert complaints == []
    assert all(not counted for counted in blamed.values()), blamed
    assert kinds_signed(left[0].records.values()) >= {"profile", "commit", "jury", "reveal"}
    assert faults_of(left, network, accepted=accepted) == []
    texts = Counter(
        task.input.decode()
        for _, task in tasks_in(left[0].records.values(), network).values()
        if task.attempt == 0
    )
    assert texts == Counter(f"{one.node.name}: {one.request_id}" for one in storm.requests)
    assert max(one.heard_s - one.serving_s for one in storm.returns) <= HEARD_WITHIN_S


def report(storm: Storm, tell: Tell, raged_s: float, equal_s: float) -> None:
    hit = Counter(phase for kill in storm.kills for phase in kill.death.tasks)
    heard = sorted(one.heard_s for one in storm.returns)
    serving = sorted(one.serving_s for one in storm.returns)
    unwritten = sum(kill.death.unwritten > 0 for kill in storm.kills)
    torn = sum(kill.death.torn for kill in storm.kills)
    tell(f"{len(storm.requests)} tasks and {len(storm.kills)} kills in {raged_s:.0f} s")
    tell(f"kills by phase, each once: {storm.phases()}; with all they hit: {dict(hit)}")
    tell(f"kills between journal and database: {unwritten}; in a journal write: {torn}")
    tell(f"{storm.young} more kills of nodes that had just been started again")
    tell(f"serving {serving[len(serving) // 2]:.1f} s after launch, at most {serving[-1]:.1f} s")
    tell(f"heard {heard[len(heard) // 2]:.1f} s after launch, at most {heard[-1]:.1f} s")
    tell(f"all final and equal {equal_s:.1f} s after the last restart")
