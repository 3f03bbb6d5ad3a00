"""The promise in one scene: four nodes, forty tasks, one power cut, one truth."""

import time
from pathlib import Path

import pytest

from node.config import make_network
from tests.chaos.load import QUIET_S, wait_quiet
from tests.chaos.oracle import faults_of, kinds_signed, remains_of
from tests.loopback.nodes import RealNode, street, wait_capable, wait_equal, wait_final

TASKS_EACH = 10
KILLED_AFTER = 5  # rounds of four tasks


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_four_nodes__agree_on_forty_tasks_although_one_is_killed_half_way(tmp_path: Path) -> None:
    started_s = time.monotonic()
    with street(tmp_path) as town:
        nodes = town.open("alice", "bob", "carol", "dave")
        *rest, victim = nodes
        opened_s = time.monotonic()

        tasks = submit_and_kill(nodes, victim)
        open_at_kill = sum(rest[0].count(state) for state in ("open", "seated"))
        for node in rest:
            wait_final(node, tasks[node.name], within_s=60)
        decided_s = time.monotonic()
        jurors = {len(rest[0].ask(f"/tasks/{i}")["jurors"]) for n in rest for i in tasks[n.name]}

        victim.launch("--bootstrap", rest[0].address)
        victim.wait_ready()
        for index in range(len(tasks[victim.name]), TASKS_EACH):
            tasks[victim.name].append(victim.submit(f"{victim.name} {index}"))
        wait_final(victim, tasks[victim.name], within_s=60)
        final_s = time.monotonic()

        wait_quiet(nodes, quiet_s=QUIET_S, within_s=60)  # the last juror opens after the verdict
        digest = wait_equal(nodes, within_s=60)
        boards = [node.ask("/leaderboard") for node in nodes]
        counts = [node.status()["tasks"] for node in nodes]
        records = nodes[0].status()["records"]
        equal_s = time.monotonic()
        assert [node.stop() for node in nodes] == [0, 0, 0, 0]

        network = make_network(name=None, genesis=town.genesis)
        left = [remains_of(node, network) for node in nodes]

    print(f"\nfour nodes ready after {opened_s - started_s:.1f} s")
    print(f"{open_at_kill} tasks undecided at the kill; juries of {sorted(jurors)} without one")
    print(f"30 final after {decided_s - opened_s:.1f} s, 40 after {final_s - opened_s:.1f} s")
    print(f"equal after {equal_s - final_s:.1f} s more: {records} records, digest {digest}")
    print(f"tasks {counts[0]}, points {[(row['worker_id'], row['points']) for row in boards[0]]}")
    print(f"the whole scene took {time.monotonic() - started_s:.1f} s")
    all_ids = {task_id for ids in tasks.values() for task_id in ids}
    assert len(all_ids) == 4 * TASKS_EACH
    assert open_at_kill > 0, "nothing was in flight"
    assert jurors <= {2, 3}
    assert all(board == boards[0] and len(board) == 4 for board in boards)
    assert all(len(one.records) == records and not one.torn for one in left)
    assert kinds_signed(left[0].records.values()) >= {"profile", "commit", "jury", "reveal"}
    assert faults_of(left, network, accepted=all_ids) == []


def submit_and_kill(nodes: list[RealNode], victim: RealNode) -> dict[str, list[str]]:
    """Submit in turn from all nodes; half-way, end one of them, and go on with the others."""
    tasks: dict[str, list[str]] = {node.name: [] for node in nodes}
    for index in range(TASKS_EACH):
        if index == KILLED_AFTER:
            victim.kill()
        for node in nodes:
            if node.is_running:
                tasks[node.name].append(node.submit(f"{node.name} {index}"))
    for node in nodes:
        if node.is_running:
            wait_capable(node, 2)
    return tasks
