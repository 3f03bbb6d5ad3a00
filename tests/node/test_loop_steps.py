"""How much the loop takes into one step, and what becomes of the rest."""

import pytest
import trio
import trio.lowlevel

from node.clock import Clock
from node.core.effects import Effect
from node.core.events import (
    CapabilitiesChanged,
    Event,
    Now,
    PresencesHeard,
    SigningAllowed,
    Started,
    Woke,
)
from node.errors import StoreError
from node.inbox import STATEMENTS_TOGETHER_MAX, STEP_S_MAX, Inbox
from protocol.ids import PeerId
from tests.builders import a_presence, a_record
from tests.node.shell_bench import ECHO, Bench, a_bench

SOME: tuple[Event, ...] = (Started(), SigningAllowed(), CapabilitiesChanged((ECHO,)), Woke())


class Slow(Clock):
    """Shows that every event takes a share of what a step may; notes in which step each was."""

    def __init__(self, bench: Bench, cost_s: float, *, events: int) -> None:
        self.seen: list[tuple[int, Event]] = []
        self.all_seen = trio.Event()
        self._bench, self._cost_s, self._events = bench, cost_s, events
        self._truly = bench.loop.machine.handle
        bench.loop.machine.handle = self._handle  # type: ignore[method-assign]
        bench.loop._clock = self

    def work_s(self) -> float:
        return len(self.seen) * self._cost_s

    def _handle(self, event: Event, now: Now) -> list[Effect]:
        self.seen.append((len(self._bench.told), event))
        if len(self.seen) == self._events:
            self.all_seen.set()
        return self._truly(event, now)


@pytest.mark.parametrize(
    ("cost_s", "steps"),
    [(0.0, [0, 0, 0, 0]), (STEP_S_MAX / 2, [0, 0, 1, 1]), (STEP_S_MAX, [0, 1, 2, 3])],
)
async def test_step__takes_no_more_events_once_its_time_is_up(
    cost_s: float, steps: list[int]
) -> None:
    bench = a_bench()
    slow = Slow(bench, cost_s, events=len(SOME))
    async with trio.open_nursery() as nursery:
        for event in SOME:
            await bench.loop.tell(event)

        await nursery.start(bench.loop.run)
        await slow.all_seen.wait()

        assert slow.seen[: len(SOME)] == list(zip(steps, SOME, strict=True))
        nursery.cancel_scope.cancel()


async def test_step__lets_others_run_before_it_goes_on_with_the_rest() -> None:
    bench = a_bench()
    slow = Slow(bench, STEP_S_MAX, events=10)
    found: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            await bench.loop.tell(Woke())  # nothing is written, so no disk is waited for
        await nursery.start(bench.loop.run)

        for _ in range(20):
            await trio.lowlevel.checkpoint()
            found.append(len(slow.seen))

        assert any(0 < seen < 10 for seen in found)
        nursery.cancel_scope.cancel()


async def test_step__drops_the_rest_where_its_writes_fail() -> None:
    bench = a_bench()
    slow = Slow(bench, STEP_S_MAX, events=3)

    def fail() -> None:
        raise StoreError("no space")

    bench.loop._log.flush = fail  # type: ignore[method-assign]

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            for event in (Started(), SigningAllowed(), Woke()):
                await bench.loop.tell(event)
            nursery.start_soon(bench.loop.run)

    with pytest.raises(BaseExceptionGroup) as ended:
        await live()

    assert ended.group_contains(StoreError)
    assert Woke() not in [event for _, event in slow.seen]


async def test_take__weighs_presences_as_it_weighs_statements() -> None:
    inbox = Inbox()
    half = (a_record("bo", a_presence()),) * (STATEMENTS_TOGETHER_MAX // 2)
    for _ in range(3):
        await inbox.put(PresencesHeard(half, PeerId("a peer")))

    assert len(await inbox.take(wake_ms=None)) == 2
    assert len(await inbox.take(wake_ms=None)) == 1
