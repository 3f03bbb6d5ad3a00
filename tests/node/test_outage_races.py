"""What happens just while a disk fails: nothing of it may end the node, or let it go on wrongly."""

import errno
from pathlib import Path

import pytest
import trio
import trio.testing

from node.clock import Clock
from node.core.effects import Channel, Infer, Work
from node.core.events import Listening, Now, Received, Submit, Token, Via
from node.core.machine import Machine
from node.errors import RequestRefused, SignedElsewhere, StoreError
from node.instruments import Instruments
from node.runs import Runs
from node.store.level import LevelLog
from node.sync import Sync
from protocol.gossip import unpack_gossip
from protocol.ids import TaskId
from protocol.record import decode_record
from protocol.statements import Capability, Result
from protocol.work import Unworked
from tests.builders import NETWORK, a_record, a_task
from tests.node.net_hosts import until
from tests.node.shell_bench import ECHO, TOPICS, EchoInference
from tests.node.sync_bench import FakeNet
from tests.node.test_loop_outage import PEER, Disk, running, submitted


class LateInference(EchoInference):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = trio.Event()

    async def infer(self, capability: Capability, input_bytes: bytes) -> Result:
        await self.may_answer.wait()
        return await super().infer(capability, input_bytes)


async def test_a_run_that_ends_while_the_machine_is_remade__is_no_news_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "alice")
    late = LateInference()
    runs = Runs(late, Instruments(disk.loop.machine.me))
    monkeypatch.setattr(disk.loop, "_runs", runs)
    begin_anew = disk.recovery.again

    async def again(before: Machine) -> Machine:
        late.may_answer.set()
        for _ in range(9):  # the run ends in a task of its own
            await trio.lowlevel.checkpoint()
        return await begin_anew(before)

    monkeypatch.setattr(disk.recovery, "again", again)
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        nursery.start_soon(disk.loop._hear, Infer(TaskId(bytes(32)), ECHO, b"x"))

        disk.rows_fail.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        await until(lambda: not disk.loop.outage)
        await submitted(disk, "one")

        assert disk.loop.machine.worker.load == 0
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_work_for_a_record_nobody_wants_any_more__holds_up_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "alice")
    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        nursery.start_soon(disk.loop._hear, Work(7, Unworked(b"", b"", 256)))
        await trio.testing.wait_all_tasks_blocked()

        disk.rows_fail.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        await until(lambda: not disk.loop.outage)

        with trio.fail_after(5):
            worked = await disk.loop._labour.worked(Work(1, Unworked(b"", b"", 1)))
        assert worked is not None
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_a_node_that_met_its_own_words__stops_though_the_disk_fails_in_the_same_step(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path / "alice")
    disk.journal_fails.append(StoreError("no space left"))
    strange = a_record("alice", a_task(), created_ms=7)

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            await disk.loop.tell(Submit("one", ECHO, b"one", None, Token(7)))
            await disk.loop.tell(Received((strange,), Via.GOSSIP, PEER))
            await running(disk, nursery)

    disk.loop.machine.outbox.signing = True
    with pytest.raises(BaseExceptionGroup) as raised:
        with trio.fail_after(5):
            await live()

    assert raised.group_contains(SignedElsewhere)
    disk.store.close()


async def test_a_failing_read_of_the_sync__is_an_outage_like_any_other(tmp_path: Path) -> None:
    disk, net = Disk(tmp_path / "alice"), FakeNet("alice")
    sync = Sync(
        loop=disk.loop,
        log=disk.store.log,
        net=lambda: net,
        network=NETWORK,
        topics=TOPICS,
        live_presences=list,
        chosen=set,
        signing_allowed=True,
    )
    failures = 1

    def waits_for_ms(now: Now) -> int | None:
        nonlocal failures
        failures -= 1
        if failures == 0:
            raise StoreError("cannot read")
        return None

    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        disk.loop.machine.waits_for_ms = waits_for_ms  # type: ignore[method-assign]

        await nursery.start(sync.run)
        await until(lambda: len(disk.machines) == 2)
        await until(lambda: not disk.loop.outage)

        await submitted(disk, "one")
        nursery.cancel_scope.cancel()
    disk.store.close()


async def test_a_journal_that_cannot_be_read_back_at_once__is_read_back_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "alice")
    really_open = Path.open
    failures = [OSError(errno.EMFILE, "Too many open files")]

    def opens(path: Path, *args: object) -> object:
        if path.name == "journal" and failures:
            raise failures.pop()
        return really_open(path, *args)  # type: ignore[call-overload]

    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        monkeypatch.setattr(Path, "open", opens)

        disk.rows_fail.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        await until(lambda: not disk.loop.outage)

        assert not failures
        await submitted(disk, "one")
        nursery.cancel_scope.cancel()
    disk.store.close()


def test_a_walk_over_a_log_that_is_opened_anew__fails_as_the_disk_does(tmp_path: Path) -> None:
    log = LevelLog(tmp_path / "log", create=True)
    log.stage({b"a%d" % number: b"" for number in range(9)})
    log.flush()
    walk = log.scan(b"a")
    next(walk)

    log.reopen()

    with pytest.raises(StoreError, match="cannot read"):
        list(walk)
    log.close()


async def test_presences_of_a_remade_machine__are_later_than_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "alice")
    truly, back_ms = Clock(), 0

    class SetBack(Clock):
        def now(self) -> Now:
            now = truly.now()
            return Now(now.ms, now.wall_ms - back_ms)

    monkeypatch.setattr(disk.loop, "_clock", SetBack())

    def dates() -> list[int]:
        return [
            decode_record(raw, NETWORK).created_ms
            for channel, data in disk.published
            if channel is Channel.PRESENCE
            for raw in unpack_gossip(data)
        ]

    async with trio.open_nursery() as nursery:
        await running(disk, nursery)
        await disk.loop.tell(Listening(("/ip4/127.0.0.1/tcp/1",)))
        await until(lambda: len(dates()) > 1)  # the last one is later than the journal's last
        before = len(dates())
        back_ms = 262_000

        disk.journal_fails.append(StoreError("no space left"))
        with pytest.raises(RequestRefused):
            await submitted(disk, "one")
        await until(lambda: len(dates()) > before)

        assert dates() == sorted(set(dates()))
        nursery.cancel_scope.cancel()
    disk.store.close()
