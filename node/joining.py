"""How a node finds the others: its peer book, and what those who are here say of themselves."""

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from bootstrap.book_file import open_book
from bootstrap.dialing import Allows, anywhere
from bootstrap.join import Joiner
from bootstrap.leads import parse_lead
from bootstrap.peer_book import PeerBook
from node.clock import Clock
from node.config import Config
from node.loop import Loop
from node.names import peer_id_of
from node.net.mdns import LocalNetwork
from node.ports import Net, Peer
from node.store.files import one_line, replace_file
from protocol.ids import PeerId, PublicKey
from protocol.record import Verified
from protocol.topics import Topics

logger = logging.getLogger(__name__)

PEER_BOOK_NAME = "peers"
LEARN_EVERY_S = 10.0
LEARN_FIRST_S = 0.5  # just before the peer book is first saved
LEARN_AUTHORS_MAX = 64
HEARD_PER_S_MAX = 16  # presences whose addresses are looked at; each costs half a millisecond


class JoinNet(Protocol):
    """What joining asks of the network door; see `bootstrap.dialing.Dialer`."""

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        """Connect to one full multiaddr."""
        ...

    async def meet(self, address: str) -> PeerId:
        """Connect to whoever answers at a multiaddr without a peer id."""
        ...

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of a DNS name."""
        ...

    async def networks_of(self, peer_id: PeerId) -> tuple[str, ...]:
        """Ask a connected peer which networks it takes part in."""
        ...

    async def hang_up(self, peer_id: PeerId) -> None:
        """Close every connection to a peer."""
        ...

    def peers(self) -> tuple[Peer, ...]:
        """Return the live connections."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """One connection, as joining sees it."""

    peer_id: PeerId
    outbound: bool
    address: str
    is_ours: bool


class NodeDialer:
    """The network door, with the knowledge which peers take part in our network."""

    def __init__(self, net: JoinNet, topics: Topics) -> None:
        """Take the door; whoever follows both topics is one of us."""
        self._net = net
        self._topics = {topics.records, topics.presence}
        self.dial = net.dial
        self.meet = net.meet
        self.texts = net.texts
        self.networks_of = net.networks_of
        self.hang_up = net.hang_up

    def peers(self) -> Sequence[Link]:
        """Return the live connections."""
        return tuple(
            Link(peer.peer_id, peer.outbound, peer.address, self._topics <= set(peer.topics))
            for peer in self._net.peers()
        )


def open_joiner(
    config: Config,
    net: JoinNet,
    clock: Clock,
    *,
    me: PublicKey,
    topics: Topics,
    report: Callable[[str], None],
) -> Joiner:
    """Return what joins by the operator's addresses and those remembered from earlier runs."""
    path = config.directory / PEER_BOOK_NAME
    book = read_book(path)

    async def save(encoded: bytes) -> None:
        await trio.to_thread.run_sync(replace_file, path, encoded)

    return Joiner(
        own_id=peer_id_of(me),
        network=config.network.network_id.hex(),
        dialer=NodeDialer(net, topics),
        book=book,
        leads=[parse_lead(text) for text in config.bootstrap],
        save=save,
        clock_ms=lambda: clock.now().ms,
        date_ms=lambda: clock.now().wall_ms,
        dice=random.random,
        report=report,
        notice=lambda line: logger.warning("%s", line),
    )


def read_book(path: Path) -> PeerBook:
    """Return the book in a file, an empty one if it cannot be read: it only saves time."""
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        kept = path.with_name(f"{path.name}.unreadable")
        logger.warning(
            "%s cannot be read, and the peer book starts empty, also of whom was trusted on first "
            "use; the file is kept as %s: %s",
            path,
            kept.name,
            one_line(error),
        )
        with suppress(OSError):
            path.replace(kept)
        data = b""
    book, damage = open_book(data)
    if damage:
        logger.warning("%s", damage)
    return book


class Ear:
    """Learns where authors can be dialled as soon as they say so, so many in a second."""

    def __init__(self, joiner: Joiner, clock: Clock) -> None:
        """Tell the joiner; the clock bounds how often."""
        self._joiner = joiner
        self._clock = clock
        self._second = 0
        self._count = 0

    def note(self, record: Verified, teller: PeerId) -> None:
        """Take in a presence that was news; what is too much is learnt from the next one."""
        second = self._clock.now().ms // 1_000
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if record.presence is not None and self._count <= HEARD_PER_S_MAX:
            self._joiner.learn(peer_id_of(record.author), record.presence.addresses, teller)


async def look_around(config: Config, net: Net, joiner: Joiner) -> None:
    """Find the nodes of the local network if the operator asks for that, until cancelled."""
    if config.mdns:
        await LocalNetwork(
            network=config.network.network_id.hex(),
            addresses=net.addresses,
            found=partial(joiner.learn, is_local=True),
        ).run()


async def learn_addresses(joiner: Joiner, loop: Loop) -> None:
    """Remember where live authors say they can be dialled, until cancelled.

    Most are heard of by gossip when they say so; the others came from a peer's list.
    """
    pause_s = LEARN_FIRST_S
    while True:
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, LEARN_EVERY_S)
        live = list(loop.machine.presences.live(loop.now().ms).items())
        for author, heard in random.sample(live, min(len(live), LEARN_AUTHORS_MAX)):
            if heard.presence is not None:
                joiner.learn(peer_id_of(author), heard.presence.addresses)
                await trio.lowlevel.checkpoint()  # each costs up to some milliseconds
