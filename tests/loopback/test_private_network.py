"""A network of two members that asks for work: whoever else speaks there is heard by nobody."""

import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2

from node.exchange import pack_blobs
from node.keys import load_key
from node.names import peer_id_of
from node.network_file import load_network
from protocol.gossip import pack_gossip
from protocol.ids import PublicKey
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import Verified, seal
from protocol.statements import Statement
from protocol.topics import topics_of
from tests.builders import a_presence, a_task
from tests.loopback.intruder import Target, intruder
from tests.loopback.nodes import (
    LOOPBACK,
    ROOT,
    RealNode,
    aimarket,
    environment,
    until,
    wait_capable,
    wait_equal,
    wait_final,
)

BITS = 10
MEMBERS = ("alice", "bob")
OUTSIDER = Signer(os.urandom(32))


def make_network(home: Path, members: Sequence[PublicKey]) -> Path:
    file = home / "club.toml"
    listed = [part for key in members for part in ("--member", peer_id_of(key))]
    more = ("--work-bits", str(BITS), "-o", str(file))
    made = aimarket(home, "network", "new", "club", *listed, *more)
    assert made.returncode == 0, made.stderr
    return file


def a_node(name: str, home: Path, file: Path) -> RealNode:
    ports = ("--listen", LOOPBACK, "--rpc-port", "0", "--task-type", "echo")
    return RealNode(name, home, (*ports, "--network", str(file)))


def outsiders(statement: Statement, network: Network) -> Verified:
    """Sign for an outsider, work and all, as if there were no list."""
    lax = Network(replace(network.params, members=()), network.network_id)
    return seal([statement], signer=OUTSIDER, created_ms=1_700_000_000_000, network=lax)


async def intrude(node: RealNode, network: Network) -> None:
    """Gossip a task and a presence, and push the task by sync."""
    topics = topics_of(network.network_id)
    _, _, host, _, port, _, peer_id = node.address.split("/")
    target = Target(host, int(port), peer_id)
    task, here = (outsiders(said, network).raw for said in (a_task(), a_presence()))
    for topic, raw in ((topics.records, task), (topics.presence, here)):
        message = rpc_pb2.Message(data=pack_gossip([raw]), topicIDs=[topic])
        async with intruder(target) as stranger:
            await stranger.gossip(rpc_pb2.RPC(publish=[message]))
            await trio.to_thread.run_sync(wait_rejected, node, raw is here)
    async with intruder(target) as stranger:
        stream = await stranger.open(topics.push_stream)
        request = pack_blobs([task])
        await stream.write(struct.pack(">H", len(request)) + request + struct.pack(">H", 0))
        answer = b""
        with trio.fail_after(10), contextlib.suppress(Exception):  # it hangs up on us
            while chunk := await stream.read(64):
                answer += chunk
    assert answer == b""


def wait_rejected(node: RealNode, twice: bool) -> None:
    wanted = f'reason="not_a_member"}} {2.0 if twice else 1.0}'
    until(lambda: wanted in node.scrape(), within_s=10, what="the outsider is refused")


@pytest.mark.e2e
def test_network__hears_its_members_and_nobody_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    keys = [load_key(home / name).signer.public_key for name in MEMBERS]
    file = make_network(home, keys)
    network = load_network(file).network
    alice, bob, out = nodes = [a_node(name, home, file) for name in (*MEMBERS, "out")]
    try:
        alice.launch()
        alice.wait_serving()
        bob.launch("--bootstrap", alice.address)
        out.launch("--bootstrap", alice.address)
        for node in (alice, bob):
            node.wait_ready()
            wait_capable(node, 1)
        wait_final(bob, [bob.submit("worked for", seats=1)], within_s=30)
        wait_equal([alice, bob], within_s=20)
        before = alice.status()["records"]
        trio.run(intrude, alice, network)

        assert out.wait_ended() == 1
        assert "is not among the 2 members of network 'club'" in out.words()
        assert {node.status()["records"] for node in (alice, bob)} == {before}
        for node in (alice, bob):
            listed = {peer["peer_id"] for peer in node.ask("/peers") if peer["live"]}
            assert listed <= set(map(peer_id_of, keys))
            assert node.ask("/network")["limits"]["record_work_bits"] == BITS
        assert exported(bob).find(OUTSIDER.public_key) == -1
        wait_final(alice, [alice.submit("still trading", seats=1)], within_s=30)
    finally:
        for node in nodes:
            node.close()


def exported(node: RealNode) -> bytes:
    """Return the whole log of a node as a file; every record of it was checked."""
    arguments = ["log", "export", "--id", node.name]
    command = [sys.executable, "-m", "node.cli", *arguments]
    variables = environment(AIMARKET_HOME=str(node.home))
    file = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True).stdout
    path = node.home / f"{node.name}.log"
    path.write_bytes(file)
    checked = aimarket(node.home, "verify", str(path), "--json")
    assert json.loads(checked.stdout)["proven"], checked.stderr
    return file
