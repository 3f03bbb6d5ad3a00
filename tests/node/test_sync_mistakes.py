"""Sync goes on whatever an answer, or the moment at which it comes, makes of it."""

import pytest
import trio
import trio.testing

from node.errors import StoreDamaged
from node.sync_limits import PATIENCE_S
from node.sync_moves import Patience
from protocol.ids import PeerId
from tests.node.sync_bench import (
    Claimant,
    Node,
    a_node,
    introduce_claimant,
    run_session,
    running,
    settle,
    some_records,
    until,
)
from tests.node.test_sync_liars import some_claims

SHIELDED_S = 0.02  # what it takes to close a stream, which nothing cuts short


async def answered_late() -> None:
    """Be done with an answer after the deadline, which it met itself."""
    await trio.sleep(PATIENCE_S - SHIELDED_S / 2)
    with trio.CancelScope(shield=True):
        await trio.sleep(SHIELDED_S)


async def test_patience__that_was_used_up_is_too_slow_and_nothing_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    patience = Patience()
    with patience.waiting():
        await answered_late()

    with pytest.raises(trio.TooSlowError), patience.waiting():
        await trio.sleep(1)


def introduce_a_mistake(node: Node, error: Exception) -> PeerId:
    """Return a peer of whom every answer has us make a mistake."""

    async def fall() -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return introduce_claimant(node, Claimant(some_claims(3), before_answer=fall))


async def test_run__goes_on_after_a_mistake_of_ours_and_says_so_once(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = a_node("alice"), a_node("bob")
    alice.net.others[bob.peer_id] = bob.sync.answerers()
    mistaken = introduce_a_mistake(alice, KeyError("nobody foresaw this"))
    records = some_records("eve", 5)
    bob.store(records)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)
        alice.sync.watch(mistaken, True)
        await until(lambda: "a mistake of this program" in caplog.text)
        alice.sync.watch(bob.peer_id, True)
        await settle(alice, records)
        nursery.cancel_scope.cancel()

    said = [one for one in caplog.records if "a mistake of this program" in one.getMessage()]
    assert [one.levelname for one in said].count("ERROR") == 1
    assert alice.net.hung_up == []


async def test_session__never_hides_that_our_own_disk_is_damaged() -> None:
    alice = a_node("alice")
    peer_id = introduce_a_mistake(
        alice, ExceptionGroup("both", [StoreDamaged("it is"), KeyError()])
    )

    with pytest.RaisesGroup(StoreDamaged, allow_unwrapped=True, flatten_subgroups=True):
        await run_session(alice, peer_id)


async def test_run__bears_a_pause_between_two_looks_at_the_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A collection of garbage, another process: what was ahead of us is behind us."""
    alice = a_node("alice")
    look_at_ms, looks = alice.sync._planner.look_at_ms, 0

    def look_slowly(now_ms: int) -> int:
        nonlocal looks
        looks += 1
        found = min(look_at_ms(now_ms), now_ms + 10)
        autojump_clock.jump(0.02)
        return found

    alice.sync._planner.look_at_ms = look_slowly  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        await running(nursery, alice)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert looks > 3
