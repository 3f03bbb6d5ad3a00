"""B5: a node whose inbound places are taken and whose book is flooded finds the others again."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

import pytest

from node.config import make_network
from node.net.limits import NetLimits
from tests.chaos.bed import PORT, Bed, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.eclipser import GROUPS, own_addresses
from tests.chaos.load import Load
from tests.chaos.oracle import blame_by
from tests.chaos.wires import Plug
from tests.loopback.nodes import ROOT, RealNode, environment, until, wait_capable, wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(600),
]

NAMES = ("ann", "ben", "cat", "dan", "eve", "fay")
VICTIM = "victim"
OUTBOUND_MIN = 2
OUTBOUND_WITHIN_S = 60.0
EQUAL_WITHIN_S = 60.0
WATCHED_S = 90.0  # from the restart on
SAVED_S = 15.0  # until the book that is read is on the disk
NAMED_WITHIN_S = 240.0
FLOODED_MIN = 32  # rumours of the attacker, so that its words were heard; 72 is what fits
PER_PART = 2  # places that worked, however few there are
TAKEN_MIN = 80  # of 96 inbound places, so that there was an attack at all


def live_at(plug: Plug, *hosts: str) -> None:
    """Give a plug public addresses, the first of them the one it is known by, and a way to all."""
    batch = [f"addr add {host}/32 dev eth0" for host in hosts]
    batch.append(f"route add default dev eth0 src {hosts[0]}")
    command = ["ip", "-n", plug.namespace, "-batch", "-"]
    subprocess.run(command, input="\n".join(batch), text=True, check=True)


def a_node(town: Bed, name: str, host: str) -> BedNode:
    """Describe a node in a part of the internet of its own."""
    plug = town.wires.plug(name)
    live_at(plug, host)
    options = (
        *("--listen", f"/ip4/{host}/tcp/{PORT}", "--rpc-port", "0"),
        *("--network-genesis", town.genesis, "--task-type", "echo"),
    )
    made = BedNode(name, town.home, options, plug)
    made.home.mkdir(exist_ok=True)
    town.nodes.append(made)
    return made


@contextmanager
def surrounded(town: Bed, victim: BedNode, out: Path) -> Iterator[None]:
    """Attack a node from a namespace of the attacker's, until it was named all addresses."""
    plug = town.wires.plug("attacker")
    live_at(plug, *own_addresses())
    network_id = make_network(name=None, genesis=town.genesis).network_id.hex()
    _, _, host, _, port, _, peer_id = victim.address.split("/")
    enter = ("ip", "netns", "exec", plug.namespace)
    command = (sys.executable, "-m", "tests.chaos.eclipser", network_id, host, port, peer_id)
    with out.open("wb") as said:
        attacker = subprocess.Popen(
            [*enter, *command], cwd=ROOT, env=environment(), stdout=said, stderr=said
        )
    try:
        until(
            lambda: "time 1" in out.read_text() or attacker.poll() is not None,
            within_s=NAMED_WITHIN_S,
            what="the attacker named all addresses",
        )
        assert attacker.poll() is None, out.read_text()
        yield
        assert attacker.poll() is None, out.read_text()
    finally:
        attacker.kill()
        attacker.wait()


def links(node: RealNode, among: set[str]) -> tuple[int, int, int]:
    """Return how many of some it dialled, how many others, and how many others dialled it."""
    connected = [peer for peer in node.ask("/peers") if peer["connected"]]
    ours = sum(peer["outbound"] and peer["peer_id"] in among for peer in connected)
    lured = sum(peer["outbound"] and peer["peer_id"] not in among for peer in connected)
    taken = sum(not peer["outbound"] and peer["peer_id"] not in among for peer in connected)
    return ours, lured, taken


def book_of(node: RealNode, table: str) -> list[str]:
    rows = json.loads((node.directory / "peers").read_text())[table]
    return [row[0] for row in rows]


def of_attacker(addresses: Sequence[str]) -> int:
    return sum(
        address.startswith(tuple(f"/ip4/{group}." for group in GROUPS)) for address in addresses
    )


def test_eclipse__leaves_a_node_two_honest_links_of_its_own_when_it_starts_anew(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    with bed(tmp_path, rng) as town:
        honest = [a_node(town, name, f"20.{at}.0.1") for at, name in enumerate(NAMES, 1)]
        victim = a_node(town, VICTIM, "20.99.0.1")
        first, *rest = honest
        first.launch()
        first.wait_serving()
        for node in (*rest, victim):
            node.launch("--bootstrap", first.address)
        for node in (*honest, victim):
            node.wait_serving()
            wait_capable(node, len(honest))
        ids = {node.status()["peer_id"] for node in honest}
        before = links(victim, ids)
        tell(f"before: dialled {before[0]} honest")
        time.sleep(SAVED_S)
        with surrounded(town, victim, tmp_path / "attacker.out"):
            during = links(victim, ids)
            tell(f"under attack: dialled {during[0]} honest, {during[1]} others; {during[2]} came")
            load = Load(rng)
            victim.kill()
            for node in honest:
                load.submit(node)
            victim.launch()
            restarted_s = time.monotonic()
            victim.wait_serving()
            until(
                lambda: links(victim, ids)[0] >= OUTBOUND_MIN,
                within_s=OUTBOUND_WITHIN_S,
                what="it dialled two honest nodes",
            )
            found_s = time.monotonic() - restarted_s
            wait_equal([*honest, victim], within_s=EQUAL_WITHIN_S - found_s)
            equal_s = time.monotonic() - restarted_s
            tell(
                f"after the restart: two dialled after {found_s:.1f} s, equal after {equal_s:.1f} s"
            )
            seen = []
            while time.monotonic() < restarted_s + WATCHED_S:
                seen.append((time.monotonic() - restarted_s, *links(victim, ids)))
                time.sleep(1)
            _, ours, lured, taken = seen[-1]
            tell(f"at the end: dialled {ours} honest, {lured} others; {taken} came")
            assert min(ours for at_s, ours, *_ in seen if at_s > OUTBOUND_WITHIN_S) >= OUTBOUND_MIN
            usual = median(taken for *_, taken in seen)
            assert TAKEN_MIN <= usual <= NetLimits().connections_inbound_max
            assert {node.name: blame for node in honest if (blame := blame_by(node))} == {}
            town.stop_all([victim])
        tried, rumours = book_of(victim, "tried"), book_of(victim, "new")
        tell(f"the attacker has {of_attacker(tried)} of {len(tried)} places that worked")
        tell(f"and {of_attacker(rumours)} of {len(rumours)} rumours")
        town.stop_all(honest)

    # A quarter, but a book this small lets a part of the internet have two places all the same.
    assert of_attacker(tried) <= max(len(tried) // 4, PER_PART * len(GROUPS))
    assert of_attacker(tried) <= len(tried) // 2
    assert of_attacker(rumours) >= FLOODED_MIN
