"""Stays in touch with the network: dials, remembers what worked, and dials again after a loss."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import trio

from bootstrap.addresses import BadAddress, PeerAddress, parse_address
from bootstrap.dial_policy import Trial, after_failure, after_success, choose, next_due_ms
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PeerBook, Place
from protocol.errors import MarketError
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

DIALS_MAX = 4  # at once; a dead address must not hold up a live one
LOOK_MS = 1_000  # between two looks at who is connected
SAVE_MS = 10_000  # between two writes of the book
SAVE_FIRST_MS = 1_000  # to the first one, then twice that: many a node is killed when it is young
REPORT_MS = 5_000  # between two lines that say the same but for the seconds
TRIALS_MAX = 4_096  # addresses whose failures are remembered: four times what a full book holds
LAST_SAVE_S = 2.0

TaskStatus = Any  # trio's own type; the stubs libp2p brings along hide it from the type checker


class Connected(Protocol):
    """A live connection, as far as joining needs to know it."""

    @property
    def peer_id(self) -> PeerId:
        """Return the identity at the other end."""
        ...

    @property
    def outbound(self) -> bool:
        """Return whether we dialled it."""
        ...


class Dialer(Protocol):
    """Whoever opens connections for us."""

    async def dial(self, address: str) -> PeerId:
        """Connect to one full multiaddr, within a time of its own.

        Raises:
            MarketError: No authenticated connection came about.
        """
        ...

    def peers(self) -> Sequence[Connected]:
        """Return the live connections."""
        ...


class Joiner:
    """Keeps dialling what the book knows, for ever, with a growing pause after each failure.

    Args:
        own_id: Our own identity, which is never dialled.
        dialer: Opens connections.
        book: What is known; changed in place.
        save: Stores the bytes of the book; once in SAVE_MS at most, but for the first few times.
        clock_ms: A monotonic clock, for every wait: nobody is out of reach because a clock was set.
        date_ms: The Unix clock, for what the book remembers.
        dice: A number from 0 up to but not including 1.
        report: Told in one line how joining goes, when that changes.
    """

    def __init__(
        self,
        *,
        own_id: PeerId,
        dialer: Dialer,
        book: PeerBook,
        save: Callable[[bytes], Awaitable[None]],
        clock_ms: Callable[[], int],
        date_ms: Callable[[], int],
        dice: Callable[[], float],
        report: Callable[[str], None],
    ) -> None:
        self._own_id = own_id
        self._dialer = dialer
        self._book = book
        self._save = save
        self._clock_ms = clock_ms
        self._date_ms = date_ms
        self._dice = dice
        self._report = report
        self._trials: dict[str, Trial] = {}
        self._dialling: set[PeerId] = set()
        self._tried: set[str] = set()
        self._wake = trio.Event()
        self._is_saved = True
        self._reported = ("", 0)  # the line without its seconds, and when

    async def run(self, *, task_status: TaskStatus = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; start with `await nursery.start(joiner.run)`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_forever)
                task_status.started()
                while True:
                    self._dial_what_is_due(nursery)
                    self._tell()
                    with trio.move_on_after(LOOK_MS / 1000):
                        await self._wake.wait()
                    self._wake = trio.Event()
        finally:
            scope = trio.move_on_after(LAST_SAVE_S)
            scope.shield = True
            with scope:
                await self._save_if_changed()

    def look(self) -> None:
        """Look again at once; to be called when a peer left."""
        self._wake.set()

    def learn(self, peer_id: PeerId, addresses: Sequence[str]) -> None:
        """Note where a peer says it can be dialled; what cannot be dialled is passed over."""
        if peer_id == self._own_id:
            return
        for text in addresses[:ADDRESSES_PER_PEER_MAX]:
            parsed = _parse_quietly(text)
            if parsed is not None and parsed.peer_id == peer_id:
                is_news = self._book.heard(parsed.text, self._date_ms())
                self._is_saved = self._is_saved and not is_news

    def _places(self) -> list[Place]:
        return [place for place in self._book.places() if place.peer_id != self._own_id]

    def _dial_what_is_due(self, nursery: trio.Nursery) -> None:
        peers = self._dialer.peers()
        due = choose(
            self._places(),
            trials=self._trials,
            connected={peer.peer_id for peer in peers} | self._dialling,
            outbound_count=sum(peer.outbound for peer in peers),
            now_ms=self._clock_ms(),
        )
        for place in due[: DIALS_MAX - len(self._dialling)]:
            self._dialling.add(place.peer_id)
            nursery.start_soon(self._dial, place)

    async def _dial(self, place: Place) -> None:
        trial = self._trials.pop(place.address, Trial())
        try:
            await self._dialer.dial(place.address)
        except MarketError as error:
            logger.debug("%s", error)
            trial = after_failure(trial, self._clock_ms(), self._dice())
        else:
            trial = after_success(trial, self._clock_ms(), self._dice())
            self._book.worked(place.address, self._date_ms())
            self._is_saved = False
        finally:
            self._dialling.discard(place.peer_id)
            self._wake.set()
        self._tried.add(place.address)
        self._trials[place.address] = trial
        while len(self._trials) > TRIALS_MAX:
            del self._trials[next(iter(self._trials))]

    def _tell(self) -> None:
        now_ms = self._clock_ms()
        connected = {peer.peer_id for peer in self._dialer.peers()}
        if connected:
            self._tried.clear()
            self._say(f"connected to {_count(len(connected), 'peer')}", "", now_ms)
            return
        due_ms = next_due_ms(
            self._places(), trials=self._trials, connected=self._dialling, now_ms=now_ms
        )
        tried = f"waiting for peers: tried {_count(len(self._tried), 'address')}"
        if due_ms is not None:
            self._say(tried, f", next try in {-(-(due_ms - now_ms) // 1000)} s", now_ms)
        elif self._dialling:
            self._say(tried, ", dialling now", now_ms)
        else:
            self._say("waiting for peers: no address to dial", "; others can dial us", now_ms)

    def _say(self, line: str, ending: str, now_ms: int) -> None:
        said, said_ms = self._reported
        is_news = line != said or (ending != "" and now_ms - said_ms >= REPORT_MS)
        if is_news:
            self._reported = (line, now_ms)
            self._report(line + ending)

    async def _save_forever(self) -> None:
        pause_ms = SAVE_FIRST_MS
        while True:
            await trio.sleep(pause_ms / 1000)
            await self._save_if_changed()
            pause_ms = min(2 * pause_ms, SAVE_MS)

    async def _save_if_changed(self) -> None:
        if self._is_saved:
            return
        self._is_saved = True
        try:
            await self._save(self._book.encode())
        except trio.Cancelled:  # perhaps before anything was written; the last save is not
            self._is_saved = False
            raise
        except (OSError, MarketError) as error:
            self._is_saved = False
            logger.warning("cannot save the peer book: %s", error)


def _parse_quietly(text: str) -> PeerAddress | None:
    try:
        return parse_address(text)
    except BadAddress:
        return None


def _count(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else plural}"
