"""A peer that we dialled, and that answers whatever we ask in bytes that are nearly right.

Who is dialled is a stranger's choice as much as who dials: he names his address, and we come.
"""

import random
from contextlib import suppress
from typing import Any

import pytest
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, Status

from node.net.circuit import HOP
from node.net.limits import NetLimits
from node.net.stack import IDENTIFY, PING
from protocol.errors import MarketError
from tests.loopback.intruder import MESHSUB
from tests.node.net_hosts import LOG, Station, connect, running, until
from tests.node.test_net_fuzz import IDENTITY, IS_LONG, RPC, SEED, framed, mutated

SYNC = "/test/sync"
VISITS = 300 if IS_LONG else 15
GREETING = framed(b"/multistream/1.0.0\n")
ANSWERS = {
    IDENTIFY: framed(IDENTITY),
    PING: bytes(32),
    HOP: framed(HopMessage(type=HopMessage.STATUS, status=Status.OK).SerializeToString()),
    SYNC: b"\x00\x03abc\x00\x00",
    MESHSUB: framed(RPC.SerializeToString()),
}
RUDE = NetLimits(probe_s=0.05, probe_timeout_s=1.0, ask_s=1.0, request_s=1.0)


class Liar:
    """Serves every stream that comes, in its own way."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.answered: set[str] = set()

    async def serve(self, stream: Any) -> None:
        with suppress(Exception):  # the other end may hang up, in one of many ways
            await self._answer(stream)

    async def _answer(self, stream: Any) -> None:
        heard = await stream.read(4_096)
        while not (wanted := [name for name in ANSWERS if name.encode() in heard]):
            if len(heard) > 1_024:
                return
            if heard.endswith(GREETING):
                await stream.write(GREETING)
            heard += await stream.read(4_096)
        name = wanted[0]
        spoken = framed(name.encode() + b"\n")
        if self._dice.randrange(4) == 0:
            spoken = mutated(self._dice, spoken)
        await stream.write(spoken + mutated(self._dice, ANSWERS[name]))
        self.answered.add(name)
        if self._dice.randrange(2):
            await stream.close()


@pytest.mark.timeout(600)
async def test_host__outlives_whoever_it_dialled(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(f"{SEED} listener")
    print(f"seed {SEED}")
    ann, carol = Station("ann"), Station("carol")
    ann.build(limits=RUDE)
    carol.build()
    answered: set[str] = set()
    async with running(ann, carol):
        for visit in range(VISITS):
            bob, liar = Station(f"bob {visit}"), Liar(dice)
            bob.build()
            bob.net._swarm.set_stream_handler(liar.serve)
            async with running(bob):
                peer_id = await ann.net.dial(bob.net.addresses()[0])
                with suppress(MarketError):
                    await ann.net.networks_of(peer_id)
                for _ in range(2):
                    with suppress(MarketError):
                        await ann.net.ask(peer_id, SYNC, b"abc")
                await ann.net.hang_up(peer_id)
            answered |= liar.answered
        await connect(ann, carol)
        await carol.net.publish(LOG, b"still there?")
        await until(lambda: b"still there?" in ann.messages())

    assert answered >= {IDENTIFY, PING, SYNC, MESHSUB}
    assert not [one for one in caplog.records if "a mistake of" in one.getMessage()]
