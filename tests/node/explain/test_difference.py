"""Two logs that differ: what is named of it, and what is never moved."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from consensus.log import has_record, record_count, state_digest
from node.errors import PeerFailed, RequestRefused
from node.exchange import pack_board
from node.explain.compare import ANSWERS_MAX
from node.explain.diff_views import DiffView
from node.explain.differ import NodeDiffer
from node.explain.difference import NAMED_MAX
from node.names import peer_id_of
from node.ports import Answerer, Peer
from protocol.ids import Digest, PeerId, PublicKey
from protocol.reconcile_items import Item
from protocol.record import Verified
from tests.builders import a_market_day, a_profile, a_record, a_task, id_of, key
from tests.node.explain.doors import board_of, doors_of
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Claimant, Node, a_node, items_of, some_records

BO = peer_id_of(key("bo"))
TASKS = [a_task(nonce=number) for number in range(3)]
DAYS = [
    a_market_day("an", task, {"bo": "positive", "cy": "positive", "di": "negative"})
    for task in TASKS
]
IDS = [id_of("an", task).hex() for task in TASKS]


def boards(node: Node, *, digest: Digest | None = None, records: int | None = None) -> Answerer:
    async def answer(peer_id: PeerId, request: bytes) -> bytes:
        log = node.bench.log
        count = record_count(log) if records is None else records
        return pack_board(digest=digest or state_digest(log), records=count, rows=[])

    return answer


def connect(node: Node, name: str, answerers: dict[str, Answerer]) -> None:
    """Let a node ask a peer, and list it as connected."""
    public_key = key(name)
    node.net.others[peer_id_of(public_key)] = answerers
    listed = tuple(Peer(one, PublicKey(key(name)), "", True, (), True) for one in node.net.others)
    node.net.peers = lambda: listed  # type: ignore[method-assign]


@asynccontextmanager
async def pair(
    ours: Sequence[Verified], theirs: Sequence[Verified]
) -> AsyncIterator[tuple[Node, Node, NodeDiffer]]:
    """Run two nodes that hold something and do not sync."""
    me, bo = a_node("me"), a_node("bo")
    me.store(ours)
    bo.store(theirs)
    connect(me, "bo", {**bo.sync.answerers(), TOPICS.leaderboard_stream: boards(bo)})
    async with trio.open_nursery() as nursery:
        for node in (me, bo):
            await nursery.start(node.bench.loop.run)
        yield me, bo, NodeDiffer(doors_of(me), lambda: board_of(me))
        nursery.cancel_scope.cancel()


async def compared(ours: Sequence[Verified], theirs: Sequence[Verified]) -> DiffView:
    async with pair(ours, theirs) as (_, _, differ):
        return await differ.diff(BO)


async def against(me: Node, name: str, answerers: dict[str, Answerer]) -> DiffView | RequestRefused:
    """Compare a node with a peer of which only the answers are known."""
    connect(me, name, {TOPICS.leaderboard_stream: boards(me), **answerers})
    outcome: DiffView | RequestRefused
    async with trio.open_nursery() as nursery:
        await nursery.start(me.bench.loop.run)
        try:
            outcome = await NodeDiffer(doors_of(me), lambda: ()).diff(peer_id_of(key(name)))
        except RequestRefused as refusal:
            outcome = refusal
        nursery.cancel_scope.cancel()
    return outcome


async def test_diff__says_that_equal_nodes_are_equal() -> None:
    records = [record for day in DAYS for record in day]

    told = await compared(records, records[::-1])

    assert (told.verdict, told.complete, told.same_state) == ("equal", True, True)
    assert (told.only_here_count, told.only_there_count, told.tasks) == (0, 0, ())
    assert told.records == told.peer_records == len(records)


async def test_diff__names_tasks_and_records_of_both_sides_and_moves_none() -> None:
    ours, theirs = [*DAYS[0], *DAYS[1]], [*DAYS[1][:4], *DAYS[2]]

    async with pair(ours, theirs) as (me, bo, differ):
        told = await differ.diff(BO)
        before = record_count(me.bench.log), record_count(bo.bench.log)

    assert told.verdict == "differ"
    assert (told.only_here_count, told.only_there_count) == (8 + 4, 8)
    assert {one.record_id for one in told.only_here} == {
        record.record_id.hex() for record in [*DAYS[0], *DAYS[1][4:]]
    }
    assert {one.record_id for one in told.only_there} == {r.record_id.hex() for r in DAYS[2]}
    tasks = {one.task_id: (one.state, one.only_here, one.only_there) for one in told.tasks}
    assert tasks == {IDS[0]: ("final", 8, 0), IDS[1]: ("final", 4, 0), IDS[2]: (None, 0, 8)}
    assert next(one.kinds for one in told.only_there) == ("task",)
    assert "lacks 12 records, this node lacks 8 records" in told.because[0]
    assert before == (len(ours), len(theirs))
    assert not has_record(me.bench.log, DAYS[2][0].record_id)


async def test_diff__names_the_oldest_of_many() -> None:
    theirs = some_records("cy", 600)

    told = await compared([], theirs)

    assert told.only_there_count == 600
    assert [one.record_id for one in told.only_there] == [
        record.record_id.hex() for record in theirs[:NAMED_MAX]
    ]


async def test_diff__says_that_young_records_are_still_on_their_way() -> None:
    async with pair([], []) as (me, bo, differ):
        wall_ms = doors_of(me).clock.now().wall_ms
        news = [
            a_record("cy", a_profile("cy", sequence=n), created_ms=wall_ms - n) for n in range(30)
        ]
        bo.store(news)
        young = await differ.diff(BO)
        bo.store([a_record("cy", a_profile("old"), created_ms=wall_ms - 60_000)])
        old = await differ.diff(BO)

    assert (young.verdict, young.only_there_count) == ("on_their_way", 30)
    assert "still on their way" in young.because[1]
    assert (old.verdict, old.only_there_count) == ("differ", 31)
    assert old.same_state
    assert "nothing that differs decides anything" in old.because[-1]


async def test_diff__says_plainly_that_equal_logs_give_other_digests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.explain.differ.KEPT_S", 0)
    async with pair(DAYS[0], DAYS[0]) as (me, bo, differ):
        wrong = boards(bo, digest=Digest(bytes(32)))
        me.net.others[BO][TOPICS.leaderboard_stream] = wrong
        told = await differ.diff(BO)
        asked = me.net.asks(TOPICS.leaderboard_stream)

    assert (told.verdict, told.same_state) == ("digests_differ", False)
    assert "holds the same records and computes another state" in told.because[0]
    assert asked == 2  # not before it was looked at again


async def test_diff__tells_of_records_that_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.explain.differ.KEPT_S", 0)
    async with pair(DAYS[0], DAYS[0]) as (me, bo, differ):
        me.net.others[BO][TOPICS.leaderboard_stream] = boards(bo, records=9)
        told = await differ.diff(BO)

    assert told.verdict == "on_their_way"
    assert "records came while the logs were compared" in told.because[0]


async def test_diff__waits_for_a_sync_and_gives_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.explain.differ.WAITS_S", 0.05)
    held = trio.Event()

    async def hold() -> None:
        async with me.sync.turn:
            held.set()
            await trio.sleep_forever()

    async with pair(DAYS[0], []) as (me, _, differ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold)
            await held.wait()
            with pytest.raises(RequestRefused) as refusal:
                await differ.diff(BO)
            nursery.cancel_scope.cancel()
        told = await differ.diff(BO)

    assert (refusal.value.status, refusal.value.code) == (503, "sync_goes_on")
    assert told.only_here_count == 8
    assert me.net.asks(TOPICS.push_stream) == 0


async def test_diff__refuses_who_is_not_connected() -> None:
    async with pair([a_record("cy", a_profile("cyd"))], []) as (_, _, differ):
        with pytest.raises(RequestRefused) as absent:
            await differ.diff("cyd")
        with pytest.raises(RequestRefused) as unknown:
            await differ.diff("nobody")

    assert (absent.value.status, unknown.value.status) == (404, 404)
    assert "is not connected" in str(absent.value)


async def test_diff__does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.explain.differ.TAKES_S", 0.05)
    claimant = Claimant([], before_answer=trio.sleep_forever)
    me = a_node("me")

    refusal = await against(me, "claimant", claimant.answerers())

    assert isinstance(refusal, RequestRefused)
    assert refusal.status == 502
    assert "no whole answer within 0.05 s" in str(refusal)
    assert not me.sync.turn.locked()


async def test_diff__tells_of_records_that_a_peer_names_and_does_not_send() -> None:
    claimant = Claimant(items_of(DAYS[0]))

    told = await against(a_node("me"), "claimant", claimant.answerers())

    assert isinstance(told, DiffView)
    assert (told.verdict, told.only_there_count) == ("differ", 8)
    assert all(one.author is None and one.task_ids == () for one in told.only_there)
    assert "8 of the records it named it did not send" in told.because


async def test_diff__does_not_believe_that_we_lack_what_we_hold() -> None:
    ours, extra = some_records("di", 64), DAYS[0][0]
    dates = [record.created_ms for record in reversed(ours)]
    displaced = [Item(date, one.record_id) for date, one in zip(dates, ours, strict=True)]
    me = a_node("me")
    me.store(ours)

    claimant = Claimant([*displaced, *items_of([extra])], held=[extra])
    told = await against(me, "claimant", claimant.answerers())

    assert isinstance(told, DiffView)
    assert [one.record_id for one in told.only_there] == [extra.record_id.hex()]
    assert told.only_there_count == 1


async def test_diff__blames_a_peer_that_sends_something_else() -> None:
    listed, other = items_of(DAYS[0]), DAYS[1][0].raw
    forged = DAYS[0][0].raw[:-1] + bytes([DAYS[0][0].raw[-1] ^ 1])
    me = a_node("me")

    for sent in (other, b"nonsense", forged):
        claimant = Claimant(listed, sends=partial(_only, sent))
        refusal = await against(me, "claimant", claimant.answerers())
        assert isinstance(refusal, RequestRefused)
        assert refusal.status == 502
    assert record_count(me.bench.log) == 0


async def test_diff__reports_a_peer_that_refuses_or_talks_nonsense() -> None:
    async def refuses(peer_id: PeerId, request: bytes) -> bytes:
        raise PeerFailed("no")

    async def nonsense(peer_id: PeerId, request: bytes) -> bytes:
        return b"\xff\xff"

    for answerer in (refuses, nonsense):
        refusal = await against(a_node("me"), "bo", {TOPICS.compare_stream: answerer})
        assert isinstance(refusal, RequestRefused)
        assert refusal.status == 502


async def test_diff__ends_with_a_peer_that_never_does() -> None:
    asked = 0

    async def endless(peer_id: PeerId, request: bytes) -> bytes:
        nonlocal asked
        asked += 1
        claimed = some_records("cy", 40, first=40 * asked)
        return await Claimant(items_of(claimed)).compare(peer_id, request)

    me = a_node("me")
    me.store(some_records("di", 200))

    told = await against(
        me, "bo", {TOPICS.compare_stream: endless, TOPICS.records_stream: Claimant([]).send}
    )

    assert isinstance(told, DiffView)
    assert 1 < asked <= ANSWERS_MAX + 1


def _only(raw: bytes, names: Sequence[bytes]) -> list[bytes]:
    return [raw]
