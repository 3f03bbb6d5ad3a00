import pytest
import trio
import trio.testing

from consensus.log import commits_of, find_task
from node.core.effects import Channel
from node.core.events import CapabilitiesChanged, PresencesHeard, SigningAllowed, Started
from node.errors import RequestRefused, SignedElsewhere, StoreError
from node.news import news_of
from protocol.gossip import unpack_gossip
from protocol.ids import PeerId
from protocol.record import open_record
from protocol.statements import Presence, Task
from tests.builders import NETWORK, a_presence, a_profile, a_record, id_of
from tests.node.shell_bench import ECHO, Bench, a_bench

PEER = PeerId("a peer")


async def started(bench: Bench, nursery: trio.Nursery) -> None:
    await bench.loop.tell(Started())
    await bench.loop.tell(SigningAllowed())
    await nursery.start(bench.loop.run)


async def test_submit__is_on_disk_before_it_is_published_and_answered() -> None:
    bench = a_bench()
    async with trio.open_nursery() as nursery:
        await started(bench, nursery)

        task_id = await bench.loop.submit("one", ECHO, b"hello", None)

        assert find_task(bench.log, task_id) is not None
        assert bench.log.staged_count == 0
        published = bench.done.index("publish records")
        assert {"journal", "flush"} <= set(bench.done[:published])
        nursery.cancel_scope.cancel()


async def test_submit__tells_what_was_written_before_it_answers() -> None:
    bench = a_bench()
    async with trio.open_nursery() as nursery:
        await started(bench, nursery)

        task_id = await bench.loop.submit("one", ECHO, b"hello", None)

        assert all(staged == 0 for staged, _ in bench.told)
        news = news_of(changes for _, written in bench.told for changes in written)
        assert [one.task_id for one in news if one.kind == "task"] == [task_id]
        nursery.cancel_scope.cancel()


async def test_submit__answers_a_repeated_request_with_the_same_task() -> None:
    bench = a_bench()
    async with trio.open_nursery() as nursery:
        await started(bench, nursery)
        found = []

        async def ask() -> None:
            found.append(await bench.loop.submit("one", ECHO, b"hello", None))

        async with trio.open_nursery() as asking:
            for _ in range(5):
                asking.start_soon(ask)

        assert len(set(found)) == 1
        with pytest.raises(RequestRefused) as refused:
            await bench.loop.submit("one", ECHO, b"something else", None)
        assert refused.value.status == 409
        nursery.cancel_scope.cancel()


async def test_stop__writes_what_it_still_publishes_into_the_journal() -> None:
    bench = a_bench()
    async with trio.open_nursery() as nursery:
        await started(bench, nursery)
        await bench.loop.submit("one", ECHO, b"hello", None)

        await bench.loop.stop()

        nursery.cancel_scope.cancel()
    records = [
        raw
        for kind, data in bench.published
        for raw in unpack_gossip(data)
        if kind is Channel.RECORDS
    ]
    said = [statement for raw in records for statement in open_record(raw, NETWORK).statements]
    assert sum(isinstance(statement, Task) for statement in said) == 1
    assert bench.done.count("journal") >= 1
    last = open_record(unpack_gossip(bench.published[-1][1])[0], NETWORK).statements[0]
    assert isinstance(last, Presence)
    assert last.ttl_ms == 0


async def test_run__ends_when_a_record_of_our_key_was_not_signed_here() -> None:
    bench = a_bench("alice")
    elsewhere = a_record("alice", a_profile("another alice", sequence=7))

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            await started(bench, nursery)
            await bench.loop.gossiped([elsewhere], PEER)

    with pytest.raises(BaseExceptionGroup) as ended:
        await live()

    assert ended.group_contains(SignedElsewhere)


async def test_run__publishes_nothing_when_the_journal_fails() -> None:
    bench = a_bench()

    def fail(payloads: object) -> None:
        raise StoreError("no space")

    bench.loop._journal.append = fail  # type: ignore[method-assign]

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            await started(bench, nursery)
            await bench.loop.submit("one", ECHO, b"hello", None)

    with pytest.raises(BaseExceptionGroup) as ended:
        await live()

    assert ended.group_contains(StoreError)
    assert "publish records" not in bench.done


async def test_infer__a_failed_run_commits_nothing_and_a_good_one_seals_an_answer() -> None:
    bench = a_bench("bob")
    good, bad = (
        Task(bytes([n]) * 16, "echo", b"", text, 3, 0, b"")
        for n, text in enumerate((b"a", b"fail"))
    )
    async with trio.open_nursery() as nursery:
        await started(bench, nursery)
        await bench.loop.tell(CapabilitiesChanged((ECHO,)))
        await bench.loop.tell(PresencesHeard((a_record("al", a_presence()),), PEER))

        await bench.loop.gossiped([a_record("al", good, bad)], PEER)

        with trio.fail_after(5):
            while not commits_of(bench.log, id_of("al", good), limit=9):
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert commits_of(bench.log, id_of("al", bad), limit=9) == []
