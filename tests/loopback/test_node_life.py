"""What a node goes through: start, stop, death, return, loneliness, company."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.nodes import (
    RealNode,
    Street,
    aimarket,
    peer_id_in,
    street,
    until,
    wait_capable,
    wait_equal,
    wait_final,
)

pytestmark = pytest.mark.e2e

READY_WITHIN_S = 30.0  # measured: 2 s; two loaded cores take several times that
HEARD_WITHIN_S = 10.0
TOGETHER_WITHIN_S = 40.0  # a growing pause between dials, and two rounds of sync


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    with street(tmp_path, is_forked=False) as found:
        yield found


@pytest.fixture(scope="module")
def trio_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Street, list[RealNode]]]:
    """Lend three nodes that have ten final tasks behind them."""
    with street(tmp_path_factory.mktemp("town")) as found:
        nodes = found.open("alice", "bob", "carol")
        for node in nodes:
            wait_final(node, [node.submit(f"{node.name} {i}") for i in range(4)], within_s=60)
        wait_equal(nodes, within_s=30)
        yield found, nodes


def test_a_node__is_ready_soon_and_leaves_nothing_running_when_told_to_stop(town: Street) -> None:
    alice = town.node("alice")
    started_s = time.monotonic()

    alice.launch()
    alice.wait_ready(within_s=READY_WITHIN_S)
    ready_s = time.monotonic() - started_s
    workers = children_of(alice.pid)
    stopped_s = time.monotonic()
    code = alice.stop()
    stopped_s = time.monotonic() - stopped_s

    print(f"\nready after {ready_s:.1f} s, stopped within {stopped_s:.1f} s")
    assert code == 0
    assert not (alice.directory / "rpc.json").exists()
    assert workers
    until(lambda: not any(map(runs, workers)), within_s=5, what="its worker ended as well")
    assert "Traceback" not in alice.words()


def test_a_killed_node__is_heard_at_once_when_it_returns(town: Street) -> None:
    alice, bob, carol = town.open("alice", "bob", "carol")
    wait_final(bob, [bob.submit("before")], within_s=30)
    workers = children_of(bob.pid)
    me = bob.status()["peer_id"]
    until((bob.directory / "peers").exists, within_s=20, what="the peer book")

    bob.kill()
    assert workers
    until(lambda: not any(map(runs, workers)), within_s=5, what="its worker ended as well")
    bob.launch()  # without --bootstrap: it remembers
    bob.wait_ready()
    wait_capable(bob, 2)
    heard_s = time.monotonic()
    task_id = bob.submit("after")
    wait_final(bob, [task_id], within_s=HEARD_WITHIN_S)
    for node in (alice, carol):
        until(
            lambda node=node: node.call("GET", f"/tasks/{task_id}")[0] == 200,  # type: ignore[misc]
            within_s=HEARD_WITHIN_S,
            what=f"{node.name} knows the task",
        )
    heard_s = time.monotonic() - heard_s

    print(f"\nthe first task after the return was final after {heard_s:.2f} s")
    assert bob.status()["peer_id"] == me
    wait_equal([alice, bob, carol], within_s=30)


def test_a_stopped_node__finds_its_peers_again_without_a_bootstrap_address(town: Street) -> None:
    alice, bob = town.open("alice", "bob")
    me = alice.status()["peer_id"]

    assert bob.stop() == 0
    bob.launch()
    bob.wait_serving()

    until(
        lambda: [peer["peer_id"] for peer in bob.ask("/peers") if peer["connected"]] == [me],
        within_s=TOGETHER_WITHIN_S,
        what="bob found alice",
    )


def test_a_lonely_node__says_what_it_waits_for_and_keeps_trying(town: Street) -> None:
    alice, bob = town.node("alice"), town.node("bob")
    alice.launch()
    alice.wait_serving()
    address = alice.address
    alice.stop()

    bob.launch("--bootstrap", address)
    bob.wait_serving()
    waiting = until(
        lambda: bob.status()["waiting"] if "next try" in bob.status()["waiting"] else "",
        within_s=20,
        what="bob says that it tries again",
    )
    status, answer = bob.call("GET", "/ready")
    shown = aimarket(town.home, "status", "--id", "bob")
    alice.launch("--listen", address.partition("/p2p/")[0])
    alice.wait_serving()
    bob.wait_ready(within_s=TOGETHER_WITHIN_S)

    assert "peers: tried 1 address, next try in" in waiting
    assert (status, answer["code"]) == (503, "not_ready")
    assert "peers: tried 1 address" in answer["message"]
    assert "no, waiting for peers: tried 1 address" in shown.stdout


def test_one_request_id__is_one_task_across_a_kill(town: Street) -> None:
    alice = town.node("alice")
    alice.launch()
    alice.wait_ready()
    first = alice.submit("once", request_id="mine")

    alice.kill()
    alice.launch()
    alice.wait_serving()
    again = alice.submit("once", request_id="mine")

    assert again == first
    assert [task["task_id"] for task in alice.ask("/tasks")["tasks"]] == [first]


@pytest.mark.parametrize("by", ["nickname", "peer id"])
def test_leaderboard_of__says_whether_a_peer_computes_the_same(
    by: str, trio_of: tuple[Street, list[RealNode]]
) -> None:
    town, (alice, bob, _) = trio_of
    bob_id = bob.status()["peer_id"]
    name = "bob" if by == "nickname" else bob_id
    wait_equal([alice, bob], within_s=30)

    shown = aimarket(town.home, "leaderboard", "--of", name, "--id", "alice")
    document = aimarket(town.home, "leaderboard", "--of", name, "--id", "alice", "--json")

    found = json.loads(document.stdout)
    assert shown.returncode == 0, shown.stderr
    assert "the same as ours" in shown.stdout
    assert "NOT" not in shown.stdout
    assert found["of"] == {"worker_id": "bob", "peer_id": bob_id}
    assert found["same_as_ours"] is True
    assert found["state_digest"] == alice.status()["state_digest"]
    assert found["leaderboard"] == alice.ask("/leaderboard")


def test_two_nodes_of_one_name__are_told_apart(
    trio_of: tuple[Street, list[RealNode]], tmp_path: Path
) -> None:
    town, (alice, _, carol) = trio_of
    other = town.node("alice", home=tmp_path / "elsewhere")
    other.launch("--bootstrap", carol.address)
    other.wait_ready()
    ids = {alice.status()["peer_id"], peer_id_in(other.said())}
    wait_capable(carol, 3)
    until(lambda: named(carol, "alice") == ids, within_s=30, what="carol sees two alices")

    status, answer = carol.call("GET", "/leaderboard/of/alice")
    boards = [carol.ask(f"/leaderboard/of/{peer_id}") for peer_id in ids]
    shown = aimarket(town.home, "peers", "--id", "carol")
    other.stop()

    assert len(ids) == 2
    assert (status, answer["code"]) == (409, "ambiguous_peer")
    assert all(peer_id in answer["message"] for peer_id in ids)
    assert {board["of"]["peer_id"] for board in boards} == ids
    lines = [line for line in shown.stdout.splitlines() if " alice" in line]
    assert len(lines) == len({line.split()[1] for line in lines}) == 2, shown.stdout


def test_a_late_joiner__computes_what_the_others_do(
    trio_of: tuple[Street, list[RealNode]],
) -> None:
    town, nodes = trio_of
    dave = town.node("dave")
    started_s = time.monotonic()

    dave.launch("--bootstrap", nodes[0].address)
    dave.wait_ready()
    digest = wait_equal([*nodes, dave], within_s=TOGETHER_WITHIN_S)
    equal_s = time.monotonic() - started_s

    print(f"\nequal {equal_s:.1f} s after its start: {digest}")
    assert dave.count("final") >= 10
    assert dave.ask("/leaderboard") == nodes[0].ask("/leaderboard")
    dave.stop()


def test_peers__are_measured_and_found_in_step(trio_of: tuple[Street, list[RealNode]]) -> None:
    _, nodes = trio_of

    def peers() -> list[dict[str, Any]]:
        return [peer for node in nodes for peer in node.ask("/peers") if peer["connected"]]

    # A probe and a presence come every ten seconds.
    told = {"latency_ms", "same_state", "in_mesh"}
    until(lambda: all(peer[one] for peer in peers() for one in told), within_s=30, what="all told")

    assert len(peers()) == 6
    assert max(peer["latency_ms"] for peer in peers()) < 5_000
    assert {peer["heard_through"] for peer in peers()} == {""}


def test_peers__tell_through_whom_another_is_heard(town: Street) -> None:
    alice, bob, carol = (town.node(name) for name in ("alice", "bob", "carol"))
    alice.launch()
    alice.wait_ready()
    for node in (bob, carol):  # whom nobody can dial
        node.launch("--bootstrap", alice.address, "--announce", "/ip4/127.0.0.1/tcp/1")
        node.wait_ready()
    ids = {node.name: node.status()["peer_id"] for node in (alice, bob, carol)}

    def through(node: RealNode) -> dict[str, str]:
        return {peer["peer_id"]: peer["heard_through"] for peer in node.ask("/peers")}

    expected = {ids["alice"]: "", ids["carol"]: ids["alice"]}
    until(lambda: through(bob) == expected, within_s=30, what="bob hears carol through alice")


def named(node: RealNode, name: str) -> set[str]:
    """Return the peer ids of everybody connected who goes by a name."""
    peers = node.ask("/peers")
    return {peer["peer_id"] for peer in peers if peer["worker_id"] == name and peer["connected"]}


def children_of(pid: int) -> list[int]:
    """Return what any thread of a process started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listed in lists for child in listed.read_text().split()]


def runs(pid: int) -> bool:
    """Say whether a process runs; one that ended may wait for its parent to take note."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
