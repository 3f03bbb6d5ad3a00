"""What the sampler notes of a node in memory, interval by interval."""

import sys
from collections import Counter
from dataclasses import replace

import pytest
import trio

from consensus.incremental import fold
from node.clock import Clock
from node.core.events import Now
from node.errors import StoreDamaged, StoreError
from node.history import EVERY_MS, NAMES, HistoryView
from node.sampler import Sampler, memory_bytes
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_market_day, a_presence, a_record, a_task
from tests.node.explain.doors import doors_of
from tests.node.sync_bench import Node, a_node

DAY = a_market_day("an", a_task(), {"bo": "positive", "cy": "positive", "di": "negative"})
BEGAN_MS = 1_700_000_000_000


class Hands(Clock):
    """Both clocks go as trio's does, which a test may drive."""

    def now(self) -> Now:
        ms = int(trio.current_time() * 1_000)
        return Now(ms=ms, wall_ms=BEGAN_MS + ms)


class Bench:
    """A node with a sampler; what the network counts is in `counted`."""

    def __init__(self) -> None:
        self.node = a_node("me")
        self.measured = self.node.bench.instruments
        self.counted: Counter[str] = Counter()
        doors = replace(doors_of(self.node), clock=Hands(), counters=lambda: dict(self.counted))
        self.sampler = Sampler(doors, self.measured)

    async def sampled(self, after_s: float = 1.0) -> dict[str, float | None]:
        """Let time go by and return what is noted of it."""
        await trio.sleep(after_s)
        self.sampler.sample()
        return last(self.sampler.told(after_ms=0))


def last(told: HistoryView) -> dict[str, float | None]:
    return {name: column[-1] for name, column in told.series.items()}


def take_in(node: Node, measured_at_ms: int, records: list[Verified]) -> None:
    """Store records as the loop does: what is measured is told of the rows first."""
    changes = fold(node.bench.log, records, NETWORK).changes
    now = Now(ms=measured_at_ms, wall_ms=NOON_MS)
    node.bench.instruments.tasks.note(changes, node.bench.log, now)
    node.bench.log.stage(changes)
    node.bench.log.flush()


async def test_sample__notes_what_was_counted_in_the_interval_and_only_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    bench.measured.requests.add("unauthorized")  # before the first interval is over
    first = await bench.sampled()
    for name, count in (("gossip_messages_in", 3), ("gossip_messages_out", 9)):
        bench.counted[name] += count
    for name in ("peers_banned", "gossip_overflow", "dials_done"):
        bench.counted[name] += 2
    bench.measured.requests.add("unauthorized")
    bench.measured.requests.add("wrong_host")
    bench.measured.rejected.add("malformed")
    bench.measured.runs["answered"].add("echo", 5)
    bench.measured.runs["failed"].add("echo", 7)
    bench.measured.lag_since.note(0.25)
    bench.node.sync._fetched += 6
    bench.node.bench.loop.machine.door.paced["records"] += 4

    second, third = await bench.sampled(), await bench.sampled()

    expected = {
        "gossip_in": 3,
        "gossip_out": 9,
        "refusals_rpc": 2,
        "refusals_gate": 1,
        "refusals_pace": 4,
        "refusals_net": 4,
        "runs": 5,
        "sync_fetched": 6,
        "loop_lag_peak_s": 0.25,
    }
    assert first["refusals_rpc"] == 1
    assert {name: second[name] for name in expected} == expected
    assert {name: third[name] for name in expected} == dict.fromkeys(expected, 0)


async def test_sample__notes_tasks_and_how_long_their_verdicts_took(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    take_in(bench.node, 0, DAY[:1])
    first = await bench.sampled()
    take_in(bench.node, 2_500, DAY[1:])
    second, third = await bench.sampled(), await bench.sampled()

    names = ("tasks_new", "tasks_final", "verdict_p50_s", "verdict_p95_s", "records")
    assert [first[name] for name in names] == [1, 0, None, None, 1]
    assert [second[name] for name in names] == [0, 1, 2.5, 2.5, len(DAY)]
    assert [third[name] for name in names] == [0, 0, None, None, len(DAY)]


async def test_sample__notes_who_is_here(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    presences = bench.node.bench.loop.machine.presences
    presences.hear(a_record("bo", a_presence(ttl_ms=1_500)), 0)

    here, gone = await bench.sampled(), await bench.sampled()

    assert [one["peers_live"] for one in (here, gone)] == [1, 0]
    assert here["peers_connected"] == 0


async def test_run__takes_a_sample_every_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.sampler.run)
        await trio.sleep(4 * EVERY_MS / 1_000 - 0.5)
        nursery.cancel_scope.cancel()

    told = bench.sampler.told(after_ms=BEGAN_MS + EVERY_MS)
    assert told.at_ms == (BEGAN_MS + 2 * EVERY_MS, BEGAN_MS + 3 * EVERY_MS)
    assert told.now_ms == BEGAN_MS + 4 * EVERY_MS - 500
    assert {len(column) for column in told.series.values()} == {2}


async def test_sample__goes_on_while_the_log_cannot_be_read_and_ends_with_damage(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, failures = Bench(), [StoreError("not open"), StoreDamaged("a flipped bit")]

    def failing(_: object) -> int:
        raise failures.pop(0)

    monkeypatch.setattr("node.sampler.record_count", failing)

    assert (await bench.sampled())["records"] is None
    with pytest.raises(StoreDamaged):
        await bench.sampled()


async def test_told__says_how_a_node_that_did_nothing_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told = await Bench().sampled()

    assert tuple(told) == NAMES
    unmeasured = ("verdict_p50_s", "verdict_p95_s")
    assert [told[name] for name in unmeasured] == [None, None]
    others = set(NAMES) - {*unmeasured, "memory_bytes"}
    assert {told[name] for name in others} == {0}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it so")
def test_memory_bytes__grows_with_what_is_held() -> None:
    before = memory_bytes()
    held = b"x" * (64 << 20)
    after = memory_bytes()

    assert before is not None
    assert after is not None
    assert 48 << 20 < after - before < 80 << 20 < len(held) * 2
