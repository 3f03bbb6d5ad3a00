"""Those who wait for the machine's word on what they handed over."""

from itertools import count

import trio

from node.core.effects import Word
from node.core.events import Token
from node.errors import RequestRefused
from protocol.ids import TaskId

Outcome = Word | TaskId | RequestRefused


class Waiter:
    """Somebody who waits."""

    __slots__ = ("done", "outcome")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: Outcome | None = None


class Waiters:
    """Everybody who waits, by the token that the machine's word will carry."""

    def __init__(self) -> None:
        self._tokens = count(1)
        self._waiting: dict[Token, Waiter] = {}

    def enter(self) -> tuple[Token, Waiter]:
        """Let somebody wait under a token of its own."""
        token, waiter = Token(next(self._tokens)), Waiter()
        self._waiting[token] = waiter
        return token, waiter

    def leave(self, token: Token) -> None:
        """Forget somebody who waits no longer."""
        self._waiting.pop(token, None)

    def answer(self, token: Token, outcome: Outcome) -> None:
        """Pass the machine's word on; whoever left misses nothing."""
        waiter = self._waiting.get(token)
        if waiter is not None:
            waiter.outcome = outcome
            waiter.done.set()

    def refuse_all(self, refusal: RequestRefused) -> None:
        """Tell everybody that no word will come."""
        for token in list(self._waiting):
            self.answer(token, refusal)
