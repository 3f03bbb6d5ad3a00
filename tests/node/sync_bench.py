"""Nodes in memory that sync with each other, and peers that only claim to."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import trio
import trio.testing

from bootstrap.mistakes import Mistakes
from consensus.incremental import fold
from consensus.log import has_record
from node.core.events import Started
from node.core.sync import Outcome, Session
from node.errors import PeerFailed
from node.exchange import pack_blobs, read_comparison, read_wanted
from node.names import peer_id_of
from node.ports import Answerer, Peer
from node.sync import Sync
from node.sync_items import SyncItems
from node.sync_session import SyncSession
from protocol.ids import PeerId
from protocol.params import Network
from protocol.reconcile import respond
from protocol.reconcile_items import Item, SortedItems
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_profile, a_record
from tests.builders import key as key_of
from tests.node.shell_bench import TOPICS, Bench, a_bench

SALT = bytes(range(16))


class Asked(NamedTuple):
    """One request and what came back."""

    protocol: str
    request_bytes: int
    answer_bytes: int


@dataclass
class FakeNet:
    """Peers are tables of answerers; asking is a call.

    Attributes:
        name: Whose it is.
        others: Who can be asked for what.
        silent: Who is connected and serves nothing.
        hung_up: Whom we hung up on.
        asked: What was asked so far.
    """

    name: str
    others: dict[PeerId, dict[str, Answerer]] = field(default_factory=dict)
    silent: list[Peer] = field(default_factory=list)
    hung_up: list[PeerId] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @property
    def peer_id(self) -> PeerId:
        return peer_id_of(key_of(self.name))

    def addresses(self) -> tuple[str, ...]:
        return ()

    def peers(self) -> tuple[Peer, ...]:
        served = (Peer(p, key_of("x"), "", True, (), True) for p in self.others)
        return (*served, *self.silent)

    async def publish(self, topic: str, data: bytes) -> None:
        raise AssertionError("sync does not gossip")

    async def dial(self, address: str) -> PeerId:
        raise AssertionError("sync does not dial")

    async def ask(self, peer_id: PeerId, protocol: str, request: bytes) -> bytes:
        if protocol not in self.others.get(peer_id, {}):
            raise PeerFailed("no such peer")
        answer = await self.others[peer_id][protocol](self.peer_id, request)
        self.asked.append(Asked(protocol, len(request), len(answer)))
        return answer

    async def hang_up(self, peer_id: PeerId) -> None:
        self.hung_up.append(peer_id)

    def asks(self, protocol: str) -> int:
        """Return how often something was asked for."""
        return sum(one.protocol == protocol for one in self.asked)

    def moved_bytes(self) -> int:
        """Return the bytes of all requests and answers."""
        return sum(one.request_bytes + one.answer_bytes for one in self.asked)


@dataclass
class Node:
    """One node with a sync, not running yet."""

    bench: Bench
    net: FakeNet
    sync: Sync
    network: Network = NETWORK

    @property
    def peer_id(self) -> PeerId:
        return self.net.peer_id

    def store(self, records: Sequence[Verified]) -> None:
        """Put records into the log at once."""
        self.bench.log.stage(fold(self.bench.log, records, NETWORK).changes)
        self.bench.log.flush()

    def holds(self, records: Sequence[Verified]) -> bool:
        return all(has_record(self.bench.log, record.record_id) for record in records)


def a_node(name: str, *, may_sign: bool = True, network: Network = NETWORK) -> Node:
    """Return a node that chose whomever it dialled."""
    bench, net = a_bench(name, network=network), FakeNet(name)
    sync = Sync(
        loop=bench.loop,
        log=bench.log,
        net=lambda: net,
        network=network,
        topics=TOPICS,
        live_presences=lambda: bench.loop.machine.live_presences(bench.loop.now(), most=9),
        chosen=lambda: {peer.peer_id for peer in net.peers()},
        signing_allowed=may_sign,
    )
    return Node(bench, net, sync, network)


def introduce(one: Node, other: Node) -> None:
    """Let two nodes ask each other."""
    one.net.others[other.net.peer_id] = other.sync.answerers()
    other.net.others[one.net.peer_id] = one.sync.answerers()


@contextmanager
def patience() -> Iterator[None]:
    with trio.fail_after(60):
        yield


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    with patience():
        while not is_so():
            await trio.testing.wait_all_tasks_blocked(0.01)


async def running(nursery: trio.Nursery, *nodes: Node) -> None:
    """Run nodes, syncs and all."""
    for node in nodes:
        await node.bench.loop.tell(Started())
        await nursery.start(node.bench.loop.run)
        await nursery.start(node.sync.run)


async def settle(node: Node, records: Sequence[Verified]) -> None:
    await until(lambda: node.holds(records))


def a_session(
    node: Node, peer: PeerId, *, since_ms: int = 0, is_salted: bool = False
) -> SyncSession:
    """Return a session of a node whose loop runs."""
    return SyncSession(
        Session(peer, since_ms, is_salted),
        ask=node.net.ask,
        loop=node.bench.loop,
        log=node.bench.log,
        items=SyncItems(node.bench.loop, node.bench.log),
        network=node.network,
        topics=TOPICS,
        checks=trio.CapacityLimiter(2),
        salt=SALT,
        mistakes=Mistakes(),
    )


async def run_session(
    node: Node, peer: PeerId, *others: Node, since_ms: int = 0, is_salted: bool = False
) -> tuple[Outcome, SyncSession]:
    """Run one session between loops that run only for it; nothing is signed meanwhile."""
    async with trio.open_nursery() as nursery:
        for one in (node, *others):
            await nursery.start(one.bench.loop.run)
        session = a_session(node, peer, since_ms=since_ms, is_salted=is_salted)
        outcome = await session.run()
        nursery.cancel_scope.cancel()
    return outcome, session


def some_records(
    author: str, count: int, *, first: int = 0, every_ms: int = 1_000, length: int = 0
) -> list[Verified]:
    """Return small records, one a second."""
    return [
        a_record(
            author,
            a_profile("a" * length + str(number)[-8:], sequence=number),
            created_ms=NOON_MS + number * every_ms,
        )
        for number in range(first, first + count)
    ]


@dataclass
class Claimant:
    """A peer that lists what it likes and sends what it likes.

    Attributes:
        listed: What it says it holds.
        sends: What it answers to a request for names; None for what was asked for.
        before_answer: Awaited before every answer.
        takes: What it answers to a push; None to refuse.
    """

    listed: Sequence[Item]
    held: Sequence[Verified] = ()
    sends: Callable[[Sequence[bytes]], list[bytes]] | None = None
    before_answer: Callable[[], Awaitable[None]] | None = None
    takes: bytes | None = b"\x00"
    asked: int = 0
    pushed: int = 0

    @property
    def peer_id(self) -> PeerId:
        return peer_id_of(key_of("claimant"))

    def answerers(self) -> dict[str, Answerer]:
        return {
            TOPICS.compare_stream: self.compare,
            TOPICS.records_stream: self.send,
            TOPICS.push_stream: self.take,
        }

    async def compare(self, peer_id: PeerId, request: bytes) -> bytes:
        await self._pause()
        return respond(SortedItems(self.listed), read_comparison(request).query)

    async def send(self, peer_id: PeerId, request: bytes) -> bytes:
        await self._pause()
        self.asked += 1
        _, names = read_wanted(request)
        if self.sends is not None:
            return pack_blobs(self.sends(names))
        return pack_blobs(r.raw for r in self.held if r.record_id[:8] in names)

    async def take(self, peer_id: PeerId, request: bytes) -> bytes:
        await self._pause()
        self.pushed += 1
        if self.takes is None:
            raise PeerFailed("no room")
        return self.takes

    async def _pause(self) -> None:
        if self.before_answer is not None:
            await self.before_answer()


def items_of(records: Sequence[Verified]) -> list[Item]:
    return [Item(record.created_ms, record.record_id) for record in records]


def introduce_claimant(node: Node, claimant: Claimant) -> PeerId:
    """Let a node ask a peer of which only the answers are known."""
    node.net.others[claimant.peer_id] = claimant.answerers()
    return claimant.peer_id
