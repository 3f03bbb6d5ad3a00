"""B8: a stranger says everything that is wrong or of no use to one node, and no other is blamed."""

import os
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2

from node.core.effects import Channel
from node.keys import load_key
from node.network_file import load_network
from protocol.topics import topics_of
from tests.chaos.oracle import BLAME, blame_by
from tests.loopback.intruder import LINGER_S, Target, intruder
from tests.loopback.nodes import RealNode, wait_capable, wait_equal, wait_final
from tests.loopback.test_private_network import a_node, make_network
from tests.poisons import Poison, Poisoner

ROUNDS = 10 if os.environ.get("AIMARKET_LONG") else 1
HEARD_S = 10.0
WRONG = ("gossip_rejected", "gossip_wrong_size")


async def say(target: Target, topic: str, poison: Poison, node: RealNode, *, judged: bool) -> None:
    """Say one thing under a new name, and wait until the node has made up its mind.

    Args:
        target: Where the node is.
        topic: Where to say it.
        poison: What.
        node: The node.
        judged: Whether it is to be found wrong; no other node says anything that is. All else is
            counted among what the others say.
    """
    names = WRONG if judged else (*BLAME, "gossip_duplicates", "gossip_ignored", "gossip_relayed")
    before = counted(node, names)
    message = rpc_pb2.Message(data=poison.data, topicIDs=[topic])
    async with intruder(target) as stranger:
        await stranger.gossip(rpc_pb2.RPC(publish=[message]))
        with trio.fail_after(HEARD_S):
            while await trio.to_thread.run_sync(counted, node, names) == before:  # noqa: ASYNC110
                await trio.sleep(0.01)
        if not judged:
            await trio.sleep(LINGER_S)


def counted(node: RealNode, names: Sequence[str]) -> int:
    """Return how many messages came to one of some ends so far."""
    counters = node.status()["counters"]
    return sum(counters.get(name, 0) for name in names)


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_poison__has_no_honest_node_blame_another(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    names = ("alice", "bob", "carol")
    keys = [load_key(home / name).signer for name in (*names, "mallory")]
    file = make_network(home, [key.public_key for key in keys])
    network = load_network(file).network
    topics = topics_of(network.network_id)
    seed = random.SystemRandom().getrandbits(32)
    poisoner = Poisoner(network, keys[-1], random.Random(seed))
    nodes = [a_node(name, home, file) for name in names]
    alice = nodes[0]
    try:
        alice.launch()
        alice.wait_serving()
        for node in nodes[1:]:
            node.launch("--bootstrap", alice.address)
        for node in nodes:
            node.wait_ready()
            wait_capable(node, 2)
        _, _, host, _, port, _, peer_id = alice.address.split("/")
        target = Target(host, int(port), peer_id)
        before, kinds = alice.status()["records"], 0
        wrong: set[bytes] = set()  # what is said again within two minutes is not looked at again
        for _ in range(ROUNDS):
            for poison in poisoner.all(int(time.time() * 1_000)):
                topic = topics.records if poison.channel is Channel.RECORDS else topics.presence
                judged = poison.is_wrong and poison.data not in wrong
                trio.run(partial(say, target, topic, poison, alice, judged=judged))
                wrong.update([poison.data] if poison.is_wrong else [])
                kinds += 1
        final = [node.submit("still trading", seats=1) for node in nodes]
        for node, task_id in zip(nodes, final, strict=True):
            wait_final(node, [task_id], within_s=30)
        wait_equal(nodes, within_s=20)
        held = {node.name: blame_by(node) for node in nodes}
        stored = alice.status()["records"] - before - len(final) * 4

        print(
            f"\nseed {seed}: {kinds} messages, {len(wrong)} of them wrong, {stored} records stored"
        )
        print(held)
        assert held["bob"] == held["carol"] == {}
        assert sum(held["alice"][name] for name in WRONG) == len(wrong)
        assert "peers_banned" not in held["alice"]
        assert stored >= 8 * ROUNDS
        assert [node.stop() for node in nodes] == [0, 0, 0]
        assert not any("Traceback" in node.words() for node in nodes)
    finally:
        for node in nodes:
            node.close()
