"""Turns what the operator named into full addresses: asks who is there, and reads lists."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from bootstrap.address_list import follow_list
from bootstrap.addresses import PeerAddress
from bootstrap.dialing import Dialer
from bootstrap.leads import AddressList, Lead, OpenPlace
from bootstrap.peer_book import PeerBook
from bootstrap.place import Place
from protocol.ids import PeerId

NOTICES_MAX = 256  # in one run: an identity is made up in no time


class Leads:
    """Those of the operator's leads that are no full address yet; what they lead to is configured.

    Who answered first at a place without a peer id, and is of our network, is pinned in the book:
    nobody else is accepted there later, until the operator names the full address.

    Args:
        leads: Everything the operator named.
        book: Where pins and configured places are kept.
        dialer: Connects, and reads TXT records.
        date_ms: The Unix clock.
        notice: Told in one line what the operator should know.
    """

    def __init__(
        self,
        leads: Iterable[Lead],
        *,
        book: PeerBook,
        dialer: Dialer,
        date_ms: Callable[[], int],
        notice: Callable[[str], None],
    ) -> None:
        self._book = book
        self._dialer = dialer
        self._date_ms = date_ms
        self._notice = notice
        self._open: dict[str, Lead] = {}
        self._named: set[str] = set()  # configured by other leads than lists
        self._listed: dict[str, frozenset[str]] = {}  # by list, what it last named
        self._noticed: set[str] = set()
        named = list(leads)
        for lead in named:
            if isinstance(lead, PeerAddress):
                self._configure(lead.text)
                where = lead.text.removesuffix(f"/p2p/{lead.peer_id}")
                if book.pinned(where) not in (None, lead.peer_id):
                    book.pin(where, lead.peer_id, date_ms())
        full = {lead.text for lead in named if isinstance(lead, PeerAddress)}
        for lead in named:
            if isinstance(lead, OpenPlace):
                pinned = book.pinned(lead.text)
                if pinned is None:
                    self._open[lead.text] = lead
                elif lead.address_of(pinned) not in full:
                    self._configure(lead.address_of(pinned))
            elif isinstance(lead, AddressList):
                self._open[lead.text] = lead

    def open(self) -> tuple[Lead, ...]:
        """Return the leads that lead nowhere yet, and the lists, which are read again and again."""
        return tuple(self._open.values())

    async def follow(self, lead: Lead) -> PeerId | None:
        """Find out what a lead stands for; return who is connected by it, if anybody.

        What a list named before and names no more is configured no more. Whoever answers at a place
        is nobody yet: see `proven`.

        Raises:
            MarketError: Nobody answers there, or the list names no address.
        """
        if isinstance(lead, AddressList):
            self._replace(lead, frozenset(await follow_list(lead, self._dialer.texts)))
            return None
        assert isinstance(lead, OpenPlace)
        return await self._dialer.meet(lead.text)

    def open_at(self, address: str) -> OpenPlace | None:
        """Return the lead without a peer id that leads to a full address and is not pinned yet."""
        lead = self._open.get(address.rpartition("/p2p/")[0])
        return lead if isinstance(lead, OpenPlace) else None

    def proven(self, address: str) -> bool:
        """Pin who is at a full address if a lead waits for that; return whether so."""
        lead = self.open_at(address)
        if lead is None:
            return False
        peer_id = PeerId(address.rpartition("/p2p/")[2])
        self._book.pin(lead.text, peer_id, self._date_ms())
        self._configure(lead.address_of(peer_id))
        del self._open[lead.text]
        self._notice(
            f"{lead.text} is {peer_id}: trusted as the first to answer there; "
            "from now on nobody else is accepted at that address"
        )
        return True

    def _configure(self, address: str) -> None:
        self._named.add(address)
        self._book.configure(address)

    def _replace(self, lead: AddressList, listed: frozenset[str]) -> None:
        """Have what a list names now configured in place of what it named before."""
        before = self._listed.get(lead.text, frozenset())
        self._listed[lead.text] = listed
        for text in before.difference(self._named, *self._listed.values()):
            self._book.release(text)
        for text in listed:
            self._book.configure(text)

    def somebody_else(self, place: Place, found: str) -> str:
        """Say once that another identity answers at a configured place; return the short of it."""
        where = place.address.removesuffix(f"/p2p/{place.peer_id}")
        short = f"{found or 'somebody else'} answers at {where}, not {place.peer_id}"
        pinned_ms = {text: pinned_ms for text, _, pinned_ms in self._book.pins()}.get(where)
        if pinned_ms is not None and self._book.pinned(where) == place.peer_id:
            date = datetime.fromtimestamp(pinned_ms / 1000, UTC).strftime("%Y-%m-%d")
            remedy = f"if it has a new key, start once with --bootstrap {where}/p2p/{found}"
            self.notice_once(f"{short}, who did on {date}; refused: {remedy}")
        else:
            remedy = "if it has a new key, correct --bootstrap or the network's file"
            self.notice_once(f"{short}; refused: {remedy}")
        return short

    def notice_once(self, line: str) -> None:
        """Tell the operator something that stays true, so that it need not be said again."""
        if line not in self._noticed and len(self._noticed) < NOTICES_MAX:
            self._noticed.add(line)
            self._notice(line)
