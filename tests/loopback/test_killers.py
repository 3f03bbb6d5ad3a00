"""F1: a live host outlives every one-packet killer, many times, and serves within a second."""

import json
import os

import pytest
import trio

from tests.loopback.bare_host import ECHO, LOG, PRESENCE, STALL, STATS
from tests.loopback.bare_process import BareProcess, bare_process
from tests.loopback.intruder import Target
from tests.loopback.killers import KILLERS, Killer, attempt, unread_response
from tests.node.net_hosts import Station, running, seed_of, until

TIMES = 100 if os.environ.get("AIMARKET_LONG") else 10  # a hundred is what was promised
AT_ONCE = 5  # attackers at a time; more from one address meet the half-open limit instead
SERVE_WITHIN_S = 1.0
CALM, BUSY_FACTOR = 20, 3.0  # answers without strangers, and how much longer one with them may take
SERVED_MAX = 3  # times that it is asked where it took too long: a host that was hurt stays slow
GIVEN_UP_S = 10.0
GIVEN_BACK_WITHIN_S = 45.0  # an answer of 15 s, and two looks of the watchdog
GROWTH_BYTES_MAX = 12 * 1024 * 1024  # held; what the allocator keeps is given back first


@pytest.mark.e2e
@pytest.mark.timeout(300)
async def test_killers__leave_a_host_alive_serving_and_no_larger() -> None:
    ann, bob = Station("ann"), Station("bob")
    ann.build()
    bob.build()
    async with bare_process(seed_of("victim")) as victim, running(ann, bob):
        target = Target(
            "127.0.0.1", victim.port, victim.peer_id, (LOG, PRESENCE), (ECHO, STATS, STALL)
        )
        for station in (ann, bob):
            await station.net.dial(victim.address)
        await until(lambda: bool(ann.watched and bob.watched))
        await attack(unread_response, target, TIMES // 2)  # the highest tide of memory by far
        for killer in KILLERS:  # imports and caches grow once
            await attack(killer, target, 2 * AT_ONCE)
        # On a machine that has more to do than this a host takes its time without strangers, too.
        calm_s = max([await serves(victim, ann, bob) for _ in range(CALM)])
        within_s = max(SERVE_WITHIN_S, BUSY_FACTOR * calm_s)
        await counted(victim, ann)
        before = victim.rss_bytes()

        report: list[str] = []
        for killer in KILLERS:
            started_s = trio.current_time()
            await attack(killer, target, TIMES)
            attacked_s = trio.current_time() - started_s
            waits_s = [await serves(victim, ann, bob)]
            while waits_s[-1] > within_s and len(waits_s) < SERVED_MAX:
                waits_s.append(await serves(victim, ann, bob))
            name = getattr(killer, "__name__", str(killer))
            stats = await counted(victim, ann)
            grown = (victim.rss_bytes() - before) / 2**20
            waited = ", ".join(f"{wait_s:.3f}" for wait_s in waits_s)
            report.append(f"{name}: {attacked_s:.1f} s, served in {waited} s, {grown:+.1f} MiB")
            assert waits_s[-1] <= within_s, report

        print("\n".join(report))
        print(stats)
        ended_s = trio.current_time()
        while victim.rss_bytes() - before >= GROWTH_BYTES_MAX:  # answers wait for who is gone
            assert trio.current_time() - ended_s < GIVEN_BACK_WITHIN_S, report
            await trio.sleep(1)
            await counted(victim, ann)
        assert [is_here for _, is_here in ann.watched + bob.watched] == [True, True]


async def attack(killer: Killer, target: Target, times: int) -> None:
    left = iter(range(times))

    async def one_after_the_other() -> None:
        for _ in left:
            await attempt(killer, target)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one_after_the_other)


async def counted(victim: BareProcess, ann: Station) -> dict[str, int]:
    """Return what the victim counted; it gives back memory that it does not use."""
    peer = next(peer.peer_id for peer in ann.net.peers() if peer.peer_id == victim.peer_id)
    stats: dict[str, int] = json.loads(await ann.net.ask(peer, STATS, b""))
    return stats


async def serves(victim: BareProcess, ann: Station, bob: Station) -> float:
    """Return how long the victim took to answer a request and to pass a message on."""
    started_s = trio.current_time()
    request, data = os.urandom(20), b"honest " + os.urandom(20)
    peer = next(peer.peer_id for peer in ann.net.peers() if peer.peer_id == victim.peer_id)
    with trio.fail_after(GIVEN_UP_S):
        assert await ann.net.ask(peer, ECHO, request) == request
        await ann.net.publish(LOG, data)
        await until(lambda: data in bob.messages(), within_s=GIVEN_UP_S)
    return trio.current_time() - started_s
