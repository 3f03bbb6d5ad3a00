"""What nobody foresaw: noted, and survived. Strangers choose much of what a joining node meets."""

import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Mistakes:
    """Notes what went wrong in this program itself, aloud once of each kind."""

    def __init__(self) -> None:
        self._kinds: set[type[Exception]] = set()

    def note(self, attempt: str, error: Exception) -> None:
        """Log an error that no caller names, and what was attempted, as in "dial ADDRESS"."""
        level = logging.DEBUG if type(error) in self._kinds else logging.ERROR
        self._kinds.add(type(error))
        what = "a mistake of this program: it could not %s"
        logger.log(level, what, attempt, exc_info=error)

    async def outlive(
        self, attempt: str, function: Callable[..., Awaitable[None]], *args: object
    ) -> None:
        """Run something of which no error may end the node, as a stranger has a hand in it."""
        try:
            await function(*args)
        except Exception as error:  # the door: whatever it is
            self.note(attempt, error)
