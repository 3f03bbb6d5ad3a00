"""The doors of a node in memory, as far as explaining goes."""

from typing import Any, cast

from consensus.leaderboard import Standing, leaderboard
from consensus.log import faults_of, pairs_of, state_digest
from node.beside import RecentStates, Tellers
from node.clock import Clock
from node.market import Doors
from tests.builders import NETWORK
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Node


def doors_of(node: Node) -> Doors:
    """Return what a node of the sync bench is made of; it has no models."""
    return Doors(
        loop=node.bench.loop,
        log=node.bench.log,
        net=node.net,
        inference=cast(Any, None),
        sync=node.sync,
        network=NETWORK,
        topics=TOPICS,
        clock=Clock(),
        counters=dict,
        states=RecentStates(state_digest(node.bench.log)),
        tellers=Tellers(),
        joining=str,
        has_bootstrap=False,
        default_type="echo",
        version="0",
    )


def board_of(node: Node) -> tuple[Standing, ...]:
    """Return the leaderboard as a node computes it."""
    return leaderboard(pairs_of(node.bench.log), faults_of(node.bench.log))
