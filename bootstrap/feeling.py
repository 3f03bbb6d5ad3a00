"""Whom we dial though we need not, once in a while, so that the peer book is of use one day."""

from collections.abc import Callable, Collection, Sequence

from bootstrap.attempts import Attempts
from bootstrap.dial_policy import choose_feeler
from bootstrap.dialing import Connected
from bootstrap.meetings import Meetings
from bootstrap.peer_book import PeerBook
from bootstrap.place import Place
from protocol.ids import PeerId

FEEL_MS = 120_000  # between two dials made only to learn whether somebody is there
STEP_MS_MAX = 2_000  # between two looks; what is more we slept through, and tested nobody


class Feeling:
    """Says whose turn it is to be felt out.

    Args:
        book: Knows who is to be tested.
        meetings: Knows who proved to be one of us, and where.
        attempts: What came of dialling.
        clock_ms: A monotonic clock.
        date_ms: The Unix clock.
        dice: A number from 0 up to but not including 1.
    """

    def __init__(
        self,
        *,
        book: PeerBook,
        meetings: Meetings,
        attempts: Attempts,
        clock_ms: Callable[[], int],
        date_ms: Callable[[], int],
        dice: Callable[[], float],
    ) -> None:
        self._book = book
        self._meetings = meetings
        self._attempts = attempts
        self._clock_ms = clock_ms
        self._date_ms = date_ms
        self._dice = dice
        self._felt_ms = self._settled_ms = clock_ms()
        self._is_rumours_turn = False

    def settle(self, peers: Sequence[Connected]) -> bool:
        """Take for tested whom we dialled at the very place in question; let the others wait.

        Args:
            peers: Who is connected.

        Returns:
            Whether the book changed.
        """
        now_ms = self._clock_ms()
        passed_ms = min(now_ms - self._settled_ms, STEP_MS_MAX)
        self._settled_ms = now_ms
        connected = {peer.peer_id for peer in peers if peer.is_ours and peer.outbound}
        there = [
            place.address
            for place in map(self._book.find, self._book.challenged())
            if place is not None
            and place.peer_id in connected
            and self._meetings.is_proven_at(place.address)
        ]
        for address in there:
            self._book.worked(address, self._date_ms())
        # Without anybody there may be no line, and nobody could be tested.
        has_given_way = bool(connected) and self._book.wait(passed_ms, self._date_ms())
        return bool(there) or has_given_way

    def next(self, places: Sequence[Place], out_of_bounds: Collection[PeerId]) -> Place | None:
        """Return whom to dial now, if it is time and there is somebody.

        Args:
            places: All that is known.
            out_of_bounds: Who is connected, being dialled, or left alone.
        """
        now_ms = self._clock_ms()
        if now_ms - self._felt_ms < FEEL_MS or not self._attempts.left:
            return None
        self._felt_ms = now_ms
        is_rumours_turn = self._is_rumours_turn
        self._is_rumours_turn = not is_rumours_turn
        return choose_feeler(
            places,
            trials=self._attempts.trials,
            connected=out_of_bounds,
            challenged=self._book.challenged(),
            is_rumours_turn=is_rumours_turn,
            now_ms=now_ms,
            dice=self._dice,
        )
