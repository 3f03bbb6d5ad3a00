"""Real hosts on loopback, with gates that do as they are told."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from node.net.host import NetHost
from node.net.limits import NetLimits
from node.ports import Answerer, Relay
from protocol.ids import PeerId

LOG = "/test/log"
PRESENCE = "/test/presence"


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@dataclass
class Station:
    """One host, what its gate saw, and what it was told of peers."""

    name: str
    verdict: Callable[[bytes], Relay] = lambda data: Relay.ACCEPT
    heard: list[tuple[str, bytes, PeerId]] = field(default_factory=list)
    watched: list[tuple[PeerId, bool]] = field(default_factory=list)
    net: NetHost = field(init=False)

    def build(
        self,
        *,
        listen: str = "/ip4/127.0.0.1/tcp/0",
        answerers: Mapping[str, Answerer] | None = None,
        limits: NetLimits | None = None,
        topics: Sequence[str] = (LOG, PRESENCE),
    ) -> NetHost:
        self.net = NetHost(
            seed=seed_of(self.name),
            listen=[listen],
            announce=[],
            topics=topics,
            gate=self.gate,
            answerers=answerers or {},
            watcher=lambda peer_id, is_here: self.watched.append((peer_id, is_here)),
            limits=limits,
        )
        return self.net

    async def gate(self, topic: str, data: bytes, forwarder: PeerId) -> Relay:
        await trio.lowlevel.checkpoint()
        self.heard.append((topic, data, forwarder))
        return self.verdict(data)

    def messages(self) -> list[bytes]:
        return [data for _, data, _ in self.heard]


async def until(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for a condition that nothing announces; fails when time is up."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            await trio.sleep(0.01)


async def holds(condition: Callable[[], bool], *, for_s: float) -> bool:
    """Return whether a condition stays true for that long."""
    with trio.move_on_after(for_s):
        while condition():  # noqa: ASYNC110 - nothing announces it
            await trio.sleep(0.01)
        return False
    return True


@asynccontextmanager
async def running(*stations: Station) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for station in stations:
            await nursery.start(station.net.run)
        yield
        nursery.cancel_scope.cancel()


async def connect(dialler: Station, listener: Station) -> None:
    """Dial and wait until each is in the other's mesh."""
    await dialler.net.dial(listener.net.addresses()[0])
    await until(lambda: meshed(dialler, listener) and meshed(listener, dialler))


def meshed(one: Station, other: Station) -> bool:
    return any(p.peer_id == other.net.peer_id and p.in_mesh for p in one.net.peers())
