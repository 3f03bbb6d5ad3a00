"""F5: however many strangers of one address crowd at a node's door, a friend comes in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import trio

from node.config import make_network
from node.net.limits import NetLimits
from protocol.topics import Topics, topics_of
from tests.chaos.bed import Bed, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.sizes import is_long
from tests.chaos.wires import inside
from tests.loopback.nodes import ROOT, environment, until
from tests.node.net_hosts import Station, running

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("wired"), pytest.mark.timeout(180)]

IDLE, WHOLE = 500, 200  # from one address, which the whole handshakes fill
SLOW = 100  # from another, which says a byte a second
TRIES = 50 if is_long() else 10
WITHIN_S = 2.0
CROWDED_WITHIN_S = 30.0
DESCRIPTORS_MAX = 256


@pytest.mark.chaos_ci
def test_crowd__of_one_address_does_not_keep_a_friend_out_of_a_node(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    limits = NetLimits()
    with bed(tmp_path, rng) as town:
        node, friend = town.node("victim"), town.wires.plug("friend")
        topics = topics_of(make_network(name=None, genesis=town.genesis).network_id)
        node.launch()
        node.wait_ready()
        before = descriptors(node)
        with (
            crowding(town, node, "crowd", IDLE, 0, WHOLE) as (let_in, kept_out),
            crowding(town, node, "slow", 0, SLOW, 0),
        ):
            held = before + let_in + limits.half_open_per_ip_max
            until(
                lambda: descriptors(node) >= held and refused_by(node) >= kept_out + IDLE + SLOW,
                within_s=CROWDED_WITHIN_S,
                what=f"{held} descriptors and everybody else refused",
            )
            with inside(friend.namespace):
                address = f"/ip4/{friend.host}/tcp/0"
                took_s, most = trio.run(come_and_go, node, node.address, address, topics)
            refused = refused_by(node)
        town.stop_all([node])

    took_s.sort()
    tell(f"{TRIES} dials: median {took_s[TRIES // 2]:.3f} s, worst {took_s[-1]:.3f} s")
    tell(f"{before} descriptors before, {most} at most; {let_in} let in, {kept_out} not")
    tell(f"{refused} connections refused")
    assert let_in == limits.connections_per_ip_max, "the crowd did not fill its share"
    assert took_s[-2] <= WITHIN_S, "more than one of them waited long"
    assert most <= DESCRIPTORS_MAX


async def come_and_go(
    node: BedNode, address: str, listen: str, topics: Topics
) -> tuple[list[float], int]:
    """Dial a node many times, be answered each time; return how long that took, and the most
    descriptors that the node had meanwhile.
    """
    friend = Station("friend")
    friend.build(listen=listen, topics=[topics.records, topics.presence])
    took_s, most = [], 0
    async with running(friend):
        for _ in range(TRIES):
            started_s = trio.current_time()
            with trio.fail_after(2 * WITHIN_S):
                peer_id = await friend.net.dial(address)
                assert await friend.net.ask(peer_id, topics.leaderboard_stream, b"")
            took_s.append(trio.current_time() - started_s)
            most = max(most, descriptors(node))
            await friend.net.hang_up(peer_id)
    return took_s, most


@contextmanager
def crowding(town: Bed, node: BedNode, name: str, *counts: int) -> Iterator[tuple[int, int]]:
    """Crowd a node from a namespace of its own; return how many were let in and how many not."""
    plug = town.wires.plug(name)
    _, _, host, _, port, _, peer_id = node.address.split("/")
    enter = ("ip", "netns", "exec", plug.namespace)
    command = (sys.executable, "-m", "tests.chaos.crowd", host, port, peer_id)
    crowd = subprocess.Popen(
        [*enter, *command, *map(str, counts)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert crowd.stdout is not None
        let_in, kept_out = map(int, crowd.stdout.readline().split())
        yield let_in, kept_out
        assert crowd.poll() is None, "the crowd ended by itself"
    finally:
        crowd.kill()
        crowd.wait()


def refused_by(node: BedNode) -> int:
    refused: int = node.status()["counters"].get("connections_refused", 0)
    return refused


def descriptors(node: BedNode) -> int:
    return len(list(Path(f"/proc/{node.pid}/fd").iterdir()))
