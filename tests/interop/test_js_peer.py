"""A foreign implementation of libp2p takes part in our gossip, by what our spec says."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from protocol.params import Network
from protocol.record import open_record
from protocol.statements import Profile
from protocol.topics import Topics
from tests.interop.hearing import (
    count,
    followed,
    heard_by,
    log_of,
    network_of,
    topics_in,
    wait_known,
)
from tests.interop.js import js, need_js
from tests.loopback.nodes import RealNode, street, until, wait_capable, wait_final

NOWHERE = "/ip4/127.0.0.1/tcp/1"  # where nobody listens, so that nobody can follow a presence
TASKS_EACH = 5
WITHIN_S = 30.0


@pytest.mark.e2e
def test_js_peer__carries_tasks_between_two_nodes_that_never_met(tmp_path: Path) -> None:
    need_js()
    with street(tmp_path) as town, js("peer.mjs", followed(town), tmp_path / "js.err") as peer:
        here = peer.wait("ready", within_s=WITHIN_S)
        nodes = [town.node(name, "--announce", NOWHERE) for name in ("alice", "bob")]
        for node in nodes:
            node.launch("--bootstrap", here["addresses"][0])
        for node in nodes:
            node.wait_serving()
        for node in nodes:
            wait_capable(node, 1, within_s=WITHIN_S)
        task_ids = [
            node.submit(f"{node.name} {number}", seats=1)
            for node in nodes
            for number in range(TASKS_EACH)
        ]
        for node in nodes:
            wait_known(node, task_ids, within_s=WITHIN_S)
            wait_final(node, task_ids, within_s=WITHIN_S)

        logs = [log_of(node) for node in nodes]
        held = logs[0] | logs[1]
        topic, network = topics_in(town).records, network_of(town)
        until(
            lambda: not gossiped(held, network) - heard_by(peer, topic),
            within_s=WITHIN_S,
            what="the js peer heard every record of both logs",
        )
        assert heard_by(peer, topic) <= held
        for node, log in zip(nodes, logs, strict=True):
            assert gossiped(log, network) == gossiped(held, network)
            assert connected_to(node) == {here["peer"]}
            assert count(node, "dials_done") == 1, "it was connected to somebody else, too"
            assert count(node, "gossip_rejected") == 0
            said = peer.wait("identified", within_s=WITHIN_S, peer=node.status()["peer_id"])
            assert re.fullmatch(r"aimarket/\S+ py-libp2p/\S+", said["agent"])
            assert said["version"] == "aimarket/1"
            assert set(said["protocols"]) >= {"/meshsub/1.1.0", *streams_of(topics_in(town))}
            assert said["addresses"] == [NOWHERE]
            assert said["observed"] in here["addresses"][0]
            assert said["is_record_signed"]


def streams_of(topics: Topics) -> set[str]:
    return set(asdict(topics).values()) - {topics.records, topics.presence}


def gossiped(log: set[bytes], network: Network) -> set[bytes]:
    """Return all but the profiles, which nodes publish before anybody is there to hear."""
    return {
        raw
        for raw in log
        if not any(isinstance(said, Profile) for said in open_record(raw, network).statements)
    }


def connected_to(node: RealNode) -> set[str]:
    """Return the peer ids of those a node has a connection to."""
    return {peer["peer_id"] for peer in node.ask("/peers") if peer["connected"]}
