"""A disk that fails: the node writes nothing, says so, and goes on once the disk does."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.log import find_task, record_count
from consensus.rows import Changes
from node.clock import Clock
from node.core.effects import Channel
from node.core.events import CapabilitiesChanged, Room, SigningAllowed, Started
from node.core.machine import Machine
from node.core.presences import Presences
from node.errors import JournalLost, NotStored, RequestRefused, StoreDamaged, StoreError
from node.instruments import Instruments
from node.loop import RETRY_S, Loop
from node.ports import Relay
from node.recovery import Recovery
from node.store.open import Store, open_store
from protocol.ids import PeerId, TaskId
from tests.builders import NETWORK, a_record, a_task, signer
from tests.node.net_hosts import until
from tests.node.shell_bench import ECHO, EchoInference

PEER = PeerId("a peer")


class Rows:
    """The log of a store whose next writes fail as they are told to."""

    def __init__(self, store: Store, failures: list[StoreError]) -> None:
        self._log = store.log
        self._failures = failures

    def get(self, key: bytes) -> bytes | None:
        return self._log.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b""):  # type: ignore[no-untyped-def]
        return self._log.scan(prefix, after=after)

    def stage(self, changes: Changes) -> None:
        self._log.stage(changes)

    def flush(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self._log.flush()


class Journal:
    """The journal of a store whose next appends fail as they are told to."""

    def __init__(self, store: Store, failures: list[StoreError]) -> None:
        self._journal = store.journal
        self._failures = failures

    def append(self, payloads: Sequence[bytes]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self._journal.append(payloads)


class Disk:
    """A node on a real store, whose writes fail when a test says so."""

    def __init__(self, folder: Path) -> None:
        me = signer("alice")
        self.store = open_store(
            folder, network_id=NETWORK.network_id, public_key=me.public_key, nickname="alice"
        )
        self.rows_fail: list[StoreError] = []
        self.journal_fails: list[StoreError] = []
        self.machines: list[Machine] = []
        self.published: list[tuple[Channel, bytes]] = []
        self.instruments = Instruments(me.public_key, [ECHO.task_type])
        self.recovery = Recovery(store=self.store, network=NETWORK, make=self._make)
        self.loop = Loop(
            machine=self.recovery.begin(),
            log=Rows(self.store, self.rows_fail),
            journal=Journal(self.store, self.journal_fails),
            publish=self._publish,
            inference=EchoInference(),
            clock=Clock(),
            recovery=self.recovery,
            instruments=self.instruments,
        )

    def _make(self, newest_ms: int, presences: Presences | None) -> Machine:
        self.machines.append(
            Machine(
                signer=signer("alice"),
                network=NETWORK,
                rows=self.store.log,
                dice=lambda size: trio.current_time().hex().encode()[-size:].rjust(size, b"0"),
                alias="alice",
                last_created_ms=newest_ms,
                presences=presences,
            )
        )
        return self.machines[-1]

    async def _publish(self, channel: Channel, data: bytes) -> None:
        self.published.append((channel, data))


async def running(disk: Disk, nursery: trio.Nursery) -> None:
    await disk.loop.tell(Started())
    await disk.loop.tell(CapabilitiesChanged((ECHO,)))
    await disk.loop.tell(SigningAllowed())
    await nursery.start(disk.loop.run)
    await trio.testing.wait_all_tasks_blocked(0.05)


async def submitted(disk: Disk, request: str) -> TaskId:
    return await disk.loop.submit(request, ECHO, request.encode(), None)


@pytest.mark.parametrize("door", ["journal", "rows"])
async def test_loop__refuses_a_task_it_could_not_write_and_takes_it_later(
    tmp_path: Path, door: str
) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        first = await submitted(disk, "first")
        failures = disk.journal_fails if door == "journal" else disk.rows_fail

        failures.append(StoreError("no space left"))
        with pytest.raises(RequestRefused, match="no space left") as refused:
            await submitted(disk, "second")
        during = disk.loop.outage, find_task(disk.store.log, first) is not None
        with pytest.raises(RequestRefused):
            await submitted(disk, "third")
        await until(lambda: not disk.loop.outage)
        second = await submitted(disk, "second")

        assert refused.value.status == 503
        assert during == ("no space left", True)
        assert len(disk.machines) == 2
        assert disk.loop.machine is disk.machines[1]
        assert second != first
        assert find_task(disk.store.log, second) is not None
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_loop__keeps_a_task_whose_journal_entry_was_written_before_the_rows_failed(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        entries = disk.store.journal.entry_count

        disk.rows_fail.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        await until(lambda: not disk.loop.outage)
        task_id = await submitted(disk, "one")

        assert disk.store.journal.entry_count == entries + 1, "it is the very same task"
        assert find_task(disk.store.log, task_id) is not None
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_loop__signs_and_publishes_nothing_while_the_disk_fails(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        disk.journal_fails.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        said, entries = len(disk.published), disk.store.journal.entry_count
        foreign = a_record("bob", a_task())

        word = await disk.loop.gossiped([foreign], PEER)
        with pytest.raises(NotStored, match="no space left"):
            await disk.loop.fetched([foreign], PEER)

        assert disk.loop.outage
        assert word is Relay.IGNORE
        assert not disk.loop.takes_records
        assert (len(disk.published), disk.store.journal.entry_count) == (said, entries)
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_loop__waits_until_the_disk_really_takes_writes(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        probe = tmp_path / "alice" / "probe"
        probe.mkdir()  # in the way of the file that is written to try the disk

        await disk.loop.suspend("no space is left")
        await until(lambda: "probe" in disk.loop.outage)
        await trio.sleep(RETRY_S)
        still = disk.loop.outage
        probe.rmdir()
        await until(lambda: not disk.loop.outage)

        assert still
        assert len(disk.machines) == 2
        await submitted(disk, "one")
        nursery.cancel_scope.cancel()
    disk.store.close()


@pytest.mark.parametrize("error", [JournalLost("gone"), StoreDamaged("changed")])
async def test_loop__ends_where_waiting_cannot_help(tmp_path: Path, error: StoreError) -> None:
    disk = Disk(tmp_path / "alice")
    disk.journal_fails.append(error)

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            await running(disk, nursery)
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as raised:
        await live()

    assert raised.group_contains(type(error))
    assert len(disk.machines) == 1
    disk.store.close()


async def test_loop__takes_nothing_foreign_beyond_the_disk_limit_but_its_own(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        await disk.loop.tell(Room(is_full=True))
        await until(lambda: disk.loop.machine.is_behind)
        before = record_count(disk.store.log)
        foreign = a_record("bob", a_task())

        word = await disk.loop.gossiped([foreign], PEER)
        with pytest.raises(NotStored, match="disk limit"):
            await disk.loop.fetched([foreign], PEER)
        with pytest.raises(RequestRefused, match="disk limit"):
            await submitted(disk, "one")
        behind = word, record_count(disk.store.log)
        await disk.loop.tell(Room(is_full=False))
        await until(lambda: disk.loop.takes_records)
        await disk.loop.fetched([foreign], PEER)

        assert behind == (Relay.IGNORE, before)
        assert record_count(disk.store.log) == before + 1
        nursery.cancel_scope.cancel()
    disk.store.close()
