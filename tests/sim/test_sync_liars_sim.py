"""B6: peers that lie in sync cost a session, never the log: others are asked, and gaps close."""

from dataclasses import dataclass

import pytest

from node.core import events as ev
from node.core.sync import Outcome, Session
from node.sim.cast_liars_in_sync import LIES, PROVEN, SyncLiar
from node.sim.clock import NOON_MS
from node.sim.host import Host
from node.sim.oracle import are_equal, problems
from node.sim.session import SimSession
from node.sim.syncing import Syncing
from node.sim.world import World
from node.sync_limits import PATIENCE_S
from protocol.ids import PeerId, sha256
from protocol.keys import Signer
from protocol.record import seal
from protocol.statements import Profile
from tests.sim.seeds import seeds

HONEST = 6
LIARS = 3
WARM_MS = 15_000
CALM_MS = 60_000
GAP_RECORDS = 30
CLOSED_MS = 60_000  # a gap may be open for so long
OTHERS_MS = 10_000  # after a lie somebody else is asked within so long
SESSION_MS = int(PATIENCE_S * 1_000)


@dataclass
class Meeting:
    """One session of an honest host."""

    peer: int
    began_ms: int
    ended_ms: int
    outcome: Outcome


class LoggedSyncing(Syncing):
    """The sync of an honest host, that keeps a list of its sessions."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.meetings: list[Meeting] = []
        self._began_ms = 0

    def _start(self, session: Session) -> None:
        self._began_ms = self._host.world.schedule.now_ms
        super()._start(session)

    def _ended(self, run: SimSession, outcome: Outcome) -> None:
        now_ms = self._host.world.schedule.now_ms
        self.meetings.append(Meeting(run.peer, self._began_ms, now_ms, outcome))
        super()._ended(run, outcome)


class Logged(Host):
    """An honest host whose sessions are known."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.logged = LoggedSyncing(self)
        self.syncing = self.logged


def a_world_of_liars(seed: int, lies: list[str]) -> tuple[World, list[Logged], list[SyncLiar]]:
    """Return a world in which records travel by sync alone once it is warm."""
    world = World(seed)
    honest = [world.add(Logged) for _ in range(HONEST)]
    liars = [world.add(SyncLiar) for _ in lies]
    for liar, lie in zip(liars, lies, strict=True):
        liar.lie = lie
    world.wire(4)
    for liar in liars:
        for host in honest:
            world.net.link(host.index, liar.index, 30)
    world.boot()
    world.run(WARM_MS)
    world.net.air.gossip = False
    return world, honest, liars


def make_a_gap(world: World, honest: list[Logged]) -> None:
    """Let single hosts know of records that no gossip brings to the others."""
    for number in range(GAP_RECORDS):
        author = Signer(sha256(b"somebody gone", b"%d" % number))
        sealed = seal(
            [Profile(number, "gone", "")],
            signer=author,
            created_ms=NOON_MS + 100 * number,
            network=world.network,
        )
        record = world.opened(sealed.raw)
        knows = honest[world.dice.below(HONEST)]
        knows.tell(ev.Received((record,), ev.Via.SYNC, PeerId("gone")))


def waited_ms(world: World, honest: list[Logged]) -> int:
    """Let time pass until the logs of all honest hosts are equal; return how much did."""
    began_ms = world.schedule.now_ms
    while not are_equal(honest) and world.schedule.now_ms - began_ms < 2 * CLOSED_MS:
        world.run(500)
    return world.schedule.now_ms - began_ms


@pytest.mark.parametrize("seed", seeds(200, usual=3))
def test_sync__closes_every_gap_whatever_some_peers_answer(seed: int) -> None:
    lies = [list(LIES)[(seed * LIARS + at) % len(LIES)] for at in range(LIARS)]
    world, honest, liars = a_world_of_liars(seed, lies)

    make_a_gap(world, honest)
    gap_ms = waited_ms(world, honest)
    world.net.air.gossip = True
    for count in range(4):
        world.users.ask(world.dice.below(HONEST), b"among liars %d" % count)
        world.run(1_000)
    world.run(CALM_MS)

    assert gap_ms <= CLOSED_MS, f"{lies}: the gap was open for {gap_ms} ms"
    found = problems(world)
    assert found == [], f"{lies}: {found}"
    for host in honest:
        check_sessions(world, host, {liar.index: liar.lie for liar in liars})
    blamed = {peer for _, peer in world.blamed}
    assert blamed <= {liar.index for liar in liars}
    for liar in liars:
        assert sum(liar.told.values()) > 0, "nobody asked the liar"
        if liar.lie in PROVEN:
            blaming = [host.name for host in honest if (host.index, liar.index) in world.blamed]
            assert blaming, f"nobody blames the liar that {liar.lie}"


def check_sessions(world: World, host: Logged, liars: dict[int, str]) -> None:
    """Hold every session of a host against the limits."""
    meetings = host.logged.meetings
    for at, one in enumerate(meetings):
        took_ms = one.ended_ms - one.began_ms
        assert took_ms <= SESSION_MS, f"{host.name} was kept for {took_ms} ms by {one.peer}"
        if one.peer in liars and one.outcome in (Outcome.FAILED, Outcome.WRONG):
            after = meetings[at + 1 : at + 2]
            next_ms = after[0].began_ms if after else world.schedule.now_ms
            assert next_ms - one.ended_ms <= OTHERS_MS, f"{host.name} waited after {one}"
            if liars[one.peer] != "closes":  # whoever was dialled anew may be asked anew
                assert all(other.peer != one.peer for other in after), f"asked again: {one}"
