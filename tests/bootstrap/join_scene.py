"""A network of addresses that answer or do not, and a node that joins it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from bootstrap.dialing import Allows, Connected, SomebodyElse, anywhere
from bootstrap.join import Joiner
from bootstrap.leads import parse_lead
from bootstrap.peer_book import PeerBook
from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.peer_names import peer

NETWORK = "ab" * 16


@dataclass(frozen=True)
class Link:
    peer_id: PeerId
    address: str = ""
    outbound: bool = True
    is_ours: bool = True


@dataclass
class FakeDialer:
    """Reaches whoever is up, at once; others take a second to fail."""

    up: set[str] = field(default_factory=set)
    links: dict[PeerId, Link] = field(default_factory=dict)
    dials: list[tuple[float, str]] = field(default_factory=list)
    networks: dict[PeerId, list[str]] = field(default_factory=dict)
    idle: set[PeerId] = field(default_factory=set)  # who takes no part, whatever they say
    records: dict[str, list[str]] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    hung_up: list[PeerId] = field(default_factory=list)
    fails_after_s: float = 1.0

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        place, _, peer_id = address.rpartition("/p2p/")
        found = await self._reach(address, place)
        if found != peer_id:
            raise SomebodyElse(f"cannot reach {address}: {found} answers there", found=found)
        return self._link(found, place)

    async def meet(self, address: str) -> PeerId:
        return self._link(await self._reach(address, address), address)

    async def _reach(self, address: str, place: str) -> PeerId:
        self.dials.append((trio.current_time(), address))
        if address in self.up:
            return PeerId(address.rpartition("/p2p/")[2])
        for text in self.up:
            if text.startswith(f"{place}/p2p/"):
                return PeerId(text.rpartition("/p2p/")[2])
        await trio.sleep(self.fails_after_s)
        raise MarketError(f"cannot reach {address}")

    def _link(self, peer_id: PeerId, place: str) -> PeerId:
        is_ours = peer_id not in self.idle and NETWORK in self.networks.get(peer_id, [NETWORK])
        self.links[peer_id] = Link(peer_id, place, is_ours=is_ours)
        return peer_id

    async def texts(self, name: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        self.lookups.append(name)
        if name not in self.records:
            raise MarketError(f"cannot look up {name}")
        return self.records[name]

    async def networks_of(self, peer_id: PeerId) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return self.networks.get(peer_id, [NETWORK])

    async def hang_up(self, peer_id: PeerId) -> None:
        await trio.lowlevel.checkpoint()
        self.hung_up.append(peer_id)
        self.links.pop(peer_id, None)

    def peers(self) -> Sequence[Connected]:
        return tuple(self.links.values())

    def dials_by_peer(self) -> dict[str, list[float]]:
        found = defaultdict(list)
        for moment, text in self.dials:
            found[text.rpartition("/p2p/")[2]].append(moment)
        return found


@dataclass
class Scene:
    dialer: FakeDialer = field(default_factory=FakeDialer)
    book: PeerBook = field(default_factory=PeerBook)
    named: list[str] = field(default_factory=list)
    saved: list[tuple[float, bytes]] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    save_error: OSError | None = None
    dice: Callable[[], float] = lambda: 0.5

    async def save(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.save_error is not None:
            raise self.save_error
        self.saved.append((trio.current_time(), data))

    def joiner(self) -> Joiner:
        return Joiner(
            own_id=peer(0),
            network=NETWORK,
            dialer=self.dialer,
            book=self.book,
            leads=[parse_lead(text) for text in self.named],
            save=self.save,
            clock_ms=lambda: 1_000_000 + int(trio.current_time() * 1000),
            date_ms=lambda: 1_000_000 + int(trio.current_time() * 1000),
            dice=self.dice,
            report=self.reports.append,
            notice=self.notices.append,
        )


async def run_for(joiner: Joiner, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await joiner.run()


def most_in_a_window(moments: Sequence[float], window_s: float) -> int:
    return max(
        (sum(start <= moment < start + window_s for moment in moments) for start in moments),
        default=0,
    )
