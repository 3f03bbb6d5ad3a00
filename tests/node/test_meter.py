"""The numbers of a node while its disk fails, and after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from consensus.log import record_count, state_digest, task_counts
from node.beside import RecentStates, Tellers
from node.clock import Clock
from node.errors import RequestRefused, StoreDamaged, StoreError
from node.inference.service import InferenceLimits, InferenceService
from node.market import Doors
from node.meter import NodeMeter
from node.meter_names import readable
from node.metering import Sample
from node.task_tally import UNCOUNTED
from node.views import SyncView
from node.views_events import NodeEvent
from tests.builders import NETWORK
from tests.node.net_hosts import until
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import FakeNet
from tests.node.test_loop_outage import Disk, running, submitted


class IdleSync:
    """A sync that never met anybody."""

    fetched = 0

    def view(self) -> SyncView:
        return SyncView("idle", "", 0, 0, 0, 0, 0, "", None)


def a_meter(disk: Disk, folder: Path) -> NodeMeter:
    doors = Doors(
        loop=disk.loop,
        log=disk.store.log,
        net=FakeNet("alice"),
        inference=InferenceService(
            task_types=(),
            model_dirs={},
            limits=InferenceLimits(input_bytes_max=1, answer_bytes_max=1),
        ),
        sync=cast(Any, IdleSync()),
        network=NETWORK,
        topics=TOPICS,
        clock=Clock(),
        counters=dict,
        states=RecentStates(state_digest(disk.store.log)),
        tellers=Tellers(),
        joining=str,
        has_bootstrap=False,
        default_type="echo",
        version="0",
    )

    def condition() -> NodeEvent:
        return NodeEvent("node", True, "", True, disk.loop.outage, False)

    return NodeMeter(
        doors,
        disk.instruments,
        folder=folder,
        disk_limit_bytes=None,
        standings=tuple,
        condition=condition,
    )


async def read(meter: NodeMeter) -> dict[str, dict[tuple[str, ...], float]]:
    """Return all numbers but those of histograms, by name and the values of their labels."""
    found = {family.name: family.samples for family in await meter.families()}
    return {
        name: {tuple(one.labels.values()): one.value for one in samples if isinstance(one, Sample)}
        for name, samples in found.items()
    }


async def test_families__say_what_is_so_before_during_and_after_an_outage(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path / "alice")
    meter, tally = a_meter(disk, tmp_path / "alice"), disk.instruments.tasks
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        nursery.start_soon(meter.run)
        await submitted(disk, "one")
        await until(lambda: tally.is_complete)
        before = await read(meter)

        disk.rows_fail.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "two")
        await until(lambda: not tally.is_complete)
        during = await read(meter)
        await until(lambda: not disk.loop.outage)
        await submitted(disk, "two")
        await until(lambda: tally.is_complete)
        after = await read(meter)
        counts, records = task_counts(disk.store.log), record_count(disk.store.log)
        nursery.cancel_scope.cancel()
    disk.store.close()

    assert before["aimarket_tasks"]["open", "echo"] == 1
    assert (before["aimarket_read_only"], during["aimarket_read_only"]) == ({(): 0}, {(): 1})
    assert sum(during["aimarket_tasks"].values()) >= 1
    assert after["aimarket_read_only"] == {(): 0}
    assert sum(after["aimarket_tasks"].values()) == sum(counts.values()) == 2
    assert after["aimarket_tasks"]["open", "echo"] == 2
    assert after["aimarket_tasks"]["open", UNCOUNTED] == 0
    assert after["aimarket_records"] == {(): records}
    assert after["aimarket_journal_bytes"][()] > before["aimarket_journal_bytes"][()] > 0
    assert after["aimarket_disk_limit_bytes"] == {}
    assert after["aimarket_sync_level_age_seconds"] == {}


async def test_families__leave_out_what_the_disk_does_not_tell(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "alice")
    meter = a_meter(disk, tmp_path / "gone")

    found = await read(meter)

    disk.store.close()
    assert found["aimarket_log_bytes"] == found["aimarket_disk_free_bytes"] == {}
    assert found["aimarket_records"] == {(): 0}


def failing(error: Exception) -> Callable[[], list[Sample]]:
    def read() -> list[Sample]:
        raise error

    return read


def test_readable__has_no_samples_while_the_log_cannot_be_read() -> None:
    assert readable("aimarket_x", "X.", failing(StoreError("not open"))).samples == []


def test_readable__lets_damage_end_the_node() -> None:
    with pytest.raises(StoreDamaged):
        readable("aimarket_x", "X.", failing(StoreDamaged("a flipped bit")))
