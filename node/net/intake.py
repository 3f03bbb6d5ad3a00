"""Where gossip waits for the gate, and what its verdict does to the message and its sender."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from libp2p.peer.id import ID

from node.net.counters import Counters
from node.net.fairness import FairQueue
from node.net.limits import NetLimits
from node.ports import Gate, Relay
from protocol.ids import PeerId

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A message at the gate, and who brought it."""

    forwarder: ID
    topic: str
    data: bytes


class Intake:
    """Takes messages at the speed of the network and shows them to the gate at the gate's."""

    def __init__(
        self,
        *,
        gate: Gate,
        relay: Callable[[ID, str, bytes], Awaitable[None]],
        fault: Callable[[ID, str], None],
        limits: NetLimits,
        counters: Counters,
    ) -> None:
        self._gate = gate
        self._relay = relay
        self._fault = fault
        self._limits = limits
        self._counters = counters
        self._queue: FairQueue[Offered] = FairQueue(
            per_peer_max=limits.queue_per_peer_max, total_max=limits.queue_total_max
        )

    def offer(self, forwarder: ID, topic: str, data: bytes) -> bool:
        """Queue a message; return False, without keeping it, when there is no room."""
        return self._queue.put(str(forwarder), Offered(forwarder, topic, data))

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._limits.gate_tasks):
                nursery.start_soon(self._judge_forever)

    async def _judge_forever(self) -> None:
        while True:
            _, offered = await self._queue.get()
            try:
                await self._judge(offered)
            except Exception:  # the gate promised not to raise; its mistake must not end gossip
                self._counters.add("gossip_gate_failed")
                logger.exception(
                    "the gate failed on a message", extra={"peer": str(offered.forwarder)}
                )

    async def _judge(self, offered: Offered) -> None:
        verdict = await self._gate(offered.topic, offered.data, PeerId(str(offered.forwarder)))
        if verdict is Relay.ACCEPT:
            await self._relay(offered.forwarder, offered.topic, offered.data)
        elif verdict is Relay.REJECT:
            self._counters.add("gossip_rejected")
            self._fault(offered.forwarder, "a message the gate rejected")
        else:
            self._counters.add("gossip_ignored")
