"""What a peer that lies, dawdles or leaves can do: hold one session up for seconds, and no more."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing

from consensus.log import record_count
from node.core.events import Room
from node.core.sync import Outcome
from node.errors import PeerFailed
from node.exchange import RECORDS_PER_REQUEST_MAX, pack_blobs, pack_taken
from node.sync_limits import BYTES_PER_S_MIN, FIRST_S, MISSING_MAX, PATIENCE_S
from protocol.ids import PeerId, sha256
from protocol.reconcile import ROUNDS_MAX
from protocol.reconcile_items import Item
from protocol.reconcile_wire import INFINITY, Bound, Writer
from protocol.record import Verified
from tests.builders import NOON_MS, a_presence, a_profile, a_record
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import (
    Claimant,
    a_node,
    introduce_claimant,
    items_of,
    run_session,
    running,
    some_records,
    until,
)


def some_claims(count: int) -> list[Item]:
    """Return places of records that nobody has."""
    return [Item(NOON_MS + n, sha256(b"claim %d" % n)) for n in range(count)]


async def test_session__fails_with_a_peer_that_names_records_it_lacks() -> None:
    alice = a_node("alice")
    liar = Claimant(some_claims(MISSING_MAX + 1))

    outcome, session = await run_session(alice, introduce_claimant(alice, liar))

    assert outcome is Outcome.FAILED
    assert session.progress.moved == 0
    assert liar.asked == 1


async def test_session__does_not_blame_a_peer_for_a_few_records_that_are_gone() -> None:
    alice = a_node("alice")
    held = some_records("eve", 3)
    peer = Claimant([*items_of(held), *some_claims(MISSING_MAX)], held)

    outcome, _ = await run_session(alice, introduce_claimant(alice, peer))

    assert outcome is Outcome.MOVED
    assert alice.holds(held)


GOOD = a_record("bo", a_profile())


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        (GOOD, [a_record("cleo", a_profile()).raw]),
        (GOOD, [b"junk"]),
        (GOOD, [GOOD.raw[:-1] + bytes([GOOD.raw[-1] ^ 1])]),
        (a_record("bo", a_presence()), [a_record("bo", a_presence()).raw]),
    ],
    ids=["another record", "junk", "a bad signature", "a presence"],
)
async def test_session__is_wrong_when_the_bytes_of_a_record_are(
    listed: Verified, sent: list[bytes]
) -> None:
    alice = a_node("alice")
    liar = Claimant(items_of([listed]), sends=lambda names: sent)

    outcome, _ = await run_session(alice, introduce_claimant(alice, liar))

    assert outcome is Outcome.WRONG
    assert record_count(alice.bench.log) == 0


async def test_session__keeps_what_was_right_before_something_wrong_came() -> None:
    alice = a_node("alice")
    held = some_records("eve", 3_000)
    forged = held[1_200].raw[:-1] + bytes([held[1_200].raw[-1] ^ 1])
    raws = {one.record_id[:8]: one.raw for one in held}
    raws[held[1_200].record_id[:8]] = forged
    liar = Claimant(items_of(held), sends=lambda names: [raws[name] for name in names])

    outcome, _ = await run_session(alice, introduce_claimant(alice, liar))

    assert outcome is Outcome.WRONG
    assert alice.holds(held[:RECORDS_PER_REQUEST_MAX])
    assert not alice.holds(held[1_200:1_201])


async def test_session__ends_with_a_peer_that_never_ends() -> None:
    """It answers every question with new fingerprints of nothing."""
    alice = a_node("alice")
    alice.store(some_records("al", 200))
    liar = Claimant([])
    asked = 0

    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        nonlocal asked
        asked += 1
        answer = Writer()
        answer.fingerprint(Bound(NOON_MS + 150_000, b""), sha256(b"%d" % asked)[:16])
        answer.fingerprint(INFINITY, sha256(b"and %d" % asked)[:16])
        return answer.message()

    alice.net.others[liar.peer_id] = {TOPICS.compare_stream: compare}

    outcome, _ = await run_session(alice, liar.peer_id)

    assert outcome is Outcome.FAILED
    assert asked == 1 + ROUNDS_MAX


async def test_session__ends_with_a_peer_that_repeats_what_it_sent() -> None:
    alice = a_node("alice")
    record = some_records("eve", 1)[0]
    liar = Claimant(
        [*items_of([record]), *some_claims(100)], sends=lambda names: [record.raw] * 100
    )

    outcome, _ = await run_session(alice, introduce_claimant(alice, liar))

    assert outcome in (Outcome.FAILED, Outcome.WRONG)


@pytest.mark.parametrize("answer", [b"", b"\xc1", b"\x05", pack_blobs([b"x"])])
async def test_session__is_wrong_when_a_push_is_answered_with_nonsense(answer: bytes) -> None:
    alice = a_node("alice")
    alice.store(some_records("al", 4))
    liar = Claimant([], takes=answer)

    outcome, _ = await run_session(alice, introduce_claimant(alice, liar))

    assert outcome is Outcome.WRONG


async def test_session__pushes_once_to_a_peer_that_refuses() -> None:
    alice = a_node("alice")
    alice.store(some_records("al", 1_500))
    full = Claimant([], takes=None)

    outcome, session = await run_session(alice, introduce_claimant(alice, full))

    assert outcome is Outcome.REFUSED
    assert (full.pushed, session.progress.pushed) == (1, 0)


def slow_after(answers: int, seconds: float) -> Callable[[], Awaitable[None]]:
    left = answers

    async def pause() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            await trio.sleep(seconds)

    return pause


@pytest.mark.parametrize(("prompt_answers", "within_s"), [(0, FIRST_S), (1, PATIENCE_S)])
async def test_run__meets_another_peer_soon_when_one_is_silent(
    prompt_answers: int, within_s: float, mock_clock: trio.testing.MockClock
) -> None:
    """Silent at once, or after an answer that promised much: a byte a second is as good."""
    alice, bob = a_node("alice"), a_node("bob")
    alice.net.others[bob.peer_id] = bob.sync.answerers()  # he does not ask her
    old = some_records("eve", 20)
    bob.store(old)
    slow = Claimant(some_claims(9_000), before_answer=slow_after(prompt_answers, 1e6))
    introduce_claimant(alice, slow)
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)
        alice.sync.watch(slow.peer_id, True)
        await until(lambda: alice.sync.view().state != "idle")

        alice.sync.watch(bob.peer_id, True)
        while not alice.holds(old):
            mock_clock.jump(0.25)
            await trio.testing.wait_all_tasks_blocked(0.1)

        assert within_s <= trio.current_time() - began_s <= within_s + 2
        assert alice.net.hung_up == []
        nursery.cancel_scope.cancel()


async def test_session__lets_a_slow_line_finish_as_long_as_it_moves(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Ten times the patience, at twice the least rate."""
    alice = a_node("alice")
    held = some_records("eve", 40, length=48)
    page = sum(len(one.raw) for one in held[:4])
    pause_s = page / BYTES_PER_S_MIN / 2
    peer = Claimant(items_of(held), held)
    peer.sends = lambda names: [one.raw for one in held if one.record_id[:8] in names][:4]

    async def pause() -> None:
        mock_clock.jump(pause_s if peer.asked else 0.0)

    peer.before_answer = pause
    outcome, session = await run_session(alice, introduce_claimant(alice, peer))

    assert (outcome, session.progress.fetched) == (Outcome.MOVED, 40)


async def test_session__fails_with_a_peer_that_leaves_in_the_middle() -> None:
    alice = a_node("alice")
    held = some_records("eve", 2_400)
    pages = 0

    def send(names: Sequence[bytes]) -> list[bytes]:
        nonlocal pages
        pages += 1
        if pages > 1:
            raise PeerFailed("gone")
        return [one.raw for one in held if one.record_id[:8] in names]

    outcome, session = await run_session(
        alice, introduce_claimant(alice, Claimant(items_of(held), held, sends=send))
    )

    assert outcome is Outcome.FAILED
    assert alice.holds(held[:RECORDS_PER_REQUEST_MAX]), "what came is kept"
    assert session.progress.fetched == RECORDS_PER_REQUEST_MAX


async def test_session__blames_nobody_when_our_own_disk_is_full_in_the_middle() -> None:
    alice = a_node("alice")
    held = some_records("eve", 2_400)
    pages = 0

    def send(names: Sequence[bytes]) -> list[bytes]:
        nonlocal pages
        pages += 1
        if pages == 2:
            alice.bench.loop.machine.handle(Room(is_full=True), alice.bench.loop.now())
        return [one.raw for one in held if one.record_id[:8] in names]

    outcome, session = await run_session(
        alice, introduce_claimant(alice, Claimant(items_of(held), held, sends=send))
    )

    assert outcome is Outcome.UNFINISHED
    assert session.progress.fetched < 2_400


async def test_take__counts_news_and_hangs_up_on_what_is_wrong() -> None:
    alice = a_node("alice")
    known, new = some_records("eve", 2)
    alice.store([known])
    forged = known.raw[:-1] + bytes([known.raw[-1] ^ 1])
    async with trio.open_nursery() as nursery:
        await nursery.start(alice.bench.loop.run)
        take = alice.sync.answerers()[TOPICS.push_stream]

        both = await take(PeerId("bob"), pack_blobs([known.raw, new.raw]))
        again = await take(PeerId("bob"), pack_blobs([known.raw, new.raw, forged]))
        with pytest.raises(PeerFailed, match="push"):
            await take(PeerId("liar"), pack_blobs([GOOD.raw[:-1] + bytes([GOOD.raw[-1] ^ 1])]))
        nursery.cancel_scope.cancel()

    assert (both, again) == (pack_taken(1), pack_taken(0))
    assert alice.net.hung_up == [PeerId("liar")]
    assert alice.holds([known, new])
