"""Who is alive: the probes of connections, between real hosts."""

from dataclasses import replace

from node.net.limits import NetLimits
from node.net.stack import PING
from tests.node.net_hosts import Station, connect, holds, running

PROBE_S = 0.1
PROBING = replace(NetLimits(), probe_s=PROBE_S, probe_timeout_s=1.0, probe_failures_max=1)


async def test_host__keeps_a_peer_that_serves_no_ping() -> None:
    ours, foreign = Station("ours"), Station("foreign")
    ours.build(limits=PROBING)
    del foreign.build()._host.get_mux().handlers[PING]
    async with running(ours, foreign):
        await connect(ours, foreign)

        assert await holds(lambda: len(ours.net.peers()) == 1, for_s=10 * PROBE_S)

        assert ours.net.stats().get("connections_dead", 0) == 0
