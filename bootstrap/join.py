"""Stays in touch with the network: dials, remembers what worked, and dials again after a loss."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import trio

from bootstrap.attempts import Attempts
from bootstrap.dial_policy import choose, next_due_ms
from bootstrap.dialing import (
    Allows,
    AlreadyConnected,
    Connected,
    Dialer,
    SomebodyElse,
    anywhere,
)
from bootstrap.feeling import Feeling
from bootstrap.following import Leads
from bootstrap.hearsay import take_in
from bootstrap.leads import AddressList, Lead
from bootstrap.meetings import Meetings
from bootstrap.mistakes import Mistakes
from bootstrap.neighbours import Neighbours
from bootstrap.network_group import NAMES, groups_at
from bootstrap.peer_book import PeerBook
from bootstrap.place import Place
from bootstrap.progress import Progress
from bootstrap.reachable import is_within_reach
from bootstrap.saving import Saving
from protocol.errors import MarketError
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

DIALS_MAX = 4  # at once; a dead address must not hold up a live one
LOOK_MS = 1_000  # between two looks at who is connected ...
LOOK_MS_MIN = 100  # ... however often somebody comes and goes

TaskStatus = Any  # trio's own type; the stubs libp2p brings along hide it from the type checker


class Joiner:
    """Keeps dialling what the book knows, for ever, with a growing pause after each failure.

    Args:
        own_id: Our own identity, which is never dialled.
        network: The id of our network, in hex.
        dialer: Opens connections.
        book: What is known; changed in place.
        leads: What the operator named to join by.
        save: Stores the bytes of the book.
        clock_ms: A monotonic clock, for every wait: nobody is out of reach because a clock was set.
        date_ms: The Unix clock, for what the book remembers.
        dice: A number from 0 up to but not including 1.
        report: Told in one line how joining goes, when that changes.
        notice: Told in one line what the operator should know.
    """

    def __init__(
        self,
        *,
        own_id: PeerId,
        network: str,
        dialer: Dialer,
        book: PeerBook,
        leads: Iterable[Lead],
        save: Callable[[bytes], Awaitable[None]],
        clock_ms: Callable[[], int],
        date_ms: Callable[[], int],
        dice: Callable[[], float],
        report: Callable[[str], None],
        notice: Callable[[str], None],
    ) -> None:
        self._own_id = own_id
        self._dialer = dialer
        self._book = book
        self._leads = Leads(leads, book=book, dialer=dialer, date_ms=date_ms, notice=notice)
        self._saving = Saving(book, save)
        self._clock_ms = clock_ms
        self._date_ms = date_ms
        self._dice = dice
        self._progress = Progress(report)
        self._attempts = Attempts(clock_ms=clock_ms, dice=dice)
        self._neighbours = Neighbours(dialer, clock_ms)
        self._mistakes = Mistakes()
        self._dialling: dict[str, tuple[str, ...]] = {}  # peer or lead -> its groups
        self._meetings = Meetings(
            network=network,
            dialer=dialer,
            book=book,
            attempts=self._attempts,
            mistakes=self._mistakes,
            notice_foreigner=self._notice_foreigner,
            notice_mute=self._notice_mute,
            note_proven=self._note_proven,
            changed=self._saving.note_change,
            clock_ms=clock_ms,
            date_ms=date_ms,
        )
        self.chosen = self._meetings.chosen
        self._feeling = Feeling(
            book=book,
            meetings=self._meetings,
            attempts=self._attempts,
            clock_ms=clock_ms,
            date_ms=date_ms,
            dice=dice,
        )
        self._wake = trio.Event()

    async def run(self, *, task_status: TaskStatus = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; start with `await nursery.start(joiner.run)`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._saving.run)
                task_status.started()
                while True:
                    peers = self._neighbours.look()
                    self._meetings.judge(peers, nursery)
                    places = self._places()
                    self._dial_what_is_due(places, peers, nursery)
                    self._feel(places, peers, nursery)
                    self._tell(places, peers)
                    await trio.sleep(LOOK_MS_MIN / 1000)
                    with trio.move_on_after((LOOK_MS - LOOK_MS_MIN) / 1000):
                        await self._wake.wait()
                    self._wake = trio.Event()
        finally:
            self._meetings.part(self._dialer.peers())
            await self._saving.end()

    def look(self) -> None:
        """Look again soon; to be called when a peer came or left."""
        self._neighbours.forget()
        self._wake.set()

    def moved(self) -> None:
        """Try again soon what failed: our own address changed, and we may be in another network."""
        self._attempts.moved()
        self._wake.set()

    def learn(
        self,
        peer_id: PeerId,
        addresses: Sequence[str],
        teller: PeerId | None = None,
        *,
        is_local: bool = False,
    ) -> None:
        """Note where a peer says it can be dialled; what cannot be dialled is passed over.

        Args:
            peer_id: Whose addresses they are, and who signed them.
            addresses: Full multiaddrs.
            teller: The connected peer that handed them to us; None if that is not known.
            is_local: Whether the local network itself told us, which no stranger far away can.
        """
        if peer_id == self._own_id:
            return
        try:
            if take_in(
                self._book,
                peer_id,
                addresses,
                teller=teller,
                is_local=is_local,
                neighbours=self._neighbours,
                now_ms=self._date_ms(),
            ):
                self._saving.note_change()
        except Exception as error:  # the door: a stranger chooses what he says of himself
            self._mistakes.note(f"learn where {peer_id} is", error)

    # Whom to dial.

    def _places(self) -> list[Place]:
        return [place for place in self._book.places() if place.peer_id != self._own_id]

    def _out_of_bounds(self, peers: Sequence[Connected]) -> set[PeerId]:
        connected = {peer.peer_id for peer in peers}
        return connected | {PeerId(key) for key in (*self._dialling, *self._attempts.weary())}

    def _groups(self, peers: Sequence[Connected]) -> list[set[str]]:
        """Return the groups of everybody we dialled, but for those who proved to be of no use.

        Whoever was dialled by a name counts among the names as well as where the name led, and
        a circuit as one as well as where its relay is.
        """
        outbound = [
            {*groups_at(peer.address), *([NAMES] if self._meetings.is_named(peer.peer_id) else [])}
            for peer in peers
            if peer.outbound and (peer.is_ours or self._meetings.is_in_doubt(peer.peer_id))
        ]
        return [*outbound, *map(set, self._dialling.values())]

    def _dial_what_is_due(
        self, places: Sequence[Place], peers: Sequence[Connected], nursery: trio.Nursery
    ) -> None:
        self._follow_leads(peers, nursery)
        due = choose(
            places,
            trials=self._attempts.trials,
            connected=self._out_of_bounds(peers),
            outbound=self._groups(peers),
            now_ms=self._clock_ms(),
            most=min(DIALS_MAX - len(self._dialling), self._attempts.left),
            dice=self._dice,
        )
        for place in due:
            self._begin(place, nursery)

    def _begin(self, place: Place, nursery: trio.Nursery) -> None:
        self._attempts.begin(place.peer_id)
        self._dialling[place.peer_id] = place.groups
        nursery.start_soon(self._dial, place)

    async def _dial(self, place: Place) -> None:
        try:
            await self._dialer.dial(place.address, allows=self._allows(place))
        except AlreadyConnected:
            self._meetings.feelers.discard(place.peer_id)
        except SomebodyElse as error:
            self._note_failure(place)
            if place.is_configured:
                short = self._leads.somebody_else(place, error.found)
                self._progress.note_obstacle(short)
        except MarketError as error:
            logger.debug("%s", error)
            self._note_failure(place)
        except Exception as error:  # the door: no mistake of a dialler may end the node
            self._mistakes.note(f"dial {place.address}", error)
            self._note_failure(place)
        else:
            self._attempts.succeeded(place.address)
            self._meetings.begin(place.peer_id, place.address)
        finally:
            self._dialling.pop(place.peer_id, None)
            self._wake.set()
        self._progress.note_tried(place.address)

    def _allows(self, place: Place) -> Allows:
        """Return where the name in an address may lead: a stranger may have named it."""
        neighbours = self._neighbours.hosts()
        if place.is_configured or place.is_anchor or (place.worked_ms and not neighbours):
            return anywhere
        return lambda host: is_within_reach(host, neighbours)

    def _note_failure(self, place: Place) -> None:
        self._meetings.feelers.discard(place.peer_id)
        self._attempts.failed(place.address)
        if self._neighbours.is_joined():  # else it may be our own line that does not work
            self._book.failed(place.address, self._date_ms())

    def _feel(
        self, places: Sequence[Place], peers: Sequence[Connected], nursery: trio.Nursery
    ) -> None:
        """Once in a while dial somebody we need not."""
        if self._feeling.settle(peers):
            self._saving.note_change()
        place = self._feeling.next(places, self._out_of_bounds(peers))
        if place is not None:
            self._meetings.feelers.add(place.peer_id)
            self._begin(place, nursery)

    # What the operator named.

    def _follow_leads(self, peers: Sequence[Connected], nursery: trio.Nursery) -> None:
        weary = self._attempts.weary()
        is_joined = any(peer.is_ours for peer in peers)
        for lead in self._leads.open():
            trial = self._attempts.trials.get(lead.text)
            is_due = trial is None or trial.due_ms <= self._clock_ms()
            is_list_read = isinstance(lead, AddressList) and trial is not None and is_joined
            has_room = self._attempts.left > 0 and len(self._dialling) < DIALS_MAX
            if (
                is_due
                and has_room
                and not is_list_read
                and not self._meetings.is_at(lead.text)
                and not {lead.text} & (weary | self._dialling.keys())
            ):
                self._attempts.begin(lead.text)
                self._dialling[lead.text] = ()
                nursery.start_soon(self._follow, lead)

    async def _follow(self, lead: Lead) -> None:
        try:
            peer_id = await self._leads.follow(lead)
        except MarketError as error:
            logger.debug("%s", error)
            self._attempts.failed(lead.text)
            self._progress.note_obstacle(str(error))
        except Exception as error:  # the door: no mistake of a dialler may end the node
            self._mistakes.note(f"follow {lead.text}", error)
            self._attempts.failed(lead.text)
        else:
            self._attempts.succeeded(lead.text)
            if peer_id is not None:
                address = f"{lead.text}/p2p/{peer_id}"
                self._attempts.succeeded(address)
                self._meetings.begin(peer_id, address, is_lead=True)
        finally:
            self._dialling.pop(lead.text, None)
            self._wake.set()
        self._progress.note_tried(lead.text)

    # What is told and kept.

    def _notice_foreigner(self, address: str, what: str) -> bool:
        """Say what somebody at an address is, if the operator named it; return whether so."""
        place, lead = self._book.find(address), self._leads.open_at(address)
        if lead is not None:
            self._attempts.led_astray(lead.text, is_configured=True)
        elif place is None or not place.is_configured:
            return False
        self._progress.note_obstacle(what)
        self._leads.notice_once(f"{what}; see --network and --bootstrap")
        return True

    def _notice_mute(self, address: str, what: str) -> None:
        """Say that somebody at an address does not answer, if the operator named it."""
        place, lead = self._book.find(address), self._leads.open_at(address)
        if lead is not None:
            self._attempts.failed(lead.text)
        if lead is not None or (place is not None and place.is_configured):
            self._progress.note_obstacle(what)

    def _note_proven(self, address: str) -> None:
        if self._leads.proven(address):
            self._saving.note_change()

    def _tell(self, places: Sequence[Place], peers: Sequence[Connected]) -> None:
        now_ms, due_ms = self._clock_ms(), None
        peer_count = sum(peer.is_ours for peer in peers)
        if peer_count == 0:
            bounds = self._dialling.keys() | {peer.peer_id for peer in peers}
            free = [place.address for place in places if place.peer_id not in bounds]
            leads = (lead.text for lead in self._leads.open())
            free += [
                text for text in leads if text not in bounds and not self._meetings.is_at(text)
            ]
            due_ms = next_due_ms(free, trials=self._attempts.trials, now_ms=now_ms)
        self._progress.tell(
            peer_count=peer_count,
            due_ms=due_ms,
            is_dialling=bool(self._dialling) or self._meetings.is_waiting(),
            now_ms=now_ms,
        )
