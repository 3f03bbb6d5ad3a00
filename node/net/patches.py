"""What must be changed in libp2p itself, because no argument of it reaches that far."""

import logging
from functools import partial

import libp2p.pubsub.pubsub as library_pubsub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from node.net.limits import NetLimits

RELEASE_BYTES = 128 * 1024  # half the initial window: the sender never runs dry, we rarely speak


class OutboundQueue(RpcQueue):
    """Frames that wait for one peer: many small ones, or few large ones, never many large ones."""

    def __init__(self, *, frames_max: int, bytes_max: int, frame_bytes_max: int) -> None:
        super().__init__(max_size=frames_max, max_message_size=frame_bytes_max)
        self._bytes_max = bytes_max
        self._bytes = 0

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False) -> bool:
        """Queue a frame; return False, without keeping it, when there is no room."""
        size = rpc.ByteSize()
        if self._bytes + size > self._bytes_max or not super().push(rpc, priority):
            return False
        self._bytes += size
        return True

    async def pop(self) -> rpc_pb2.RPC | None:
        """Wait for the next frame; None once the queue is closed and empty."""
        rpc = await super().pop()
        if rpc is not None:
            self._bytes -= rpc.ByteSize()
        return rpc


async def _release_window(self: YamuxStream, *, bytes_read: int = 0) -> None:
    """Give read bytes back to the sender in large steps, and never widen the window.

    The library answers every read with a frame of its own, which costs more than the message, and
    doubles the window of a fast sender up to 16 MiB.
    """
    self._pending_recv_release += bytes_read
    if self._pending_recv_release < RELEASE_BYTES:
        return
    async with self.window_lock:
        released = self._pending_recv_release
        self._pending_recv_release = 0
        self.recv_window += released
    if released:
        await self.send_window_update(released, skip_lock=True)


def patch_libp2p(limits: NetLimits) -> None:
    """Install the queue and the window rule; may be called any number of times."""
    queue = partial(
        OutboundQueue,
        frames_max=limits.outbound_messages_max,
        bytes_max=limits.outbound_bytes_max,
        frame_bytes_max=limits.rpc_bytes_max,
    )
    setattr(library_pubsub, "RpcQueue", queue)  # noqa: B010 - a class to the type checker
    setattr(YamuxStream, "_auto_tune_and_send_window_update", _release_window)  # noqa: B010


def join_logging() -> None:
    """Let libp2p log through the root logger; importing it cut its loggers off."""
    logger = logging.getLogger("libp2p")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
    logging.getLogger("libp2p.network.auto_connector").setLevel(logging.WARNING)
