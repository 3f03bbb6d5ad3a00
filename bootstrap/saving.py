"""When the peer book is written: soon after the start, then now and then, and once at the end."""

import logging
from collections.abc import Awaitable, Callable

import trio

from bootstrap.book_file import encode_book
from bootstrap.peer_book import PeerBook
from protocol.errors import MarketError

logger = logging.getLogger(__name__)

SAVE_MS = 10_000  # between two writes of the book
SAVE_FIRST_MS = 1_000  # to the first one, then twice that: many a node is killed when it is young
LAST_SAVE_S = 2.0


class Saving:
    """Writes a book that changed.

    Args:
        book: What is written.
        save: Stores its bytes.
    """

    def __init__(self, book: PeerBook, save: Callable[[bytes], Awaitable[None]]) -> None:
        self._book = book
        self._save = save
        self._is_saved = True

    def note_change(self) -> None:
        """Have the book written with the next round."""
        self._is_saved = False

    async def run(self) -> None:
        """Write what changed once in SAVE_MS at most, but for the first few times."""
        pause_ms = SAVE_FIRST_MS
        while True:
            await trio.sleep(pause_ms / 1000)
            await self._save_if_changed()
            pause_ms = min(2 * pause_ms, SAVE_MS)

    async def end(self) -> None:
        """Write what changed though everything is being cancelled, within LAST_SAVE_S."""
        scope = trio.move_on_after(LAST_SAVE_S)
        scope.shield = True
        with scope:
            await self._save_if_changed()

    async def _save_if_changed(self) -> None:
        if self._is_saved:
            return
        self._is_saved = True
        try:
            await self._save(encode_book(self._book))
        except trio.Cancelled:  # perhaps before anything was written; the last save is not
            self._is_saved = False
            raise
        except (OSError, MarketError) as error:
            self._is_saved = False
            logger.warning("cannot save the peer book: %s", error)
