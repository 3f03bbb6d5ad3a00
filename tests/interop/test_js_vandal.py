"""Nodes outlive what a foreign implementation of libp2p can be made to send."""

from functools import partial
from pathlib import Path

import pytest

from tests.interop.hearing import (
    count,
    followed,
    heard_by,
    is_in_mesh,
    log_of,
    topics_in,
    wait_known,
)
from tests.interop.js import js, need_js
from tests.loopback.nodes import street, until, wait_final

WITHIN_S = 30.0
MOLESTED_S = 90.0  # 24 kinds, each on a connection of its own; measured: some 5 s
GROWTH_BYTES_MAX = 16 * 1024 * 1024  # measured: 2 MiB
COUNTED = (  # what it must have read of each sort of garbage, lest the test shows nothing
    ("gossip_rejected", 24),
    ("gossip_wrong_size", 16),
    ("gossip_foreign_topic", 1),
    ("gossip_duplicates", 1),
    ("gossip_graft_refused", 1),
)


@pytest.mark.e2e
def test_node__outlives_a_js_peer_that_sends_garbage(tmp_path: Path) -> None:
    need_js()
    with street(tmp_path) as town:
        alice, bob = town.open("alice", "bob")
        topic = topics_in(town).records
        with js("peer.mjs", followed(town), tmp_path / "peer.err") as honest:
            here = honest.wait("ready", within_s=WITHIN_S)
            honest.say(alice.address)
            until(
                partial(is_in_mesh, alice, here["peer"]),
                within_s=WITHIN_S,
                what="the honest js peer is told what is said from now on",
            )
            wait_final(bob, [bob.submit("before", seats=1)], within_s=WITHIN_S)
            truth = honest.wait("message", within_s=WITHIN_S, topic=topic)["data"]
            before, before_bytes = log_of(alice), alice.rss_bytes()

            arguments = (alice.address, *followed(town))
            with js("vandal.mjs", arguments, tmp_path / "vandal.err") as vandal:
                vandal.say(truth)
                vandal.wait("finished", within_s=MOLESTED_S)
                kinds = vandal.so_far("done")
            growth_bytes = alice.rss_bytes() - before_bytes
            task_ids = [node.submit(f"after, by {node.name}", seats=1) for node in (alice, bob)]
            for node in (alice, bob):
                wait_known(node, task_ids, within_s=WITHIN_S)
                wait_final(node, task_ids, within_s=WITHIN_S)

            records = log_of(alice)
            until(
                lambda: records - before <= heard_by(honest, topic),
                within_s=WITHIN_S,
                what="the honest js peer heard what came after the garbage",
            )
            assert heard_by(honest, topic) <= records
        for kind in kinds:
            assert kind["is_heard"], kind
            assert kind["is_hung_up"] == kind["is_fault"], kind
            assert kind["is_answered"] != kind["is_fault"], kind
            assert kind["is_ended"] == kind["is_cut"], kind
        assert count(alice, "gossip_frames_bad") == sum(kind["is_cut"] for kind in kinds) > 0
        assert count(alice, "peers_banned") == sum(kind["is_fault"] for kind in kinds) > 0
        counted = {name: count(alice, name) for name, _ in COUNTED}
        assert all(counted[name] >= least for name, least in COUNTED), counted
        assert count(bob, "gossip_rejected") == 0, "garbage was passed on"
        assert growth_bytes < GROWTH_BYTES_MAX
        assert "Traceback" not in alice.words() + bob.words()
        print(f"\n{len(kinds)} kinds of garbage, {counted}, {growth_bytes} bytes more")
