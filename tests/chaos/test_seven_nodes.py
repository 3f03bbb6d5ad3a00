"""Seven nodes that know one address: they find each other, lose it for good, restart and move."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import PORT, Bed, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.loopback.nodes import READY_S, RealNode, until, wait_final

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(300),
]

NAMES = ("ann", "ben", "cat", "dan", "eve", "fay")
KNOWN_WITHIN_S = 20.0
BACK_WITHIN_S = 30.0
FINAL_WITHIN_S = 60.0
EVERY_S = 0.25
LOADED_S = 4.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


def a_node(town: Bed, name: str) -> BedNode:
    """Describe a node that listens wherever its machine is, as nodes do by default."""
    options = (
        *("--listen", f"/ip4/0.0.0.0/tcp/{PORT}", "--rpc-port", "0"),
        *("--network-genesis", town.genesis, "--task-type", "echo"),
    )
    made = BedNode(name, town.home, options, town.wires.plug(name))
    made.home.mkdir(exist_ok=True)
    town.nodes.append(made)
    return made


def ids_of(nodes: Sequence[RealNode]) -> set[str]:
    return {node.status()["peer_id"] for node in nodes}


def knows(node: RealNode, others: set[str]) -> bool:
    """Answer whether a node has heard of all others, and that they can run `echo`."""
    known = {peer["peer_id"] for peer in node.ask("/peers")}
    return others <= known and node.status()["capable"].get("echo", 0) >= len(others)


def wait_known(nodes: Sequence[RealNode], *, within_s: float) -> None:
    """Wait until each knows every other."""
    ids = ids_of(nodes)
    left = {node.name: (node, ids - {node.status()["peer_id"]}) for node in nodes}

    def all_known() -> bool:
        for name, (node, others) in list(left.items()):
            if knows(node, others):
                del left[name]
        return not left

    until(all_known, within_s=within_s, what=f"{[node.name for node in nodes]} know each other")


def is_met_at(node: RealNode, peer_id: str, host: str) -> bool:
    """Answer whether a node is connected to a peer at a host."""
    return any(
        peer["peer_id"] == peer_id and peer["connected"] and f"/ip4/{host}/" in peer["address"]
        for peer in node.ask("/peers")
    )


def test_seven_nodes__live_on_without_the_address_they_came_by(
    town: Bed, rng: Random, tell: Tell
) -> None:
    first, *rest = (a_node(town, name) for name in ("first", *NAMES))
    load = Load(rng)

    # All know one address.
    first.launch()
    first.wait_serving()
    launched_s = time.monotonic()
    for node in rest:
        node.launch("--bootstrap", first.address)
    for node in rest:
        node.wait_serving()
    serving_s = time.monotonic()
    wait_known([first, *rest], within_s=KNOWN_WITHIN_S)
    known_s = time.monotonic()
    tell(
        f"all known to all {known_s - launched_s:.1f} s after they were launched,"
        f" {known_s - serving_s:.1f} s after the last of them served"
    )

    # It is gone for good, in the middle of what goes on.
    load.pump(rest, seconds=LOADED_S, every_s=EVERY_S)
    first.kill()
    load.pump(rest, seconds=LOADED_S, every_s=EVERY_S)
    load.wait_final(rest, within_s=FINAL_WITHIN_S)
    tell(f"the first node was killed for good: {load.count} of {load.count} tasks are final")

    # One starts anew, and knows nobody but by its book.
    cat = rest[NAMES.index("cat")]
    others = [node for node in rest if node is not cat]
    assert cat.stop() == 0
    launched_s = time.monotonic()
    cat.launch()
    cat.wait_serving()
    cat_id = cat.status()["peer_id"]
    until(
        lambda: (
            all(is_met_at(node, cat_id, cat.plug.host) for node in others)
            and knows(cat, ids_of(others))
        ),
        within_s=READY_S,
        what="cat is back",
    )
    tell(
        f"one was stopped, and is back by its peer book {time.monotonic() - launched_s:.1f} s"
        " after it was launched"
    )

    # One has another address from one moment to the next.
    dan = rest[NAMES.index("dan")]
    others = [node for node in rest if node is not dan]
    dan_id = dan.status()["peer_id"]
    dan.plug = town.wires.move(dan.plug)
    moved_s = time.monotonic()
    until(
        lambda: all(is_met_at(node, dan_id, dan.plug.host) for node in others),
        within_s=BACK_WITHIN_S,
        what="all are connected to dan where he is now",
    )
    met_s = time.monotonic()
    wait_final(dan, [dan.submit("where I am now")], within_s=moved_s + BACK_WITHIN_S - met_s)
    served_s = time.monotonic()
    tell(
        f"one whose address changed was met by all {met_s - moved_s:.1f} s later,"
        f" and served by them {served_s - moved_s:.1f} s later"
    )

    load.pump(rest, seconds=LOADED_S, every_s=EVERY_S)
    load.wait_final(rest, within_s=FINAL_WITHIN_S)
    rest_of_it = judge(town, load, rest)
    tell(f"{rest_of_it.records} records and one digest on all six")
    assert load.refused == {}


@pytest.mark.chaos_ci
def test_a_node__is_met_where_its_address_went(town: Bed, tell: Tell) -> None:
    stays, goes = (a_node(town, name) for name in ("stays", "goes"))
    town.gather([stays, goes])
    goes_id = goes.status()["peer_id"]

    goes.plug = town.wires.move(goes.plug)
    moved_s = time.monotonic()
    until(
        lambda: is_met_at(stays, goes_id, goes.plug.host),
        within_s=BACK_WITHIN_S,
        what="they are connected again",
    )
    met_s = time.monotonic()
    until(
        lambda: any(goes.plug.host in told for told in goes.status()["addresses"]),
        within_s=BACK_WITHIN_S,
        what="it says where it is now",
    )

    tell(f"met {met_s - moved_s:.1f} s after its address changed")
    town.stop_all([stays, goes])
