"""What must be changed in libp2p itself, because no argument of it reaches that far."""

import logging
from functools import partial
from importlib.metadata import version

import libp2p.identity.identify.identify as library_identify
import libp2p.pubsub.pubsub as library_pubsub
import libp2p.stream_muxer.yamux.yamux as library_yamux
import trio
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.exceptions import RawConnError
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE, Yamux, YamuxStream

from node.net.fairness import FairLines
from node.net.limits import NetLimits
from node.net.scopes import shielded

# What identify says we are: else a peer would take us for a node of IPFS made by our library.
PROTOCOL_VERSION = "aimarket/1"
AGENT_VERSION = f"aimarket/{version('aimarket')} py-libp2p/{version('libp2p')}"

OURS = ""  # stands for ourselves among those who have us send something
FRAME_S = 30.0  # by then the watchdog has cut a connection that takes nothing
RELEASE_BYTES = 128 * 1024  # half the initial window: the sender never runs dry, we rarely speak

# Loggers that report each failed handshake or stream as an error of ours: whoever connects could
# fill the operator's log with them. Our own counters tell how often it happens.
STRANGERS_LOG_THERE = (
    "libp2p.host",
    "libp2p.host.basic_host",
    "libp2p.network.auto_connector",
    "libp2p.network.swarm",
    "libp2p.protocol_muxer",
    "libp2p.protocol_muxer.multiselect",
    "libp2p.protocol_muxer.multiselect_client",
    "libp2p.pubsub",
    "libp2p.security",
    "libp2p.stream_muxer",
    "libp2p.stream_muxer.yamux",
    "libp2p.stream_muxer.yamux.yamux",
    "libp2p.transport",
)


_library_reset = YamuxStream.reset


class OutboundQueue(RpcQueue):
    """What waits for one peer: what each origin had us send, in turn, and control before all else.

    Bounded by number and bytes, and in such a way that no origin takes all the room. Messages that
    wait leave together in one frame: a frame costs both ends far more than a message.
    """

    def __init__(
        self, *, frames_max: int, bytes_max: int, frame_bytes_max: int, frame_messages_max: int
    ) -> None:
        super().__init__(max_size=frames_max, max_message_size=frame_bytes_max)
        self._messages_max = frame_messages_max
        self._lines: FairLines[rpc_pb2.RPC] = FairLines(items_max=frames_max, bytes_max=bytes_max)
        self._control: FairLines[rpc_pb2.RPC] = FairLines(items_max=frames_max, bytes_max=bytes_max)

    def __len__(self) -> int:
        return len(self._control) + len(self._lines)

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False, *, origin: str = OURS) -> bool:
        """Queue a frame; return False, without keeping it, when there is no room.

        Args:
            rpc: Ours to change from now on.
            priority: Whether it is control.
            origin: Who had us send it.
        """
        lines = self._control if priority else self._lines
        if self.closed or not lines.put(origin, rpc, rpc.ByteSize()):
            return False
        self._notify.set()
        self._notify = trio.Event()
        return True

    async def pop(self) -> rpc_pb2.RPC | None:
        """Wait for the next frame; None once the queue is closed and empty."""
        while not len(self):
            if self.closed:
                return None
            await self._notify.wait()
        if len(self._control):
            return self._control.take()[1]
        frame = self._lines.take()[1]
        room = self.max_message_size - frame.ByteSize()
        while len(self._lines) and len(frame.publish) < self._messages_max:
            room -= self._lines.next_bytes
            if room < 0:
                break
            frame.MergeFrom(self._lines.take()[1])
        return frame


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


def _window(self: YamuxStream) -> int:
    return int(self._window_left)  # type: ignore[attr-defined]


def _set_window(self: YamuxStream, left: int) -> None:
    """Note what the other end may still send; who sends more ends the connection.

    The library writes a warning and keeps all that comes.
    """
    if left < 0:
        raise trio.TooSlowError("more than the window")  # what it knows to be final
    self._window_left = left  # type: ignore[attr-defined]


async def _reset(self: YamuxStream) -> None:
    """Reset a stream and forget it with what nobody will read of it.

    The library keeps a stream with unread bytes for a minute, and what comes meanwhile.
    """
    await _library_reset(self)
    async with self.conn.streams_lock:
        self.conn.stream_buffers.pop(self.stream_id, None)
        self.conn._finalize_stream_locked(self, fully_closed=True)


async def _write_frame(self: Yamux, data: bytes) -> None:
    """Write a frame, or end the connection with the error the library knows to be final.

    It takes a connection that is reset for a passing trouble and goes on with the frames it has
    read already, ten milliseconds each: a stranger who opens many streams and leaves would hold
    his place for seconds.

    Whoever is cancelled meanwhile is held until the frame is out: after half of one the other end
    understands nothing any more, and every other stream would end with this one.
    """
    try:
        async with self._write_lock:
            with shielded(FRAME_S) as scope:
                await self.secured_conn.write(data)
    except ConnectionClosedError as error:
        raise RawConnError("the connection is gone") from error
    if scope.cancelled_caught:
        raise RawConnError(f"no frame went out in {FRAME_S:g} s")
    await trio.lowlevel.checkpoint()


def patch_libp2p(limits: NetLimits) -> None:
    """Install the queue, the rules of the muxer and our name; may be called any number of times."""
    queue = partial(
        OutboundQueue,
        frames_max=limits.outbound_messages_max,
        bytes_max=limits.outbound_bytes_max,
        frame_bytes_max=limits.rpc_bytes_max,
        frame_messages_max=limits.rpc_messages_max,
    )
    setattr(library_pubsub, "RpcQueue", queue)  # noqa: B010 - a class to the type checker
    setattr(YamuxStream, "_auto_tune_and_send_window_update", _release_window)  # noqa: B010
    setattr(YamuxStream, "recv_window", property(_window, _set_window))  # noqa: B010
    setattr(YamuxStream, "reset", _reset)  # noqa: B010
    setattr(library_yamux, "MAX_WINDOW_SIZE", DEFAULT_WINDOW_SIZE)  # noqa: B010 - of one frame
    setattr(Yamux, "_write_frame", _write_frame)  # noqa: B010
    setattr(library_identify, "PROTOCOL_VERSION", PROTOCOL_VERSION)  # noqa: B010
    setattr(library_identify, "AGENT_VERSION", AGENT_VERSION)  # noqa: B010


def join_logging() -> None:
    """Let libp2p log through the root logger; importing it cut its loggers off."""
    logger = logging.getLogger("libp2p")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
    for name in STRANGERS_LOG_THERE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
