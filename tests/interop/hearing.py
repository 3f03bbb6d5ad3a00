"""What a js peer heard of our nodes, beside what they hold."""

import io
import re
import subprocess
import sys

from node.config import make_network
from node.log_file import LogReader
from protocol.gossip import unpack_gossip
from protocol.params import Network
from protocol.topics import Topics, topics_of
from tests.interop.js import Js
from tests.loopback.nodes import ROOT, RealNode, Street, environment, until


def network_of(town: Street) -> Network:
    return make_network(name=None, genesis=town.genesis)


def topics_in(town: Street) -> Topics:
    return topics_of(network_of(town).network_id)


def followed(town: Street) -> tuple[str, str]:
    """Return the gossip topics of a street: records first, then presences."""
    topics = topics_in(town)
    return topics.records, topics.presence


def heard_by(peer: Js, topic: str) -> set[bytes]:
    """Return every record that came to a js peer so far, as it came."""
    return {
        record
        for message in peer.so_far("message")
        if message["topic"] == topic
        for record in unpack_gossip(bytes.fromhex(message["data"]))
    }


def log_of(node: RealNode) -> set[bytes]:
    """Return every record of a node's log, as `aimarket log export` writes it."""
    command = [sys.executable, "-m", "node.cli", "log", "export", "--id", node.name]
    variables = environment(AIMARKET_HOME=str(node.home))
    file = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True).stdout
    return set(LogReader(io.BytesIO(file)))


def count(node: RealNode, name: str) -> int:
    """Return what a node counted under a name, as it tells monitoring."""
    found = re.search(rf'\{{[^}}]*"{name}"\}} (\d+)', node.scrape())
    assert found is not None, f"{node.name} counts no {name}"
    return int(found.group(1))


def is_in_mesh(node: RealNode, peer_id: str) -> bool:
    """Answer whether gossip of every topic flows from a node to a peer."""
    return any(peer["peer_id"] == peer_id and peer["in_mesh"] for peer in node.ask("/peers"))


def wait_known(node: RealNode, task_ids: list[str], *, within_s: float) -> None:
    """Wait until a node knows of every task, its own or not."""
    until(
        lambda: {each["task_id"] for each in node.ask("/tasks")["tasks"]} >= set(task_ids),
        within_s=within_s,
        what=f"{node.name} knows every task",
    )
