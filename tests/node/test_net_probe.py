"""Who is alive: the probes of connections, between real hosts."""

from dataclasses import replace

import pytest
import trio
from libp2p.abc import INetConn

from node.net import watchdog
from node.net.limits import NetLimits
from node.net.probe import Probed, probe
from node.net.stack import PING
from tests.node.net_hosts import Station, connect, holds, running, until

PROBE_S = 0.1
PROBING = replace(NetLimits(), probe_s=PROBE_S, probe_timeout_s=5.0, probe_failures_max=1)


async def test_host__keeps_a_peer_that_serves_no_ping() -> None:
    ours, foreign = Station("ours"), Station("foreign")
    ours.build(limits=PROBING)
    del foreign.build()._host.get_mux().handlers[PING]
    async with running(ours, foreign):
        await connect(ours, foreign)

        assert await holds(lambda: len(ours.net.peers()) == 1, for_s=10 * PROBE_S)

        assert ours.net.stats().get("connections_dead", 0) == 0
        assert [peer.latency_ms for peer in ours.net.peers()] == [None]


async def test_peers__tell_the_last_round_trip_until_they_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_begin = trio.Event()

    async def probe_then(conn: INetConn, *, within_s: float) -> Probed:
        await may_begin.wait()
        return await probe(conn, within_s=within_s)

    monkeypatch.setattr(watchdog, "probe", probe_then)
    ours, other = Station("ours"), Station("other")
    ours.build(limits=PROBING)
    other.build()
    async with running(ours, other):
        await connect(ours, other)
        assert [peer.latency_ms for peer in ours.net.peers()] == [None]

        may_begin.set()
        await until(lambda: ours.net.peers()[0].latency_ms is not None)

        latency_ms = ours.net.peers()[0].latency_ms
        assert latency_ms is not None
        assert 0 < latency_ms < PROBING.probe_timeout_s * 1_000
        await ours.net.hang_up(other.net.peer_id)
        await until(lambda: not ours.net._watchdog._latency_ms)
