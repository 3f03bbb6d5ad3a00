"""Notes every few seconds what happened at a node since the last time."""

import os
from pathlib import Path

import trio

from consensus.log import record_count
from node.errors import StoreDamaged, StoreError
from node.history import EVERY_MS, HistoryView, Numbers, Ring, Series, percentile, since
from node.instruments import Instruments
from node.market import Doors
from node.meter_names import NET_REFUSALS

_STATM = Path("/proc/self/statm")  # in pages; the second number is what is in memory
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Implements `node.history.History`; a sample is a few sums, and no walk of the log."""

    def __init__(self, doors: Doors, instruments: Instruments) -> None:
        """Take what is read.

        Args:
            doors: The parts of the node.
            instruments: What they measure with; the sampler takes what it has seen.
        """
        self._doors = doors
        self._measured = instruments
        self._ring = Ring()
        self._counted = self._counts()

    async def run(self) -> None:
        """Take a sample at the end of each interval, until cancelled.

        Raises:
            StoreDamaged: The disk holds something else than was written.
        """
        due_s = trio.current_time()
        while True:
            # What was slept through, with the machine or for its load, is one long interval.
            due_s = max(due_s + EVERY_MS / 1_000, trio.current_time())
            await trio.sleep_until(due_s)
            self.sample()

    def sample(self) -> None:
        """Note what happened since the last time.

        Raises:
            StoreDamaged: The disk holds something else than was written.
        """
        counted = self._counts()
        grown, self._counted = since(self._counted, counted), counted
        numbers: dict[Series, float | None] = {**grown, **self._as_it_is()}
        self._ring.add(self._doors.clock.now().wall_ms, numbers)

    def told(self, *, after_ms: int) -> HistoryView:
        """Return the samples taken after a moment, Unix milliseconds."""
        return self._ring.told(after_ms=after_ms, now_ms=self._doors.clock.now().wall_ms)

    def _counts(self) -> dict[Series, int]:
        """Read what only grows."""
        doors, measured = self._doors, self._measured
        counters = doors.counters()
        return {
            "tasks_new": measured.tasks.came,
            "tasks_final": measured.tasks.became_final,
            "runs": sum(measured.runs["answered"].counts().values()),
            "refusals_rpc": sum(measured.requests.counts().values()),
            "refusals_gate": sum(measured.rejected.counts().values()),
            "refusals_pace": sum(doors.machine.door.paced.values()),
            "refusals_net": sum(counters.get(name, 0) for name in NET_REFUSALS),
            "sync_fetched": doors.sync.fetched,
            "gossip_in": counters.get("gossip_messages_in", 0),
            "gossip_out": counters.get("gossip_messages_out", 0),
        }

    def _as_it_is(self) -> Numbers:
        """Read what goes up and down, and take what was measured in this interval."""
        doors, measured = self._doors, self._measured
        waited = measured.tasks.take_waits()
        return {
            "verdict_p50_s": percentile(waited, 50),
            "verdict_p95_s": percentile(waited, 95),
            "inference_queue": doors.machine.worker.load,
            "records": self._records(),
            "peers_connected": len(doors.net.peers()),
            "peers_live": doors.machine.presences.count_live(doors.clock.now().ms),
            "loop_lag_peak_s": measured.lag_since.take(),
            "memory_bytes": memory_bytes(),
        }

    def _records(self) -> int | None:
        try:
            return record_count(self._doors.log)
        except StoreDamaged:
            raise
        except StoreError:
            return None


def memory_bytes() -> int | None:
    """Return how much of this process is in memory; None where the system does not tell so."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None
