"""Those we dialled: whether they take part in our network, and which of them become anchors."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from bootstrap.attempts import Attempts
from bootstrap.dial_policy import OUTBOUND_TARGET
from bootstrap.dialing import Connected, Dialer
from bootstrap.mistakes import Mistakes
from bootstrap.network_group import NAMES, group_at
from bootstrap.peer_book import ANCHORS_MAX, PeerBook
from protocol.errors import MarketError
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

PROOF_MS = 5_000  # for a peer to follow our topics before it is asked what it is
DOUBT_MS = 15_000  # for so long it counts as one of ours that was not asked yet, or not to the end
# For a peer that says it is of our network to follow its topics. Twice as long as two copies of one
# node need to find each other out: whoever met the other one first gossips with that one alone. And
# short enough for its place: with DOUBT_MS, four times OUTBOUND_TARGET can be kept waiting.
USELESS_MS = 60_000


@dataclass(slots=True)
class Met:
    """A connection we opened.

    Attributes:
        address: Where we dialled.
        begun_ms: When.
        since_ms: When, or when it was last asked.
        is_proven: Whether its peer was seen to take part in our network.
        is_asked: Whether it is being asked what it is.
        is_lead: Whether the operator named the place, whoever is there.
    """

    address: str
    begun_ms: int
    since_ms: int
    is_proven: bool = False
    is_asked: bool = False
    is_lead: bool = False


class Meetings:
    """Only who follows our topics counts as having worked; a stranger is let go.

    Args:
        network: The id of our network, in hex.
        dialer: Asks, and hangs up.
        book: Told what worked.
        attempts: Told what did not.
        mistakes: Told what nobody foresaw.
        notice_foreigner: Told of an address and what is there; answers if the operator named it.
        notice_mute: Told of an address at which somebody is who does not say what he is.
        note_proven: Told of an address at which somebody of our network is.
        changed: Told when the book did.
        clock_ms: A monotonic clock.
        date_ms: The Unix clock.
    """

    def __init__(
        self,
        *,
        network: str,
        dialer: Dialer,
        book: PeerBook,
        attempts: Attempts,
        mistakes: Mistakes,
        notice_foreigner: Callable[[str, str], bool],
        notice_mute: Callable[[str, str], None],
        note_proven: Callable[[str], None],
        changed: Callable[[], None],
        clock_ms: Callable[[], int],
        date_ms: Callable[[], int],
    ) -> None:
        self.feelers: set[PeerId] = set()  # dialled only to learn whether they are there
        self._network = network
        self._dialer = dialer
        self._book = book
        self._attempts = attempts
        self._mistakes = mistakes
        self._notice_foreigner = notice_foreigner
        self._notice_mute = notice_mute
        self._note_proven = note_proven
        self._changed = changed
        self._clock_ms = clock_ms
        self._date_ms = date_ms
        self._met: dict[PeerId, Met] = {}
        proven = (place for place in book.places() if place.worked_ms or place.is_anchor)
        self._proven_before = frozenset(place.peer_id for place in proven)  # not in this run

    def begin(self, peer_id: PeerId, address: str, *, is_lead: bool = False) -> None:
        """Note that we connected to a peer by an address; as a lead, if it named nobody."""
        now_ms = self._clock_ms()
        self._met[peer_id] = Met(address, now_ms, now_ms, is_lead=is_lead)

    def chosen(self) -> set[PeerId]:
        """Return whom we dialled of those the operator named, or who were proven before this run.

        All others may be keys of one stranger, who had us dial them a moment ago.
        """
        named = {place.peer_id for place in self._book.places() if place.is_configured}
        known = named | self._proven_before
        return {peer_id for peer_id, met in self._met.items() if met.is_lead or peer_id in known}

    def is_waiting(self) -> bool:
        """Return whether we do not know yet what somebody is."""
        return any(not met.is_proven for met in self._met.values())

    def is_in_doubt(self, peer_id: PeerId) -> bool:
        """Return whether we met a peer so recently that we cannot know yet what it is."""
        met = self._met.get(peer_id)
        return met is not None and not met.is_proven and self._age_ms(met) < DOUBT_MS

    def is_named(self, peer_id: PeerId) -> bool:
        """Return whether a name led us to a peer."""
        met = self._met.get(peer_id)
        return met is not None and group_at(met.address) == NAMES

    def is_at(self, where: str) -> bool:
        """Return whether somebody whom we met is at a place, a multiaddr without a peer id."""
        return any(met.address == f"{where}/p2p/{peer_id}" for peer_id, met in self._met.items())

    def is_proven_at(self, address: str) -> bool:
        """Return whether the peer of a full address was dialled there, and proved to be of us."""
        met = self._met.get(PeerId(address.rpartition("/p2p/")[2]))
        return met is not None and met.is_proven and met.address == address

    def _age_ms(self, met: Met) -> int:
        return self._clock_ms() - met.begun_ms

    def judge(self, peers: Sequence[Connected], nursery: trio.Nursery) -> None:
        """See which of those we dialled take part in our network, and which do not."""
        by_id = {peer.peer_id: peer for peer in peers}
        is_joined = any(peer.outbound and peer.is_ours for peer in peers)
        now_ms = self._clock_ms()
        start = partial(nursery.start_soon, self._mistakes.outlive)
        for peer_id, met in list(self._met.items()):
            peer = by_id.get(peer_id)
            if peer is None:
                del self._met[peer_id]
                self.feelers.discard(peer_id)
                is_test = is_joined and not met.is_proven  # else our own line may be dead
                if is_test and self._book.left(met.address, self._date_ms()):
                    self._changed()
            elif peer.is_ours and not met.is_proven:
                self._prove(met)
                if peer_id in self.feelers:
                    start(f"let go of {peer_id}", self._let_go, peer_id)
            elif not met.is_proven and not met.is_asked and now_ms - met.since_ms >= PROOF_MS:
                met.is_asked = True
                start(f"examine {peer_id}", self._examine, peer_id, met)
        self._keep_anchors(by_id)

    def part(self, peers: Sequence[Connected]) -> None:
        """Note who proved to be one of us since the last look; for an end that may come at once."""
        ours = {peer.peer_id for peer in peers if peer.is_ours}
        for peer_id, met in self._met.items():
            if peer_id in ours and not met.is_proven:
                self._prove(met)

    def _prove(self, met: Met) -> None:
        met.is_proven = True
        self._book.worked(met.address, self._date_ms())
        self._note_proven(met.address)
        self._changed()

    def _keep_anchors(self, by_id: dict[PeerId, Connected]) -> None:
        """Keep those that lasted longest; without any, those from before a loss stay."""
        proven = [
            met
            for peer_id, met in self._met.items()
            if met.is_proven and by_id[peer_id].outbound and peer_id not in self.feelers
        ]
        if proven:
            longest = sorted(proven, key=lambda met: met.since_ms)[:ANCHORS_MAX]
            if self._book.anchor(met.address for met in longest):
                self._changed()

    async def _examine(self, peer_id: PeerId, met: Met) -> None:
        """Ask a peer that does not follow our topics what it is, and let go of a stranger."""
        networks: Sequence[str] | None = None
        try:
            networks = await self._dialer.networks_of(peer_id)
        except MarketError as error:
            logger.debug("%s", error)
        except Exception as error:  # the door: whom we ask is a stranger's choice
            self._mistakes.note(f"ask {met.address} what it is", error)
        if self._met.get(peer_id) is not met:
            return  # it went; whoever is there by now is asked anew
        peers = self._dialer.peers()
        is_gone = all(peer.peer_id != peer_id for peer in peers)
        is_ours = networks is not None and self._network in networks
        if (
            met.is_proven
            or (networks is None and is_gone)  # which says nothing about it; it may be back at once
            or (is_ours and self._age_ms(met) < USELESS_MS)
        ):
            met.is_asked, met.since_ms = False, self._clock_ms()
            return
        del self._met[peer_id]
        self.feelers.discard(peer_id)
        is_joined = any(peer.outbound and peer.is_ours for peer in peers)
        if networks is not None or is_joined:  # else it may be our own line that does not work
            self._book.failed(met.address, self._date_ms())
        self._changed()
        if networks is None:
            self._attempts.failed(met.address)
            self._notice_mute(met.address, f"{met.address} is connected, but does not answer")
        else:
            self._tell_foreigner(met.address, networks)
        await self._dialer.hang_up(peer_id)

    def _tell_foreigner(self, address: str, networks: Sequence[str]) -> None:
        """Leave an address alone for a while at which nobody takes part in our network."""
        is_ours = self._network in networks
        what = f"of another network, {', '.join(networks)}" if networks else "of no network we know"
        what = "takes no part in our network" if is_ours else f"is {what}; ours is {self._network}"
        line = f"{address} answers, but {what}"
        logger.debug("%s", line)
        is_configured = self._notice_foreigner(address, line)
        self._attempts.led_astray(address, is_configured=is_configured)

    async def _let_go(self, peer_id: PeerId) -> None:
        """Hang up on a feeler, unless it is needed by now."""
        self.feelers.discard(peer_id)
        if sum(peer.outbound and peer.is_ours for peer in self._dialer.peers()) > OUTBOUND_TARGET:
            await self._dialer.hang_up(peer_id)
