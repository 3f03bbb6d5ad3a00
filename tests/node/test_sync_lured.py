"""A node with an older key believes at once only whom it chose, not whom a stranger had it dial."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from bootstrap.dialing import Allows, anywhere
from bootstrap.join import Joiner
from bootstrap.leads import parse_lead
from bootstrap.peer_book import PeerBook
from node.core.first_word import ALONE_MS, HELD_BACK_MS_MAX
from node.errors import DialFailed
from node.joining import NodeDialer
from node.names import peer_id_of
from node.ports import Answerer, Peer
from node.sync import Sync
from protocol.ids import PeerId
from tests.builders import key as key_of
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import FakeNet, a_node, running

STRANGER = peer_id_of(key_of("stranger"))
LURE = peer_id_of(key_of("the stranger's second key"))
FRIEND = peer_id_of(key_of("friend"))
LURE_AT = f"/ip4/45.7.0.2/tcp/4001/p2p/{LURE}"
FRIEND_AT = f"/ip4/8.8.4.4/tcp/4001/p2p/{FRIEND}"
SOON_MS = 3_000  # for a dial and a session
NOW_MS = 1_800_000_000_000


class Wire(FakeNet):
    """A network in which everybody says that our log is equal to his.

    Attributes:
        here: Who is connected, and whether we dialled him.
        up: Who can be dialled.
    """

    def __init__(self, *up: PeerId) -> None:
        super().__init__("alice")
        self.up = up
        self.here = {STRANGER: False}
        self.others = {name: _agreeing() for name in (STRANGER, *up)}

    def peers(self) -> tuple[Peer, ...]:
        topics = (TOPICS.presence, TOPICS.records)
        return tuple(
            Peer(name, key_of("x"), "/ip4/45.7.0.1/tcp/5", outbound, topics, True)
            for name, outbound in self.here.items()
        )

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        await trio.sleep(0.1)
        peer_id = PeerId(address.rpartition("/")[2])
        if peer_id not in self.up:
            raise DialFailed("nobody answers")
        self.here[peer_id] = True
        return peer_id

    async def meet(self, address: str) -> PeerId:
        return await self.dial(f"{address}/p2p/{FRIEND}")

    async def texts(self, name: str) -> list[str]:
        return [f"dnsaddr={FRIEND_AT}"]

    async def networks_of(self, peer_id: PeerId) -> tuple[str, ...]:
        raise AssertionError("everybody follows our topics")


def _agreeing() -> dict[str, Answerer]:
    async def compare(peer_id: PeerId, request: bytes) -> bytes:
        return b"\x61"  # the version byte alone

    return {TOPICS.compare_stream: compare}


async def signs_after_ms(net: Wire, book: PeerBook, *named: str, torn: bool) -> float:
    """Return after how long a node with an older key signs; a stranger names its second key."""
    node = a_node("alice", may_sign=False)

    async def save(data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    joiner = Joiner(
        own_id=net.peer_id,
        network="00",
        dialer=NodeDialer(net, TOPICS),
        book=book,
        leads=[parse_lead(text) for text in named],
        save=save,
        clock_ms=lambda: int(trio.current_time() * 1_000),
        date_ms=lambda: NOW_MS,
        dice=lambda: 0.5,
        report=lambda line: None,
        notice=lambda line: None,
    )
    node.sync = Sync(
        loop=node.bench.loop,
        log=node.bench.log,
        net=lambda: net,
        network=node.network,
        topics=TOPICS,
        live_presences=list,
        chosen=joiner.chosen,
        signing_allowed=False,
        torn=torn,
    )
    begun_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        await running(nursery, node)
        await nursery.start(joiner.run)
        node.sync.watch(STRANGER, True)
        joiner.learn(LURE, [LURE_AT], STRANGER)
        met = set(net.here)
        while not node.sync.may_sign:
            await trio.sleep(0.05)
            for name in set(net.here) - met:
                node.sync.watch(name, True)
                met.add(name)
        nursery.cancel_scope.cancel()
    return (trio.current_time() - begun_s) * 1_000


@pytest.mark.parametrize(("torn", "patience_ms"), [(False, ALONE_MS), (True, HELD_BACK_MS_MAX)])
async def test_run__takes_no_word_of_a_peer_that_a_stranger_had_it_dial(
    autojump_clock: trio.testing.MockClock, torn: bool, patience_ms: int
) -> None:
    net = Wire(LURE)

    after_ms = await signs_after_ms(net, PeerBook(), FRIEND_AT, torn=torn)

    assert net.here[LURE], "it was dialled"
    assert patience_ms <= after_ms < patience_ms + SOON_MS


def worked_before() -> PeerBook:
    book = PeerBook()
    book.worked(FRIEND_AT, NOW_MS - 1)
    return book


def anchored_before() -> PeerBook:
    book = worked_before()
    book.anchor([FRIEND_AT])
    return book


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize(
    ("make_book", "named"),
    [
        (PeerBook, FRIEND_AT),
        (PeerBook, FRIEND_AT.partition("/p2p/")[0]),
        (PeerBook, "/dnsaddr/friends.example"),
        (worked_before, ""),
        (anchored_before, ""),
    ],
    ids=["address", "place", "list", "worked", "anchor"],
)
async def test_run__takes_the_word_of_whom_it_chose_at_once(
    autojump_clock: trio.testing.MockClock,
    make_book: Callable[[], PeerBook],
    named: str,
    torn: bool,
) -> None:
    net = Wire(FRIEND)

    after_ms = await signs_after_ms(net, make_book(), *filter(None, [named]), torn=torn)

    assert after_ms < SOON_MS


async def test_run__does_not_take_a_hole_that_a_stranger_punched_for_its_own_choice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Wire()
    net.here[STRANGER] = True  # the direct connection after the punch is one that we opened

    after_ms = await signs_after_ms(net, PeerBook(), FRIEND_AT, torn=False)

    assert ALONE_MS <= after_ms < ALONE_MS + SOON_MS
