"""The leaderboard as any peer may ask for it: ranked beside the loop, and not for each who asks."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import trio

from consensus.leaderboard import Standing, leaderboard
from consensus.log import each_fault, each_pair, record_count, state_digest
from node.exchange import STANDINGS_MAX, pack_board
from node.names import alias_of
from node.ports import Log
from protocol.ids import Digest

KEPT_S = 1.0  # an answer, whatever changes: soon enough for a person who looks after a verdict
KEPT_MAX_S = 10.0  # however long the ranking takes; a meter ranks as rarely
KEPT_REST = 30  # an answer is kept so many times as long as it took: a thirtieth of a core
PAIRS_PER_SLICE = 2_000  # a guess: some 5 ms of the loop
ALIASES_PER_SLICE = 500  # a guess: some 5 ms of the loop
THREADS_MAX = 1

K = TypeVar("K")
V = TypeVar("V")


class ToldBoard:
    """Our leaderboard for peers, as it is or was some seconds ago; our own user is told it fresh.

    Strangers must not make a node rank at their pace: ranking 100,000 pairs takes a third of a
    second. So an answer is kept for a while though the log changes; it names the digest it is of.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._ranking = trio.Lock()
        self._thread = trio.CapacityLimiter(THREADS_MAX)
        self._kept_until_s = float("-inf")
        self._of: tuple[Digest, int] | None = None
        self._packed = b""

    async def answer(self) -> bytes:
        """Return the packed leaderboard: kept, or of the moment at which its ranking began.

        Raises:
            StoreError: The disk does not answer.
        """
        async with self._ranking:
            if trio.current_time() >= self._kept_until_s and self._of != self._now():
                # Whoever asks and leaves must not undo the work: the next would begin it anew.
                with trio.CancelScope(shield=True):
                    await self._renew()
            return self._packed

    async def _renew(self) -> None:
        begun_s = trio.current_time()
        digest, records = of = self._now()
        ranked = await self._rank()
        aliases = await _in_slices(
            ((standing, alias_of(self._log, standing.key)) for standing in ranked),
            ALIASES_PER_SLICE,
        )
        rows = list(aliases.items())
        pack = partial(pack_board, digest=digest, records=records, rows=rows)
        self._packed = await trio.to_thread.run_sync(pack, limiter=self._thread)
        self._of = of
        made_s = trio.current_time()
        rest_s = KEPT_REST * (made_s - begun_s)
        self._kept_until_s = made_s + min(KEPT_MAX_S, max(KEPT_S, rest_s))

    async def _rank(self) -> Sequence[Standing]:
        """Rank everyone as of now, and return as many as are told."""
        # Both walks begin before anything else can run: they show the moment of the digest.
        each, voided = each_pair(self._log), each_fault(self._log)
        pairs = await _in_slices(each, PAIRS_PER_SLICE)
        faults = await _in_slices(voided, PAIRS_PER_SLICE)
        ranked = await trio.to_thread.run_sync(leaderboard, pairs, faults, limiter=self._thread)
        return ranked[:STANDINGS_MAX]

    def _now(self) -> tuple[Digest, int]:
        return state_digest(self._log), record_count(self._log)


async def _in_slices(walk: Iterator[tuple[K, V]], count: int) -> dict[K, V]:
    """Read all of a walk, and let others run after so many."""
    found: dict[K, V] = {}
    while some := list(islice(walk, count)):
        found.update(some)
        await trio.lowlevel.checkpoint()
    return found
