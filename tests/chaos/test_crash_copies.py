"""C3: a data directory that was put back from a copy, or runs twice, does not contradict itself."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest

from consensus.replay import replay
from consensus.verdict import State
from node.config import make_network
from protocol.errors import MarketError
from protocol.params import Network
from protocol.record import Verified
from tests.chaos.conftest import Tell
from tests.chaos.load import wait_quiet
from tests.chaos.oracle import (
    complaints_of,
    copy_directory,
    faults_of,
    remains_of,
    second_records,
    second_signatures,
    tasks_in,
)
from tests.chaos.sizes import times
from tests.chaos.users import ask_once, ask_until_taken, client_of
from tests.loopback.nodes import (
    ROOT,
    RealNode,
    Street,
    environment,
    street,
    until,
    wait_equal,
    wait_final,
)

pytestmark = [pytest.mark.chaos, pytest.mark.chaos_ci]

RUNS = times(small=1, listed=3)
OWN_STATEMENTS = 100
TASKS_AFTER_COPY = 35  # each leads the submitter to sign a task and a jury
HALTED_EXIT_CODE = 4
HALTED_WITHIN_S = 30.0
EQUAL_WITHIN_S = 60.0
QUIET_S = 3.0  # for so long nobody has anything to add
SIGNS_AGAIN_WITHIN_S = 90.0  # half a minute after the last own record came back
EVERY_S = 0.2


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    with street(tmp_path) as found:
        yield found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("run", range(RUNS))
def test_a_directory_put_back__signs_nothing_until_it_took_back_what_it_said(
    run: int, town: Street, tmp_path: Path, tell: Tell
) -> None:
    nodes = town.open("alice", "bob", "carol")
    alice, bob, _ = nodes
    network = make_network(name=None, genesis=town.genesis)
    accepted = work(nodes, each=5)
    bob.stop()
    copy_directory(bob.directory, tmp_path / "copy")
    at_copy = remains_of(bob, network)

    bob.launch("--bootstrap", alice.address)
    bob.wait_ready()
    accepted += work(nodes, each=TASKS_AFTER_COPY)
    bob.stop()
    at_end = remains_of(bob, network)
    shutil.rmtree(bob.directory)
    copy_directory(tmp_path / "copy", bob.directory)
    launched_s = time.monotonic()
    bob.launch("--bootstrap", alice.address)
    code = bob.wait_ended(within_s=HALTED_WITHIN_S)
    halted_s = time.monotonic() - launched_s
    put_back = remains_of(bob, network)
    bob.launch("--bootstrap", alice.address)
    refused = bob.wait_ended()
    words = bob.words()

    told = adopt(bob, town.genesis)
    launched_s = time.monotonic()
    bob.launch("--bootstrap", alice.address)
    bob.wait_serving()
    accepted.append(ask_until_taken(bob, "after the adoption", within_s=SIGNS_AGAIN_WITHIN_S))
    signed_s = time.monotonic() - launched_s
    wait_final(bob, accepted, within_s=EQUAL_WITHIN_S)
    wait_equal(nodes, within_s=EQUAL_WITHIN_S)
    assert [node.stop() for node in nodes] == [0, 0, 0]
    left = [remains_of(node, network) for node in nodes]

    said = sum(len(one.statements) for one in at_end.journaled(network))
    said -= sum(len(one.statements) for one in at_copy.journaled(network))
    tell(f"{said} own statements after the copy; halted {halted_s:.1f} s after it was put back")
    tell(f"adopted: signs again {signed_s:.1f} s after its start")
    assert said >= OWN_STATEMENTS
    assert code == refused == HALTED_EXIT_CODE, words
    assert "adopt" in words
    assert "Traceback" not in words
    assert put_back.entries == at_copy.entries, "it signed"
    assert "takes back" in told
    assert at_end.records.keys() <= left[0].records.keys()
    assert faults_of(left, network, accepted=accepted) == []
    signed = [*at_end.journaled(network), *left[1].journaled(network)]
    assert second_records(signed) == second_signatures(signed) == []
    assert [words for node in nodes for words in complaints_of(node)] == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("run", range(RUNS))
def test_a_directory_that_runs_twice__stops_before_it_voids_more_than_one_task(
    run: int, town: Street, tmp_path: Path, rng: Random, tell: Tell
) -> None:
    alice, bob, carol = town.open("alice", "bob", "carol")
    network = make_network(name=None, genesis=town.genesis)
    work([alice, bob, carol], each=5)
    bob.submit("asked, and not seated before the copy")
    bob.kill()
    twin = town.node("bob", home=tmp_path / "elsewhere")
    copy_directory(bob.directory, twin.directory)

    copies = [(bob, alice), (twin, carol)]
    rng.shuffle(copies)
    for copy, bootstrap in copies:
        copy.launch("--bootstrap", bootstrap.address)
    until(lambda: all(map(serves_or_ended, (bob, twin))), within_s=EQUAL_WITHIN_S, what="both run")
    started_s = time.monotonic()
    number = 0
    while bob.is_running and twin.is_running:
        assert time.monotonic() - started_s < HALTED_WITHIN_S, "both copies still run"
        for node in (alice, carol, bob, twin):
            number += 1
            ask_once(node, f"at the same time {number}")
        time.sleep(EVERY_S)
    halted_s = time.monotonic() - started_s
    wait_quiet([alice, carol], quiet_s=QUIET_S, within_s=EQUAL_WITHIN_S)
    left_running = [copy for copy in (bob, twin) if copy.is_running]
    ended = [copy for copy in (bob, twin) if not copy.is_running]
    codes = [copy.wait_ended() for copy in ended]
    assert [node.stop() for node in (*left_running, alice, carol)] == [0] * (len(left_running) + 2)
    left = [remains_of(node, network) for node in (*left_running, alice, carol)]

    voids = void_count(left[0].records.values(), network)
    tell(f"the first copy halted {halted_s:.1f} s after both ran, {len(ended)} of 2 in all")
    tell(f"{voids} void tasks of {len(tasks_in(left[0].records.values(), network))}")
    assert ended
    assert set(codes) == {HALTED_EXIT_CODE}
    assert all((copy.directory / "halted").exists() for copy in ended)
    assert voids <= 1
    assert all(one.records.keys() == left[0].records.keys() for one in left)


def work(nodes: list[RealNode], *, each: int) -> list[str]:
    """Have every node submit so many tasks; wait until all are final and everybody is equal."""
    asked: list[str] = []
    for node in nodes:
        own = [node.submit(f"{node.name} {node.starts} {number}") for number in range(each)]
        wait_final(node, own, within_s=EQUAL_WITHIN_S)
        asked += own
    wait_equal(nodes, within_s=EQUAL_WITHIN_S)
    return asked


def adopt(node: RealNode, genesis: str) -> str:
    """Give the operator's word; return what the program answers."""
    place = ("--id", node.name, "--home", str(node.home), "--network-genesis", genesis)
    done = subprocess.run(
        [sys.executable, "-m", "node.main", "adopt", *place],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def serves_or_ended(node: RealNode) -> bool:
    try:
        return not node.is_running or "signing" in client_of(node).status()
    except (OSError, MarketError):
        return False


def void_count(records: Iterable[Verified], network: Network) -> int:
    verdicts = replay(records, network).verdicts.values()
    return sum(verdict.state is State.VOID for verdict in verdicts)
