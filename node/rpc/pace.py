"""How much strangers may ask: in all, and each of them.

A token stands for 6 ms of the node's event loop. Whoever asks for something that turns out dearer
runs into debt, and so do all together; nothing is asked again before it is paid back.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import trio

TOKENS_PER_S = 40.0  # in all: a quarter of the loop, so that the node has three
TOKENS_MAX = 200.0  # in all, saved up: some ten who open the page at once
TOKENS_PER_S_OF_ONE = 20.0
TOKENS_MAX_OF_ONE = 60.0  # the page twice; a guess
TOKEN_S = 0.25 / TOKENS_PER_S  # of the loop
# A bucket is full again after 3 s, and says no more than none: meanwhile no more come than are let
# in, 200 and 40 each second, so none is forgotten that matters. Each takes some 200 bytes.
CLIENTS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast tokens come, and how many are kept.

    Attributes:
        per_s: So many a second.
        most: No more are saved up, and no more than so many are owed.
    """

    per_s: float
    most: float


class Bucket:
    """Tokens that come by themselves, and are taken."""

    __slots__ = ("_at_s", "_level", "_rate")

    def __init__(self, rate: Rate, at_s: float) -> None:
        """Begin full."""
        self._rate = rate
        self._level = rate.most
        self._at_s = at_s

    def level(self, at_s: float) -> float:
        """Return how many there are at a moment that is not before the last; below 0 are owed."""
        return min(self._rate.most, self._level + (at_s - self._at_s) * self._rate.per_s)

    def take(self, tokens: float, at_s: float) -> None:
        """Take some, be they there or not."""
        self._level = max(-self._rate.most, self.level(at_s) - tokens)
        self._at_s = at_s

    def wait_s(self, at_s: float) -> float:
        """Return in how many seconds there is one; 0 if there is."""
        return max(0.0, (1 - self.level(at_s)) / self._rate.per_s)


class Pace:
    """Tells strangers to wait, each by itself and all together.

    Attributes:
        used_s: The clock by which is measured what an answer costs.
    """

    def __init__(
        self,
        *,
        of_all: Rate = Rate(TOKENS_PER_S, TOKENS_MAX),
        of_one: Rate = Rate(TOKENS_PER_S_OF_ONE, TOKENS_MAX_OF_ONE),
        clients_max: int = CLIENTS_MAX,
        clock: Callable[[], float] = trio.current_time,
        used_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """Take the rates and two clocks of seconds, which never go back.

        Args:
            of_all: How much is taken in all.
            of_one: How much each client takes.
            clients_max: How many clients are remembered.
            clock: The time.
            used_s: How long the thread of the event loop was at work.
        """
        self.used_s = used_s
        self._of_one = of_one
        self._clients_max = clients_max
        self._clock = clock
        self._all = Bucket(of_all, clock())
        self._clients: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._clients)

    def wait_s(self, client: str) -> float:
        """Return in how many seconds a client may ask; 0 for now."""
        at_s = self._clock()
        own = self._clients.get(client)
        return max(self._all.wait_s(at_s), 0.0 if own is None else own.wait_s(at_s))

    def take(self, client: str, tokens: float) -> None:
        """Count what a client has cost."""
        at_s = self._clock()
        self._all.take(tokens, at_s)
        own = self._clients.get(client)
        if own is None:
            own = self._clients[client] = Bucket(self._of_one, at_s)
        own.take(tokens, at_s)
        self._clients.move_to_end(client)
        if len(self._clients) > self._clients_max:
            self._clients.popitem(last=False)


def retry_after(wait_s: float) -> str:
    """Return the header of a refusal: whole seconds, and at least one."""
    return str(max(1, math.ceil(wait_s)))
