"""The pubsub service, made so that nothing a stranger sends can end it.

The library reads frames in a task of its service: an exception there ends the service, then the
host. Here every frame is read, bounded and dispatched by our own loop, validators are not used, and
a message goes to a bounded queue before anything slow happens.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import IHost, INetStream
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import IOException, MessageTooLarge
from libp2p.network.connection.exceptions import RawConnError
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from node.net.counters import Counters
from node.net.frames import BadFrame, read_frame
from node.net.limits import NetLimits
from node.net.mesh import MeshRouter
from node.net.seen import Seen, content_id
from node.net.streams import end_stream

logger = logging.getLogger(__name__)

OPENING_MAX = 2  # tasks that open our stream to one peer: one at work, one that waits

# Offers a message (forwarder, topic, data) to the intake; False when there is no room for it.
Offer = Callable[[ID, str, bytes], bool]
# Told that a peer did what no correct peer does, and what it was.
Fault = Callable[[ID, str], None]


class GuardedPubsub(Pubsub):
    """Follows a fixed set of topics and survives every frame.

    A peer's subscriptions live as long as the stream they came on; our own stream to it may come
    and go without them being forgotten.
    """

    router: MeshRouter

    def __init__(
        self,
        *,
        host: IHost,
        router: MeshRouter,
        topics: Sequence[str],
        limits: NetLimits,
        counters: Counters,
        offer: Offer,
        fault: Fault,
        spoke: Callable[[ID], None],
        changed: Callable[[ID], None],
        is_banned: Callable[[ID], bool],
    ) -> None:
        super().__init__(
            host,
            router,
            strict_signing=False,
            msg_id_constructor=content_id,
            max_inbound_rpc_size=limits.rpc_taken_bytes_max,
            max_subscriptions_per_peer=len(topics),
            allowed_topics=frozenset(topics),
        )
        self.seen_messages.stop()
        seen: Any = Seen(lifetime_s=limits.seen_s, ids_max=limits.seen_max, clock=trio.current_time)
        self.seen_messages = seen
        self.counter = time.time_ns()
        self._topics = frozenset(topics)
        self._limits = limits
        self._counters = counters
        self._offer = offer
        self._fault = fault
        self._spoke = spoke
        self._changed = changed
        self._is_banned = is_banned
        self._inbound: dict[ID, INetStream] = {}
        self._reading: dict[INetStream, trio.CancelScope] = {}
        self._opening: defaultdict[ID, trio.Lock] = defaultdict(trio.Lock)
        self._openers: trio.Nursery | None = None
        self._begun: Counter[ID] = Counter()  # tasks that open our stream to a peer, or wait to

    def follows_all(self, peer_id: ID) -> bool:
        """Return whether we can gossip with the peer on every topic."""
        return peer_id in self.peers and all(
            peer_id in self.peer_topics.get(topic, ()) for topic in self._topics
        )

    # What strangers send.

    async def stream_handler(self, stream: INetStream) -> None:
        """Read one peer's frames until its stream ends; the newest stream of a peer counts."""
        peer_id = stream.muxed_conn.peer_id
        replaced = self._inbound.get(peer_id)
        self._inbound[peer_id] = stream
        scope = self._reading[stream] = trio.CancelScope()
        try:
            if replaced is not None:
                self._reading[replaced].cancel()  # the library wakes nobody whose stream we reset
                super()._forget_all_subscriptions(peer_id)
                self._changed(peer_id)
                await end_stream(replaced, politely=False)
            with scope:
                while True:
                    frame = await read_varint_prefixed_bytes_limited(
                        stream, self._limits.rpc_taken_bytes_max
                    )
                    await self._take(peer_id, frame)
        except (BadFrame, DecodeError, MessageTooLarge, ParseError) as error:
            self._counters.add("gossip_frames_bad")
            self._fault(peer_id, f"bad pubsub frame: {error}")
        except (StreamError, IOException, RawConnError) as error:
            logger.debug("a pubsub stream ended: %r", error, extra={"peer": str(peer_id)})
        except Exception as error:  # the door: no stranger's frame may end the service
            # A mistake of ours, for all we know, so nobody is blamed.
            self._counters.add("gossip_frames_failed")
            logger.info("a pubsub stream was reset: %r", error, extra={"peer": str(peer_id)})
        finally:
            del self._reading[stream]
            if self._inbound.get(peer_id) is stream:
                del self._inbound[peer_id]
                self._forget_all_subscriptions(peer_id)
                self._changed(peer_id)
            await end_stream(stream, politely=False)

    async def _take(self, peer_id: ID, frame: bytes) -> None:
        rpc = read_frame(frame)
        if len(rpc.publish) > self._limits.rpc_messages_max:
            raise BadFrame(f"{len(rpc.publish)} messages, at most {self._limits.rpc_messages_max}")
        entries_max = self._limits.rpc_controls_max
        control = rpc.control
        for entries in (
            rpc.subscriptions,
            control.ihave,
            control.iwant,
            control.graft,
            control.prune,
        ):
            if len(entries) > entries_max:
                raise BadFrame(f"{len(entries)} entries of one kind, at most {entries_max}")
        for message in rpc.publish:
            await self.push_msg(peer_id, message)
        for subscription in {one.topicid: one for one in rpc.subscriptions}.values():  # the last
            if subscription.topicid in self._topics:
                self.handle_subscription(peer_id, subscription)
        if rpc.HasField("control"):
            await self.router.handle_rpc(rpc, peer_id)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Offer a stranger's message to the gate, unless it came by before.

        A message that finds no room is not marked as seen: another peer may bring it again.
        """
        if len(msg.topicIDs) != 1 or msg.topicIDs[0] not in self._topics:
            self._counters.add("gossip_foreign_topic")
            return
        if not 0 < len(msg.data) <= self._limits.message_bytes_max:
            self._counters.add("gossip_wrong_size")
            self._fault(msg_forwarder, f"a gossip message of {len(msg.data)} bytes")
            return
        self._spoke(msg_forwarder)
        self._counters.add("gossip_messages_in")
        self._counters.add("gossip_bytes_in", len(msg.data))
        message_id = content_id(msg)
        if self.seen_messages.has(message_id):
            self._counters.add("gossip_duplicates")
            return
        if not self._offer(msg_forwarder, msg.topicIDs[0], msg.data):
            self._counters.add("gossip_overflow")
            return
        self.seen_messages.add(message_id)
        self._counters.add("gossip_received")

    def handle_subscription(self, origin_id: ID, sub_message: rpc_pb2.RPC.SubOpts) -> None:
        """Note that a peer follows, or no longer follows, one of our topics."""
        super().handle_subscription(origin_id, sub_message)
        self._changed(origin_id)

    # What we send.

    async def publish(self, topic_id: str | list[str], data: bytes) -> None:
        """Offer our own message to the mesh; it skips the gate and never comes back to us."""
        topics = [topic_id] if isinstance(topic_id, str) else topic_id
        message = rpc_pb2.Message(data=data, topicIDs=topics)
        self.seen_messages.add(content_id(message))
        self._counters.add("gossip_published")
        await self.router.publish(self.my_id, message)

    async def relay(self, forwarder: ID, topic: str, data: bytes) -> None:
        """Pass an accepted message on, in a clean envelope, to all but its forwarder."""
        self._counters.add("gossip_relayed")
        await self.router.publish(forwarder, rpc_pb2.Message(data=data, topicIDs=[topic]))

    # Streams to peers.

    async def handle_peer_queue(self) -> None:
        """Open our stream to whoever connects, however often one peer does.

        The library begins a task for each connection, as a child of this one, and ends the service
        at the thousandth child; and it has who resets our stream again and again grow a chain of
        tasks, each the child of the last. Here one task opens a peer's stream and one more waits,
        for what connects meanwhile may outlive the rest; none is the child of another.
        """
        async with self.peer_receive_channel, trio.open_nursery() as nursery:
            self._openers = nursery
            self.event_handle_peer_queue_started.set()
            async for peer_id in self.peer_receive_channel:
                self._begin_opening(peer_id)

    def _schedule_peer_stream_retry(self, peer_id: ID) -> None:
        self._begin_opening(peer_id)

    def _begin_opening(self, peer_id: ID) -> None:
        if self._openers is not None and self._begun[peer_id] < OPENING_MAX:
            self._begun[peer_id] += 1
            self._openers.start_soon(self._open, peer_id)

    async def _open(self, peer_id: ID) -> None:
        try:
            await self._handle_new_peer_with_retry(peer_id)
        finally:
            self._begun[peer_id] -= 1
            if not self._begun[peer_id]:
                del self._begun[peer_id]

    async def _handle_new_peer(self, peer_id: ID) -> None:
        """Open our stream to a peer, once, however many connections announce it."""
        if self._is_banned(peer_id):
            return
        lock = self._opening[peer_id]
        try:
            async with lock:
                await super()._handle_new_peer(peer_id)
        finally:
            if not lock.locked():
                self._opening.pop(peer_id, None)
        for topic in self._topics:
            if peer_id in self.peer_topics.get(topic, ()):
                await self.router.on_peer_subscribed(peer_id, topic)
        self._changed(peer_id)

    async def handle_dead_peer_queue(self) -> None:
        """Drop our stream to a peer when the connection that carried it is gone.

        The library keeps it while any other connection lives, and a peer that came back would
        never hear from us.
        """
        async with self.dead_peer_receive_channel:
            self.event_handle_dead_peer_queue_started.set()
            async for peer_id in self.dead_peer_receive_channel:
                stream = self.peers.get(peer_id)
                if stream is None or stream.muxed_conn.is_closed:
                    self._handle_dead_peer(peer_id)
                self._changed(peer_id)

    def _forget_all_subscriptions(self, peer_id: ID) -> None:
        if peer_id in self._inbound:
            self._replayed_recent_topics.pop(peer_id, None)
            return
        super()._forget_all_subscriptions(peer_id)
