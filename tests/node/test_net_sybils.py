"""B4: forty Sybils, connected to each of ten honest nodes, keep what they hear to themselves."""

from itertools import count
from types import SimpleNamespace

import libp2p.pubsub.gossipsub
import pytest
import trio
from trio.testing import MockClock

import node.net.mesh
from node.net.limits import NetLimits
from tests.node.mesh_town import Honest, Town
from tests.node.net_hosts import until
from tests.sim.seeds import seeds

HONEST, SYBILS = 10, 40
LURED = 3  # Sybils that an honest node dialled itself
EVERY_S = 3.0  # a message, by somebody
SETTLED_S = 5.0
LATE_S = 30.0  # honest nodes come so long after the Sybils
GOOD_S = 120.0  # Sybils behave for so long
SILENT_S = 180.0  # by then whoever says nothing is out of every mesh
RECOVERED_S = 120.0
WITHIN_S = 30.0
FROM_THE_START, BEFORE_THE_HONEST, AFTER_A_WHILE, ONE_AUTHOR = (
    *("from the start", "before the honest", "after a while"),
    "one author alone",
)


@pytest.mark.parametrize("seed", seeds(100, usual=1))
@pytest.mark.parametrize("when", [FROM_THE_START, BEFORE_THE_HONEST, AFTER_A_WHILE, ONE_AUTHOR])
async def test_sybils__that_relay_nothing_keep_no_message_from_the_honest(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, when: str, seed: int
) -> None:
    town = Town(seed, honest=HONEST, sybils=SYBILS)
    monkeypatch.setattr(node.net.mesh, "DICE", town.rng)
    # The library dates its back-offs by the clock on the wall.
    monkeypatch.setattr(libp2p.pubsub.gossipsub, "time", SimpleNamespace(time=trio.current_time))
    honest = {one.id for one in town.honest}

    def is_held(one: Honest) -> bool:
        wanted = min(NetLimits().outbound_min, len(honest & one.dialled))
        return len(honest & one.outbound_in_mesh()) >= wanted

    async with trio.open_nursery() as nursery:
        nursery.start_soon(town.run)
        await trio.sleep(2)
        town.link_all(town.with_sybils(dialled=LURED))
        if when == BEFORE_THE_HONEST:
            await trio.sleep(LATE_S)
        town.link_all(town.among_honest())
        talking = trio.CancelScope()
        nursery.start_soon(talk, town, talking)
        await trio.sleep(SETTLED_S)
        since_s = trio.current_time()
        if when in (AFTER_A_WHILE, ONE_AUTHOR):
            town.relays = lambda data: True
            await trio.sleep(GOOD_S)
            town.relays = lambda data: when == ONE_AUTHOR and data[:1] != b"0"
        silent_s = trio.current_time()
        if when != ONE_AUTHOR:
            await trio.sleep(SILENT_S)
            scores = [one.score(sybil.id) for one in town.honest for sybil in town.sybils]
            assert max(scores) < 0
            await until(lambda: all(map(is_held, town.honest)), within_s=RECOVERED_S)
        await trio.sleep(2 * WITHIN_S)
        until_s = trio.current_time() - WITHIN_S
        talking.cancel()
        await trio.sleep(SETTLED_S)
        lost = town.lost(since_s=since_s)
        nursery.cancel_scope.cancel()

    waits_s = town.waits_s(since_s=since_s, until_s=until_s)
    hidden_s = town.waits_s(since_s=silent_s, until_s=until_s)
    print(
        f"\n{when}, seed {seed}: of {len(hidden_s)} deliveries 99 in 100 took at most"
        f" {hidden_s[len(hidden_s) * 99 // 100]:.1f} s, the last {hidden_s[-1]:.1f} s;"
        f" of {len(waits_s)} in all, {len(lost)} came by sync alone"
    )
    assert len(lost) * 20 <= len(waits_s)  # whatever was said as the meshes were replaced
    assert waits_s[len(waits_s) * 99 // 100] <= WITHIN_S
    assert waits_s[-1] <= 2 * WITHIN_S  # sync asks Sybils, too
    for one in town.honest:
        held = one.net.stats()
        assert not any(held.get(name) for name in ("gossip_rejected", "gossip_frames_bad"))
        assert not any(one.faults(other.id) for other in town.honest)


async def talk(town: Town, scope: trio.CancelScope) -> None:
    """Let one after the other say something."""
    with scope:
        for number in count():
            at = number % len(town.honest)
            await town.publish(town.honest[at], f"{at} says {number}".encode())
            await trio.sleep(EVERY_S)
