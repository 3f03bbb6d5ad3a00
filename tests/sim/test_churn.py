"""N5: hosts that leave for good and others that come, and one that comes late to a long log."""

import pytest

from consensus import layout
from consensus.incremental import fold
from consensus.log import record_count
from consensus.rows import Changes
from node.sim.clock import NOON_MS
from node.sim.disk import SimRows
from node.sim.host import Host
from node.sim.oracle import are_equal, problems
from node.sim.world import World
from protocol.ids import Commitment, TaskId, sha256
from protocol.keys import Signer
from protocol.record import seal
from protocol.statements import Commit
from tests.sim.seeds import seeds

WARM_MS = 15_000
LONG_LOG = 20_000


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_churn__of_a_third_a_minute_loses_nothing(seed: int) -> None:
    world = World(seed, run_jitter_ms=200)
    staying = [world.add(Host) for _ in range(8)]
    passing = [world.add(Host) for _ in range(12)]
    world.wire(4)
    world.boot()
    world.run(WARM_MS)
    dice = world.dice

    for _ in range(60):  # six of twenty a minute
        leaver = passing.pop(0)
        if dice.chance(500_000):
            leaver.leave()
        else:
            leaver.crash()
        leaver.is_honest = False  # its disk is thrown away: it promises nothing any more
        newcomer = world.add(Host)
        for peer in dice.sample([*staying, *passing], 4):
            world.net.link(newcomer.index, peer.index, dice.between(10, 100))
        newcomer.boot()
        passing.append(newcomer)
        for _ in range(2):
            world.users.ask(dice.pick(staying).index, b"%d" % world.schedule.now_ms)
            world.run(5_000)
    world.run(60_000)

    assert problems(world) == []


def a_long_log(world: World) -> Changes:
    """Return the rows of 20,000 records of some key that is not here, of the day before."""
    author = Signer(sha256(b"long gone"))
    rows = SimRows(world.shared, keeps_undo=False)
    for begin in range(0, LONG_LOG, 1_000):
        records = []
        for number in range(begin, begin + 1_000):
            task_id, commitment = (sha256(what, b"%d" % number) for what in (b"task", b"sealed"))
            commit = Commit(TaskId(task_id), Commitment(commitment))
            created_ms = NOON_MS - (LONG_LOG - number) * 4_000
            records.append(
                seal([commit], signer=author, created_ms=created_ms, network=world.network)
            )
        rows.stage(fold(rows, records, world.network).changes)
    return rows.copy()


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_newcomer__has_a_long_log_within_a_minute_at_little_more_than_its_bytes(seed: int) -> None:
    world = World(seed)
    olds = [world.add(Host) for _ in range(6)]
    log = a_long_log(world)
    for host in olds:
        host.rows.stage(log)
    world.wire(4)
    world.boot()
    world.run(2 * WARM_MS)
    assert are_equal(olds)
    before = world.counts.sync_bytes

    newcomer = world.add(Host)
    for host in olds[:4]:
        world.net.link(newcomer.index, host.index, 30)
    newcomer.boot()
    world.run(60_000)

    assert record_count(newcomer.rows) >= LONG_LOG
    assert are_equal(world.hosts)
    record_bytes = sum(len(value) for _, value in newcomer.rows.scan(layout.RECORD))
    assert world.counts.sync_bytes - before <= record_bytes * 13 // 10
