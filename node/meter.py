"""All numbers of a node, read when somebody asks for them."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import trio

from consensus.leaderboard import Standing
from consensus.log import record_count, task_counts
from node.disk import free_bytes_of, size_bytes_of
from node.errors import StoreDamaged, StoreError
from node.instruments import Instruments
from node.market import Doors
from node.meter_names import model_families, net_families, one, readable, table_families
from node.metering import Family, Sample
from node.store.directory import JOURNAL_NAME, LOG_NAME
from node.views_events import NodeEvent
from protocol.params import PPM

LAG_EVERY_S = 0.1  # a guess: a look costs some 50 µs, so a two-thousandth of a core
COUNT_EVERY_S = 0.05  # while there are tasks to count: some 5,000 a second
LOOK_EVERY_S = 0.5  # after that, whether they must be counted anew; an outage takes a second
RANKED_EVERY_S = 10.0  # ranking reads every pair of the log, and somebody may ask each second


class NodeMeter:
    """Implements `node.metering.Meter`."""

    def __init__(
        self,
        doors: Doors,
        instruments: Instruments,
        *,
        folder: Path,
        disk_limit_bytes: int | None,
        standings: Callable[[], Sequence[Standing]],
        condition: Callable[[], NodeEvent],
    ) -> None:
        """Take what is read.

        Args:
            doors: The parts of the node.
            instruments: What they measure with.
            folder: The data directory.
            disk_limit_bytes: How large it may grow; None for no limit.
            standings: Returns everybody's standing.
            condition: Returns how the node is.
        """
        self._doors = doors
        self._measured = instruments
        self._folder = folder
        self._disk_limit_bytes = disk_limit_bytes
        self._standings = standings
        self._condition = condition
        self._ranked_s = float("-inf")
        self._own: Standing | None = None

    def note_refusal(self, code: str) -> None:
        """Count a request of the local user that was refused, by the word it was refused with."""
        self._measured.requests.add(code)

    async def run(self) -> None:
        """Measure what nobody else does, until cancelled.

        Raises:
            StoreDamaged: The disk holds something else than was written.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure_lag)
            nursery.start_soon(self._count_tasks)

    async def families(self) -> list[Family]:
        """Read every number now; what cannot be read while the disk fails has no samples.

        Raises:
            StoreDamaged: The disk holds something else than was written.
        """
        on_disk = await trio.to_thread.run_sync(_sizes, self._folder)
        return [
            *self._node_families(),
            *self._log_families(),
            *model_families(self._doors, self._measured),
            *table_families(self._doors),
            *net_families(self._doors, self._measured),
            *self._time_families(),
            *self._disk_families(on_disk),
        ]

    async def _measure_lag(self) -> None:
        while True:
            due_s = time.perf_counter() + LAG_EVERY_S
            await trio.sleep(LAG_EVERY_S)
            self._measured.note_lag(due_s)

    async def _count_tasks(self) -> None:
        """Count the tasks of the log, and count them anew after the disk failed."""
        loop, tally = self._doors.loop, self._measured.tasks
        machine = loop.machine
        while True:
            if loop.outage or machine is not loop.machine:
                machine = loop.machine
                tally.forget()
            if not loop.outage:
                try:
                    tally.count_some(self._doors.log)
                except StoreDamaged:
                    raise
                except StoreError as error:
                    await loop.suspend(str(error))
            is_idle = tally.is_complete or bool(loop.outage)
            await trio.sleep(LOOK_EVERY_S if is_idle else COUNT_EVERY_S)

    def _node_families(self) -> Iterator[Family]:
        doors, now = self._doors, self._condition()
        labels = {"version": doors.version, "network": doors.network.network_id.hex()}
        yield Family("aimarket_build", "info", "The program and its network.", [Sample(labels, 1)])
        for name, is_so, help_text in (
            ("ready", now.ready, "Whether the node can take part in full."),
            ("signing", now.signing, "Whether the node may sign."),
            ("read_only", now.read_only != "", "Whether nothing can be written."),
            ("behind", now.behind, "Whether the disk limit keeps foreign records out."),
        ):
            yield one(f"aimarket_{name}", "gauge", help_text, is_so)

    def _log_families(self) -> Iterator[Family]:
        log, tally = self._doors.log, self._measured.tasks
        yield readable("aimarket_tasks", "Tasks in the log.", lambda: tally.tasks(task_counts(log)))
        yield readable(
            "aimarket_records", "Records in the log.", lambda: [Sample({}, record_count(log))]
        )
        yield readable(
            "aimarket_points",
            "How often this node agreed with a verdict of three or more seats.",
            lambda: [Sample({}, self._standing("points"))],
        )
        yield readable(
            "aimarket_reputation_ratio",
            "The lower bound of the rate at which this node agrees, 0 to 1.",
            lambda: [Sample({}, self._standing("reputation_ppm") / PPM)],
        )

    def _standing(self, column: str) -> int:
        """Return one number of our own standing, ranked anew from time to time."""
        now_s = trio.current_time()
        if now_s - self._ranked_s >= RANKED_EVERY_S:
            me = self._doors.machine.me
            self._own = next((one for one in self._standings() if one.key == me), None)
            self._ranked_s = now_s
        return 0 if self._own is None else int(getattr(self._own, column))

    def _time_families(self) -> Iterator[Family]:
        measured, now_s = self._measured, time.perf_counter()
        for name, spreads, help_text in (
            (
                "verdict",
                measured.tasks.waited(),
                "From the first sight of a task until it, or a retry of it, is final.",
            ),
            (
                "journal_sync",
                [measured.journal.spread()],
                "How long entries take into the journal, their sync included.",
            ),
            ("log_write", [measured.log.spread()], "How long rows take into LevelDB."),
            ("step", [measured.steps.spread()], "How long the machine thinks at once."),
            ("loop_lag", [measured.lag.spread()], "How late the event loop comes back."),
        ):
            yield Family(f"aimarket_{name}_seconds", "histogram", help_text, spreads)
        of_late = "of the last one or two minutes."
        longest = measured.longest_step.read(now_s), measured.longest_lag.read(now_s)
        yield one("aimarket_step_peak_seconds", "gauge", f"The longest step {of_late}", longest[0])
        yield one("aimarket_loop_lag_peak_seconds", "gauge", f"The most lag {of_late}", longest[1])
        living = trio.lowlevel.current_statistics().tasks_living
        yield one("aimarket_loop_tasks", "gauge", "Tasks of the event loop.", living)

    def _disk_families(self, on_disk: "tuple[int, int, int] | None") -> Iterator[Family]:
        limit = [] if self._disk_limit_bytes is None else [Sample({}, self._disk_limit_bytes)]
        for at, name, help_text in (
            (0, "log", "Size of the log on disk."),
            (1, "journal", "Size of the journal."),
            (2, "disk_free", "What may still be written where the log is."),
        ):
            samples = [] if on_disk is None else [Sample({}, on_disk[at])]
            yield Family(f"aimarket_{name}_bytes", "gauge", help_text, samples)
        told = "How large the data directory may grow; absent without a limit."
        yield Family("aimarket_disk_limit_bytes", "gauge", told, limit)


def _sizes(folder: Path) -> tuple[int, int, int] | None:
    """Return the bytes of the log, of the journal and free; None if the disk does not tell."""
    try:
        journal_bytes = (folder / JOURNAL_NAME).stat().st_size
        return size_bytes_of(folder / LOG_NAME), journal_bytes, free_bytes_of(folder)
    except OSError:
        return None
