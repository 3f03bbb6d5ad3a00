"""What one event costs the pure core of a node, with a crowd around it.

A machine, its rows in memory, hears a history event by event, each record as one message of
gossip; nothing is signed by others, checked or written to disk in what is measured. A second one
in the same process hears each right after it, as in a simulation: by then the order of a task's
workers is remembered. Beside each figure stands what it is in checks of a signature, measured in
the same run.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections import defaultdict
from itertools import islice, product

from bench.pipeline import raw_check_s
from bench.sync_history import AUTHORS, NOON_MS, TASK_EVERY_MS, history
from node.core.effects import Append
from node.core.events import (
    CapabilitiesChanged,
    Event,
    Now,
    PresencesHeard,
    Received,
    SigningAllowed,
    Started,
    Token,
    Via,
)
from node.core.machine import Machine
from node.core.settings import Settings
from node.sim.disk import SimRows
from protocol.ids import Digest, PeerId
from protocol.keys import Signer
from protocol.params import Network, NetworkParams, network_of
from protocol.record import Verified, seal
from protocol.statements import Capability, Presence

ECHO = Capability("echo", b"")
TTL_MS = 900_000
RECORDS_A_TASK = 8
BEFORE = 2_000  # records in the log when counting begins
HORIZON_MS = NOON_MS + 60_000  # what presences tell of; all records that are counted are younger
SENDERS = 64
CHECKED = 1_000


class Bench:
    """One machine and what its events cost, in seconds by kind."""

    def __init__(self, network: Network, *, crowd: int) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)
        self._rows = SimRows({}, keeps_undo=False)
        self._rolls = 0
        self._events = 0
        self._machine = Machine(
            signer=_signer("me"),
            network=network,
            rows=self._rows,
            dice=self._dice,
            settings=Settings(authors_max=2 * crowd + AUTHORS),
        )
        for event in (Started(), CapabilitiesChanged((ECHO,)), SigningAllowed()):
            self._handle("own", event, NOON_MS - 1)

    def hear(self, record: Verified) -> None:
        """Let a record come by gossip."""
        self._events += 1
        event = Received((record,), Via.GOSSIP, self._sender(), Token(self._events))
        self._handle(type(record.statements[0]).__name__.lower(), event, record.created_ms)

    def meet(self, what: str, record: Verified) -> None:
        """Let a presence come by gossip."""
        self._events += 1
        event = PresencesHeard((record,), self._sender(), Token(self._events))
        self._handle(what, event, record.created_ms)

    def _handle(self, what: str, event: Event, at_ms: int) -> None:
        now = Now(at_ms - NOON_MS + TTL_MS, at_ms)
        began_s = time.thread_time()
        effects = self._machine.handle(event, now)
        self.spent[what].append(time.thread_time() - began_s)
        for effect in effects:
            if isinstance(effect, Append):
                self._rows.stage(effect.changes)

    def _sender(self) -> PeerId:
        return PeerId(f"peer {self._events % SENDERS}")

    def _dice(self, size: int) -> bytes:
        self._rolls += 1
        return hashlib.sha256(b"%d" % self._rolls).digest()[:size]


def crowd_of(network: Network, size: int, *, at_ms: int, horizon_ms: int) -> list[Verified]:
    """Make the presences of so many workers, 20 us after each other."""
    said = Presence((ECHO,), 0, TTL_MS, (), horizon_ms, 0, bytes(16), Digest(bytes(32)))
    return [
        seal([said], signer=_signer(f"worker {n}"), created_ms=at_ms + n // 50, network=network)
        for n in range(size)
    ]


def measure(crowd: int, tasks: int) -> dict[str, float]:
    """Return the median cost of each kind of event, in us, and that of one check.

    All are the second machine's but for "task, first node".
    """
    network = network_of(NetworkParams())
    walk = history(network, seed=1)
    before = list(islice(walk, BEFORE - BEFORE % RECORDS_A_TASK + AUTHORS))
    counted = list(islice(walk, tasks * RECORDS_A_TASK))
    counted.sort(key=lambda record: record.created_ms)
    raws = [record.raw for record in counted[:CHECKED]]
    checks = [raw_check_s(raws, network)]
    first_ms, last_ms = before[-1].created_ms, counted[-1].created_ms + TASK_EVERY_MS
    come = crowd_of(network, crowd, at_ms=first_ms, horizon_ms=0)
    stay = crowd_of(network, crowd, at_ms=last_ms, horizon_ms=HORIZON_MS)
    first, second = both = [Bench(network, crowd=crowd) for _ in range(2)]
    for record, bench in product(before, both):
        bench.hear(record)
    second.spent.clear()
    for record, bench in product(come, both):
        bench.meet("presence, first", record)
    for record, bench in product(counted, both):
        bench.hear(record)
    for record, bench in product(stay, both):
        bench.meet("presence, again", record)
    checks.append(raw_check_s(raws, network))
    return {
        "check": statistics.mean(checks) * 1e6,
        "task, first node": statistics.median(first.spent["task"][-tasks:]) * 1e6,
        **{what: statistics.median(spent) * 1e6 for what, spent in second.spent.items()},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crowd", type=int, nargs="?", default=1_000, help="live workers around")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.crowd, options.tasks)
    if options.json:
        json.dump(found, sys.stdout)
        return
    check_us = found.pop("check")
    print(f"{options.crowd:,} live workers; one check of a signature: {check_us:.1f} us")
    for what, us in found.items():
        print(f"{what:16} {us:8.1f} us = {us / check_us:5.2f} checks")


def _signer(name: str) -> Signer:
    return Signer(hashlib.sha256(b"bench machine " + name.encode()).digest())


if __name__ == "__main__":
    main()
