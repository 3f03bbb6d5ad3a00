"""Two nodes behind two routers, and a third that everybody reaches."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import PORT, Bed, bed
from tests.chaos.conftest import Tell
from tests.chaos.nat import Home
from tests.loopback.nodes import RealNode, until, wait_equal, wait_final

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(180),
]

FINAL_WITHIN_S = 60.0
MEET_WITHIN_S = 60.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


def peers_of(node: RealNode) -> dict[str, str]:
    """Return the address of each connected peer by its peer id."""
    return {one["peer_id"]: one["address"] for one in node.ask("/peers") if one["connected"]}


def peer_id_of(node: RealNode) -> str:
    peer_id: str = node.status()["peer_id"]
    return peer_id


def has_met(one: RealNode, other: RealNode) -> bool:
    """Answer whether two nodes are connected, as both see it."""
    return peer_id_of(other) in peers_of(one) and peer_id_of(one) in peers_of(other)


def ways_between(one: RealNode, other: RealNode) -> set[str]:
    """Return where each of two connected nodes sees the other."""
    return {peers_of(one)[peer_id_of(other)], peers_of(other)[peer_id_of(one)]}


def submit_until_served_by(server: RealNode, asker: RealNode) -> int:
    """Submit tasks, one after the other, until one node answered for another; return how many."""
    asked = 0

    def is_served() -> bool:
        nonlocal asked
        asked += 1
        task_id = asker.submit(f"{asker.name} asks, {asked}", seats=1)
        wait_final(asker, [task_id], within_s=FINAL_WITHIN_S)
        jurors = asker.ask(f"/tasks/{task_id}")["jurors"]
        return any(juror["worker_id"] == server.name for juror in jurors)

    until(is_served, within_s=FINAL_WITHIN_S, what=f"{server.name} serves {asker.name}")
    return asked


def test_public_third__two_homes_serve_each_other_and_never_connect(town: Bed, tell: Tell) -> None:
    carol = town.node("carol")
    homes = [Home(town, name) for name in ("alice", "bob")]
    alice, bob = (home.node for home in homes)

    town.gather([carol, alice, bob])
    begun_s = time.monotonic()
    asked = submit_until_served_by(bob, alice) + submit_until_served_by(alice, bob)
    served_s = time.monotonic() - begun_s
    wait_equal([carol, alice, bob], within_s=FINAL_WITHIN_S)

    public = peer_id_of(carol)
    tell(f"{asked} tasks final in {served_s:.1f} s; carol sees {sorted(peers_of(carol).values())}")
    assert [set(peers_of(node)) for node in (alice, bob)] == [{public}, {public}]


@pytest.mark.chaos_ci
def test_relay__two_homes_meet_through_it_and_compare_their_logs(town: Bed, tell: Tell) -> None:
    carol = town.node("carol", "--relay")
    homes = [Home(town, name, keeps_ports=False) for name in ("alice", "bob")]
    alice, bob = (home.node for home in homes)

    begun_s = time.monotonic()
    town.gather([carol, alice, bob])
    until(lambda: has_met(alice, bob), within_s=MEET_WITHIN_S, what="alice and bob meet")
    met_s = time.monotonic() - begun_s
    asked = submit_until_served_by(bob, alice) + submit_until_served_by(alice, bob)
    wait_equal([carol, alice, bob], within_s=FINAL_WITHIN_S)
    ways = {peers_of(alice)[peer_id_of(bob)], peers_of(bob)[peer_id_of(alice)]}

    tell(f"they met {met_s:.1f} s after the start; {asked} tasks final; {sorted(ways)}")
    assert all("/p2p-circuit" in way for way in ways)
    assert "/p2p-circuit" in alice.address


def test_punch__two_homes_get_a_direct_connection_through_both_routers(
    town: Bed, tell: Tell
) -> None:
    carol = town.node("carol", "--relay")
    homes = [Home(town, name) for name in ("alice", "bob")]
    alice, bob = (home.node for home in homes)
    doors = {f"/ip4/{home.router.host}/tcp/{PORT}" for home in homes}

    begun_s = time.monotonic()
    town.gather([carol, alice, bob])
    until(
        lambda: has_met(alice, bob) and ways_between(alice, bob) == doors,
        within_s=MEET_WITHIN_S,
        what="alice and bob are connected directly",
    )
    direct_s = time.monotonic() - begun_s
    carol.kill()
    submit_until_served_by(bob, alice)
    submit_until_served_by(alice, bob)

    tell(f"connected directly {direct_s:.1f} s after the start, and working without the relay")
    assert has_met(alice, bob)


def test_relay__homes_meet_again_after_it_was_killed_and_started_anew(
    town: Bed, tell: Tell
) -> None:
    carol = town.node("carol", "--relay")
    alice, bob = (Home(town, name, keeps_ports=False).node for name in ("alice", "bob"))
    town.gather([carol, alice, bob])
    until(lambda: has_met(alice, bob), within_s=MEET_WITHIN_S, what="alice and bob meet")

    carol.kill()
    until(lambda: not has_met(alice, bob), within_s=MEET_WITHIN_S, what="the circuit ends")
    begun_s = time.monotonic()
    carol.launch()
    until(lambda: has_met(alice, bob), within_s=MEET_WITHIN_S, what="alice and bob meet again")

    tell(f"they met again {time.monotonic() - begun_s:.1f} s after the relay was started")


def test_announce__a_home_whose_port_is_forwarded_is_dialled_there(town: Bed, tell: Tell) -> None:
    carol = town.node("carol", "--relay")
    open_home = Home(town, "alice", forwards=True)
    alice, bob = open_home.node, Home(town, "bob").node
    public = f"/ip4/{open_home.router.host}/tcp/{PORT}"

    for node in (carol, alice, bob):
        named = ("--announce", public) if node is alice else ()
        node.launch(*named, *(("--bootstrap", carol.address) if node is not carol else ()))
        node.wait_serving()
    until(lambda: has_met(alice, bob), within_s=MEET_WITHIN_S, what="alice and bob meet")

    tell(f"bob reaches alice at {peers_of(bob)[peer_id_of(alice)]}")
    assert alice.status()["addresses"] == [f"{public}/p2p/{peer_id_of(alice)}"]
    assert peers_of(bob)[peer_id_of(alice)] == public


def test_home__lets_nobody_in_who_was_not_asked(town: Bed) -> None:
    stranger = town.node("carol")
    home = Home(town, "alice")

    with stranger.reach(), pytest.raises(TimeoutError):
        socket.create_connection((home.router.host, PORT), timeout=0.5)

    assert home.refused() > 0
