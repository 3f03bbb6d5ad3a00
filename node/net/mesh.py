"""The gossip router: who gets which message, and what control messages may do to us.

Keeps the GossipSub 1.1 mesh of the library but decides everything a stranger can ask for here, with
a bound: grafts, back-offs, advertised and wanted ids. Peer exchange, adaptive degrees, the
per-second spam filter and the scores of the library are off, but for the application's own score:
that is what `node.net.standing` thinks of a peer.
"""

import logging
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from secrets import SystemRandom
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.score import ScoreParams

from node.net.counters import Counters
from node.net.limits import NetLimits
from node.net.patches import OURS
from node.net.seen import ContentCache
from node.net.standing import Standing

logger = logging.getLogger(__name__)

ID_BYTES = 32
GOSSIP_WINDOW = 3  # heartbeats a message is advertised
GOSSIP_HISTORY = 5  # heartbeats a message can be asked for
GOSSIP_PEERS_MIN = 6  # peers outside the mesh told at each heartbeat, or a quarter if that is more
ADVERTISED_MAX = 1_000  # ids in one IHAVE: 34 KB, well inside a frame
WANTED_PER_BEAT_MAX = 64  # ids we ask of one peer between two heartbeats, four a frame
WANTED_PER_FRAME_MAX = 64  # ids of one frame that we answer
SERVED_TIMES_MAX = 3  # how often one peer gets the same message on demand
SERVED_BYTES_PER_BEAT_MAX = 1024 * 1024
DICE = SystemRandom()


class MeshRouter(GossipSub):
    """Relays to the mesh, mends it once a heartbeat, and refuses what is too much."""

    def __init__(
        self,
        *,
        limits: NetLimits,
        counters: Counters,
        is_connected: Callable[[ID], bool],
        is_outbound: Callable[[ID], bool],
        standing: Standing,
    ) -> None:
        super().__init__(
            [PROTOCOL_ID_V11],
            limits.degree,
            limits.degree_low,
            limits.degree_high,
            gossip_window=GOSSIP_WINDOW,
            gossip_history=GOSSIP_HISTORY,
            heartbeat_interval=limits.heartbeat_s,
            do_px=False,
            prune_back_off=limits.backoff_s,
            score_params=ScoreParams(
                accept_px_threshold=math.inf,
                p6_appl_slack_weight=1.0,
                app_specific_score_fn=standing.score,
            ),
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.mcache = ContentCache(GOSSIP_WINDOW, GOSSIP_HISTORY)
        bounded: Any = defaultdict(lambda: deque(maxlen=1))
        self.recent_message_deliveries = bounded
        self._limits = limits
        self._counters = counters
        self._is_connected = is_connected
        self._is_outbound = is_outbound
        self._standing = standing
        self._asked: Counter[ID] = Counter()  # ids asked of a peer since the last heartbeat
        self._served_bytes: Counter[ID] = Counter()  # bytes sent on demand since then
        self._served: dict[ID, Counter[bytes]] = {}  # times a cached message was sent on demand
        # Who came into a mesh since the last heartbeat: what was said before, they did not hear.
        self._grafted: dict[str, set[ID]] = defaultdict(set)

    # Messages.

    async def publish(self, msg_forwarder: ID, pubsub_msg: rpc_pb2.Message) -> None:
        """Queue a message for the mesh, and for more followers while the mesh is thin."""
        self.mcache.put(pubsub_msg)
        topic = pubsub_msg.topicIDs[0]
        receivers = set(self.mesh.get(topic, ()))
        if len(receivers) < self._limits.degree_low:
            others = self._reachable(topic) - receivers
            receivers.update(_sample(others, self._limits.degree - len(receivers)))
        receivers.discard(msg_forwarder)
        is_ours = self.pubsub is not None and msg_forwarder == self.pubsub.my_id
        origin = OURS if is_ours else str(msg_forwarder)
        for peer_id in receivers:
            self._send_message(peer_id, pubsub_msg, origin)

    def _send_message(self, peer_id: ID, message: rpc_pb2.Message, origin: str) -> None:
        """Queue a message for one peer, in turn with what others had us send to it."""
        queue: Any = None if self.pubsub is None else self.pubsub.peer_queues.get(peer_id)
        if queue is None:
            return
        self._counters.add("gossip_messages_out")
        self._counters.add("gossip_bytes_out", len(message.data))
        rpc = rpc_pb2.RPC(publish=[message])
        self._piggyback_control_retry(peer_id, rpc)
        if not queue.push(rpc, origin=origin):
            self._handle_dropped_rpc(peer_id, rpc, "queue_full")

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Give a new follower what went by in the last heartbeats, but for what it was sent."""
        self._serve(peer_id, self.mcache.window(topic), times_max=1)

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Do nothing: no message waits for a peer whose topics are unknown."""

    async def emit_control_message(self, control_msg: rpc_pb2.ControlMessage, to_peer: ID) -> None:
        """Queue a control message, without the signed address record that nobody needs."""
        self.send_rpc(to_peer, rpc_pb2.RPC(control=control_msg), priority=True)

    def _handle_dropped_rpc(self, peer_id: ID, rpc: rpc_pb2.RPC, reason: str) -> None:
        self._counters.add("gossip_dropped_outbound")
        super()._handle_dropped_rpc(peer_id, rpc, reason)

    # What strangers ask for.

    async def handle_rpc(self, rpc: rpc_pb2.RPC, sender_peer_id: ID) -> None:
        """Do what a peer's control entries ask for, as far as they speak of our topics."""
        for ihave in rpc.control.ihave:
            await self.handle_ihave(ihave, sender_peer_id)
        for iwant in rpc.control.iwant:
            await self.handle_iwant(iwant, sender_peer_id)
        for graft in rpc.control.graft:
            await self.handle_graft(graft, sender_peer_id)
        for prune in rpc.control.prune:
            await self.handle_prune(prune, sender_peer_id)

    async def handle_ihave(self, ihave_msg: rpc_pb2.ControlIHave, sender_peer_id: ID) -> None:
        """Ask for advertised messages that never came by."""
        if ihave_msg.topicID not in self.mesh or self.pubsub is None:
            return
        room = WANTED_PER_BEAT_MAX - self._asked[sender_peer_id]
        wanted: list[bytes] = []
        for message_id in dict.fromkeys(ihave_msg.messageIDs):
            if len(wanted) >= room:
                break
            if len(message_id) == ID_BYTES and not self.pubsub.seen_messages.has(message_id):
                wanted.append(message_id)
        self._asked[sender_peer_id] += len(wanted)
        # Others answer in one frame all that one asks: it must be one that we take, however large.
        limits = self._limits
        together = min(
            limits.rpc_messages_max, limits.rpc_taken_bytes_max // limits.message_bytes_max
        )
        for start in range(0, len(wanted), together):
            await self.emit_iwant(wanted[start : start + together], sender_peer_id)

    async def handle_iwant(self, iwant_msg: rpc_pb2.ControlIWant, sender_peer_id: ID) -> None:
        """Send cached messages on demand: each a few times, and not more than a budget."""
        wanted = list(dict.fromkeys(iwant_msg.messageIDs))[:WANTED_PER_FRAME_MAX]
        self._serve(sender_peer_id, wanted, times_max=SERVED_TIMES_MAX)

    def _serve(self, peer_id: ID, message_ids: Iterable[bytes], *, times_max: int) -> None:
        served = self._served.setdefault(peer_id, Counter())
        for message_id in message_ids:
            message = self.mcache.get(message_id)
            if message is None or served[message_id] >= times_max:
                continue
            size = len(message.data)
            if self._served_bytes[peer_id] + size > SERVED_BYTES_PER_BEAT_MAX:
                self._counters.add("gossip_iwant_refused")
                return
            self._served_bytes[peer_id] += size
            served[message_id] += 1
            self._send_message(peer_id, message, str(peer_id))

    async def handle_graft(self, graft_msg: rpc_pb2.ControlGraft, sender_peer_id: ID) -> None:
        """Take a peer into the mesh of one of our topics if there is room."""
        topic = graft_msg.topicID
        if topic not in self.mesh or sender_peer_id in self.mesh[topic]:
            return
        is_full = len(self.mesh[topic]) >= self._limits.degree_high
        if is_full and not self._is_outbound(sender_peer_id):
            self._counters.add("gossip_graft_refused")
            self._add_back_off(sender_peer_id, topic, False)
            await self.emit_prune(topic, sender_peer_id, False, False)
            return
        if self._check_back_off(sender_peer_id, topic) or self._score(sender_peer_id) < 0:
            self._counters.add("gossip_graft_refused")
            await self.emit_prune(topic, sender_peer_id, False, False)
            return
        self.mesh[topic].add(sender_peer_id)
        self._grafted[topic].add(sender_peer_id)

    async def on_peer_subscribed(self, peer_id: ID, topic: str) -> None:
        """Take a new follower into a thin mesh, unless a fault of it still counts."""
        if self._score(peer_id) >= 0:
            await super().on_peer_subscribed(peer_id, topic)

    async def handle_prune(self, prune_msg: rpc_pb2.ControlPrune, sender_peer_id: ID) -> None:
        """Let a peer leave the mesh of one of our topics; the peers it names are not read."""
        topic = prune_msg.topicID
        if topic not in self.mesh:
            return
        backoff_s = min(prune_msg.backoff, self._limits.backoff_s_max)
        self._add_back_off(sender_peer_id, topic, False, backoff_s)
        self.mesh[topic].discard(sender_peer_id)

    def add_peer(self, peer_id: ID, protocol_id: TProtocol | None) -> None:
        """Take note of a peer we can send to; from now on it is expected to say something."""
        super().add_peer(peer_id, protocol_id)
        self._standing.meet(peer_id)

    def remove_peer(self, peer_id: ID) -> None:
        """Forget all there is about a peer, its back-off included, but for its faults.

        What it was sent on demand is forgotten by the next heartbeat: it may be back at once.
        """
        super().remove_peer(peer_id)
        self._standing.forget(peer_id)
        self._asked.pop(peer_id, None)
        for pruned in self.back_off.values():
            pruned.pop(peer_id, None)

    # The heartbeat.

    async def heartbeat(self) -> None:
        """Mend the mesh and advertise recent messages, for ever."""
        while True:
            await trio.sleep(self._limits.heartbeat_s)
            try:
                for topic in list(self.mesh):
                    await self._mend(topic)
                    await self._advertise(topic)
            except Exception:  # a mesh that misses a beat is better than none
                logger.exception("the gossip heartbeat failed")
            self._forget_the_gone()
            self.mcache.shift()
            self._asked.clear()
            self._served_bytes.clear()
            self._served = {
                peer_id: Counter({key: n for key, n in times.items() if key in self.mcache.msgs})
                for peer_id, times in self._served.items()
                if peer_id in self.peer_protocol
            }

    def _forget_the_gone(self) -> None:
        """Forget who left before we could send to him: the library tells only of the others."""
        assert self.scorer is not None
        scored = set(self.scorer.app_specific_scores)
        for peer_id in scored.union(*self.back_off.values()):
            if not self._is_connected(peer_id):
                self.scorer.remove_peer(peer_id)
                for pruned in self.back_off.values():
                    pruned.pop(peer_id, None)

    def _score(self, peer_id: ID) -> float:
        assert self.scorer is not None
        return self.scorer.score(peer_id, [])

    async def _mend(self, topic: str) -> None:
        mesh = self.mesh[topic]
        mesh.intersection_update(self._followers(topic))
        for peer_id in [peer_id for peer_id in mesh if self._score(peer_id) < 0]:
            self._counters.add("gossip_mesh_expelled")
            await self._expel(topic, peer_id)
        fit = {
            peer_id
            for peer_id in self._reachable(topic) - mesh
            if not self._check_back_off(peer_id, topic) and self._score(peer_id) >= 0
        }
        wanted: set[ID] = set()
        if len(mesh) < self._limits.degree_low:
            wanted.update(_sample(fit, self._limits.degree - len(mesh)))
        outbound_missing = self._limits.outbound_min - sum(map(self._is_outbound, mesh | wanted))
        outbound_fit = {peer_id for peer_id in fit - wanted if self._is_outbound(peer_id)}
        wanted.update(_sample(outbound_fit, outbound_missing))
        for peer_id in wanted:
            mesh.add(peer_id)
            self._grafted[topic].add(peer_id)
            await self.emit_graft(topic, peer_id)
        if len(mesh) > self._limits.degree_high:
            await self._trim(topic)

    async def _trim(self, topic: str) -> None:
        mesh = self.mesh[topic]
        outbound = {peer_id for peer_id in mesh if self._is_outbound(peer_id)}
        kept = set(_sample(outbound, self._limits.outbound_min))
        kept.update(_sample(mesh - kept, self._limits.degree - len(kept)))
        for peer_id in mesh - kept:
            await self._expel(topic, peer_id)

    async def _expel(self, topic: str, peer_id: ID) -> None:
        self.mesh[topic].discard(peer_id)
        self._add_back_off(peer_id, topic, False)
        await self.emit_prune(topic, peer_id, False, False)

    async def _advertise(self, topic: str) -> None:
        """Tell some who are not in the mesh what was said, and all who came into it just now.

        Otherwise what was said just before a whole mesh was replaced would reach nobody: the old
        one passed nothing on, and the new one is sent only what is said from now on.
        """
        message_ids = self.mcache.window(topic)[-ADVERTISED_MAX:]
        reachable, mesh = self._reachable(topic), self.mesh[topic]
        newcomers = self._grafted.pop(topic, set()) & mesh & reachable
        if not message_ids:
            return
        others = reachable - mesh
        told = {*_sample(others, max(GOSSIP_PEERS_MIN, len(others) // 4)), *newcomers}
        for peer_id in told:
            await self.emit_ihave(topic, message_ids, peer_id)

    def _followers(self, topic: str) -> set[ID]:
        return self.pubsub.peer_topics.get(topic, set()) if self.pubsub is not None else set()

    def _reachable(self, topic: str) -> set[ID]:
        if self.pubsub is None:
            return set()
        return {peer_id for peer_id in self._followers(topic) if peer_id in self.pubsub.peers}

    # What the library would track without end, or act upon.

    def _track_peer_ip(self, peer_id: ID) -> None:
        """Do nothing: the library never learns an address here, and keeps the attempt."""


def _sample(peers: Collection[ID], count: int) -> list[ID]:
    pool = list(peers)
    if count <= 0:
        return []
    return pool if count >= len(pool) else DICE.sample(pool, count)
