"""Many gossip meshes in one process, in virtual time: all but the wire between them is real.

Each honest node is a whole `NetHost` that listens nowhere: its router with its heartbeat, what it
thinks of peers, its intake and its gate. Frames leave its queues as bytes, and reach the frame
reader of another some milliseconds later. When logs are compared, and with whom, is decided by the
real planner; a comparison itself is no more than the union of two sets. Sybils are played by hand.
"""

import heapq
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11
from libp2p.pubsub.pb import rpc_pb2
from libp2p.tools.anyio_service import background_trio_service

from node.core.sync import Outcome, SyncPlanner
from node.net.patches import OutboundQueue
from node.net.seen import content_id
from node.sync_limits import FIRST_S
from protocol.ids import PeerId
from tests.node.net_hosts import LOG, Station, seed_of

DELAY_S = (0.01, 0.1)  # on each line
LOOK_S = 0.5  # between two questions to the planner
COMPARED_S = 0.5  # what a comparison takes


class Wire(OutboundQueue):
    """The queue to one peer; what is put in is on its way at once."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__(
            frames_max=4_096, bytes_max=2**22, frame_bytes_max=65_536, frame_messages_max=32
        )
        self._send = send

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False, *, origin: str = "") -> bool:
        self._send(rpc.SerializeToString())
        return True


@dataclass
class Honest(Station):
    """One honest node.

    Attributes:
        came_s: When it first had each message.
        gossiped: Those that came to its gate, sooner or later.
        dialled: Whom it dialled.
        linked: To whom it is connected.
        planner: Decides when it compares its log, and with whom.
    """

    came_s: dict[bytes, float] = field(default_factory=dict)
    gossiped: set[bytes] = field(default_factory=set)
    dialled: set[ID] = field(default_factory=set)
    linked: set[ID] = field(default_factory=set)
    planner: SyncPlanner = field(init=False)

    def place(self, rng: random.Random) -> None:
        """Build the host, with connections that we make up."""
        self.build(topics=(LOG,))
        self.net._router._is_connected = self.linked.__contains__
        self.net._router._is_outbound = self.dialled.__contains__
        self.planner = SyncPlanner(rng.randrange, 0)

    @property
    def id(self) -> ID:
        return self.net._host.get_id()

    async def gate(self, topic: str, data: bytes, forwarder: PeerId) -> Any:
        self.came_s.setdefault(data, trio.current_time())
        self.gossiped.add(data)
        return await super().gate(topic, data, forwarder)

    async def run(self, after_s: float) -> None:
        """Live from some moment on, so that heartbeats are not in step."""
        await trio.sleep(after_s)
        async with background_trio_service(self.net._pubsub), trio.open_nursery() as nursery:
            await self.net._router.join(LOG)
            nursery.start_soon(self.net._intake.run)
            nursery.start_soon(self.net._router.heartbeat)

    def connect(self, peer: ID, wire: Wire, *, outbound: bool) -> None:
        """Be connected to a peer from now on, and tell it what we follow."""
        pubsub: Any = self.net._pubsub
        self.linked.add(peer)
        self.dialled.update({peer} if outbound else ())
        pubsub.peers[peer] = pubsub.peer_queues[peer] = wire
        self.net._router.add_peer(peer, PROTOCOL_ID_V11)
        wire.push(following())
        self.planner.came(PeerId(str(peer)), now_ms(), outbound=outbound)

    async def take(self, sender: ID, frame: bytes) -> None:
        await self.net._pubsub._take(sender, frame)

    def learn(self, known: Collection[bytes]) -> int:
        """Take over what another knows, and return how much of it was news."""
        news = [data for data in known if data not in self.came_s]
        self.came_s.update(dict.fromkeys(news, trio.current_time()))
        return len(news)

    def faults(self, peer: ID) -> int:
        return self.net._fault_count(peer)

    def score(self, peer: ID) -> float:
        return self.net._router._score(peer)

    def outbound_in_mesh(self) -> set[ID]:
        return self.net._router.mesh[LOG] & self.dialled


@dataclass
class Sybil:
    """A peer that is connected to every honest one and gets into every mesh it can.

    Attributes:
        relays: Whether it passes a message on.
        wires: How to send to each peer.
        meshed: Who took it into its mesh, as far as it knows.
        seen: The ids of all messages it had.
        promises: Whether it offers messages that it never sends.
    """

    id: ID
    relays: Callable[[bytes], bool]
    wires: dict[ID, Wire] = field(default_factory=dict)
    meshed: set[ID] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)
    promises: bool = False

    def connect(self, peer: ID, wire: Wire, *, outbound: bool) -> None:
        self.wires[peer] = wire
        wire.push(following())
        wire.push(grafting())
        self.meshed.add(peer)

    async def take(self, sender: ID, frame: bytes) -> None:
        """Pass messages on as it pleases, and promise those that it keeps for itself."""
        await trio.lowlevel.checkpoint()
        rpc = rpc_pb2.RPC.FromString(frame)
        for message in rpc.publish:
            name = content_id(message)
            if name in self.seen:
                continue
            self.seen.add(name)
            if self.relays(message.data):
                for peer in self.meshed - {sender}:
                    self.wires[peer].push(rpc_pb2.RPC(publish=[message]))
            elif self.promises:
                for peer in self.wires.keys() - {sender}:
                    self.wires[peer].push(promising(name))
        for _ in rpc.control.prune:
            self.meshed.discard(sender)
        for _ in rpc.control.graft:
            self.meshed.add(sender)

    async def graft_for_ever(self, every_s: float) -> None:
        """Ask again to be in every mesh, as often as nobody is blamed for."""
        while True:
            await trio.sleep(every_s)
            for wire in self.wires.values():
                wire.push(grafting())
            self.meshed.update(self.wires)


Peer = Honest | Sybil


class Town:
    """All of them, and what is on its way between them."""

    def __init__(self, seed: int, *, honest: int, sybils: int) -> None:
        self.rng = random.Random(seed)
        self.honest = [Honest(f"honest {number} of {seed}") for number in range(honest)]
        for station in self.honest:
            station.place(self.rng)
        self.relays: Callable[[bytes], bool] = lambda data: False
        self.sybils = [
            Sybil(name_of(f"sybil {number} of {seed}"), self._is_relayed, promises=number % 8 == 0)
            for number in range(sybils)
        ]
        self.published_s: dict[bytes, tuple[Honest, float]] = {}
        self._numbers = count()
        self._on_its_way: list[tuple[float, int, Peer, ID, bytes]] = []
        self._sooner = trio.Event()

    def _is_relayed(self, data: bytes) -> bool:
        return self.relays(data)

    def link(self, dialler: Peer, dialled: Peer) -> None:
        """Connect two peers."""
        delay_s = self.rng.uniform(*DELAY_S)
        for here, there in ((dialler, dialled), (dialled, dialler)):
            here.connect(there.id, self._wire(here, there, delay_s), outbound=here is dialler)

    def link_all(self, pairs: Iterator[tuple[Peer, Peer]]) -> None:
        for one, other in pairs:
            self.link(one, other)

    def among_honest(self) -> Iterator[tuple[Peer, Peer]]:
        """Return every pair of honest nodes; either of the two dials."""
        pairs = list(combinations(self.honest, 2))
        self.rng.shuffle(pairs)
        return (pair if self.rng.random() < 0.5 else pair[::-1] for pair in pairs)

    def with_sybils(self, *, dialled: int) -> Iterator[tuple[Peer, Peer]]:
        """Return every pair of a Sybil and an honest node, who dialled so many of them itself."""
        for station in self.honest:
            lured = self.rng.sample(self.sybils, dialled)
            for sybil in self.sybils:
                yield (station, sybil) if sybil in lured else (sybil, station)

    async def publish(self, author: Honest, data: bytes) -> None:
        self.published_s[data] = (author, trio.current_time())
        author.came_s[data] = trio.current_time()
        await author.net.publish(LOG, data)

    def waits_s(self, *, since_s: float, until_s: float) -> list[float]:
        """Return how long each message took to each other honest node; infinity is never."""
        return sorted(
            station.came_s.get(data, float("inf")) - at_s
            for data, (author, at_s) in self.published_s.items()
            if since_s <= at_s <= until_s
            for station in self.honest
            if station is not author
        )

    def lost(self, *, since_s: float) -> list[tuple[bytes, Honest]]:
        """Return which messages gossip has not brought to which honest nodes."""
        return [
            (data, station)
            for data, (author, at_s) in self.published_s.items()
            for station in self.honest
            if at_s >= since_s and station is not author and data not in station.gossiped
        ]

    async def run(self) -> None:
        """Carry frames for ever, while all live."""
        async with trio.open_nursery() as nursery:
            for station in self.honest:
                nursery.start_soon(station.run, self.rng.random())
                nursery.start_soon(self._compare, station)
            for sybil in self.sybils:
                nursery.start_soon(sybil.graft_for_ever, self.rng.uniform(5, 15))
            while True:
                self._sooner = trio.Event()
                due_s = self._on_its_way[0][0] if self._on_its_way else float("inf")
                with trio.move_on_at(due_s):
                    await self._sooner.wait()
                while self._on_its_way and self._on_its_way[0][0] <= trio.current_time():
                    _, _, receiver, sender, frame = heapq.heappop(self._on_its_way)
                    await receiver.take(sender, frame)

    async def _compare(self, station: Honest) -> None:
        """Compare logs for ever; a Sybil takes the question, and does not answer it."""
        honest = {PeerId(str(one.id)): one for one in self.honest}
        while True:
            session = station.planner.next(now_ms())
            if session is None:
                await trio.sleep(LOOK_S)
                continue
            other = honest.get(session.peer)
            if other is None:
                await trio.sleep(FIRST_S)
                station.planner.ended(Outcome.FAILED, now_ms())
                continue
            await trio.sleep(COMPARED_S)
            moved = [one.learn(another.came_s) for one, another in pairs_of(station, other)]
            outcome = Outcome.MOVED if any(moved) else Outcome.EQUAL
            station.planner.ended(outcome, now_ms())

    def _wire(self, sender: Peer, receiver: Peer, delay_s: float) -> Wire:
        def send(frame: bytes) -> None:
            at_s = trio.current_time() + delay_s
            entry = (at_s, next(self._numbers), receiver, sender.id, frame)
            heapq.heappush(self._on_its_way, entry)
            if self._on_its_way[0] is entry:
                self._sooner.set()

        return Wire(send)


def now_ms() -> int:
    return int(trio.current_time() * 1_000)


def pairs_of(one: Honest, other: Honest) -> tuple[tuple[Honest, Honest], ...]:
    return (one, other), (other, one)


def name_of(text: str) -> ID:
    return ID.from_pubkey(create_new_key_pair(seed_of(text)).public_key)


def following() -> rpc_pb2.RPC:
    return rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=LOG)])


def grafting() -> rpc_pb2.RPC:
    graft = rpc_pb2.ControlGraft(topicID=LOG)
    return rpc_pb2.RPC(control=rpc_pb2.ControlMessage(graft=[graft]))


def promising(name: bytes) -> rpc_pb2.RPC:
    ihave = rpc_pb2.ControlIHave(topicID=LOG, messageIDs=[name])
    return rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=[ihave]))
