"""Frames on their way to a peer that takes them slowly."""

import trio

from node.net.limits import NetLimits
from node.net.patches import patch_libp2p
from tests.node.net_hosts import Station, connect, running, until

FRAME = bytes(12)  # what no part of the host writes meanwhile
PING = bytes.fromhex("00020001" + 8 * "00")  # of the kind that it does


class SlowLine:
    """A secured connection that takes one frame, and all behind it, only once it flows."""

    def __init__(self, line: object) -> None:
        self._line = line
        self.flows = trio.Event()
        self.is_waiting = False

    async def write(self, data: bytes) -> None:
        if data == FRAME:  # only ours: a frame of the host's that waits would hold the lock for it
            self.is_waiting = True
            await self.flows.wait()
        await self._line.write(data)  # type: ignore[attr-defined]
        if data == FRAME:
            self.is_waiting = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._line, name)


async def test_write_frame__is_finished_though_its_writer_was_cancelled() -> None:
    patch_libp2p(NetLimits())
    alice, bob = Station("alice"), Station("bob")
    for station in (alice, bob):
        station.build()
    async with running(alice, bob):
        await connect(alice, bob)
        (conn,) = alice.net._swarm.get_connections()
        line = SlowLine(conn.muxed_conn.secured_conn)
        conn.muxed_conn.secured_conn = line

        async with trio.open_nursery() as nursery:
            nursery.start_soon(conn.muxed_conn._write_frame, PING)
            nursery.start_soon(conn.muxed_conn._write_frame, FRAME)
            await until(lambda: line.is_waiting)
            nursery.cancel_scope.cancel()
            line.flows.set()

        assert not line.is_waiting
