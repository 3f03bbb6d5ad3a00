"""One comparison that we asked for: find out what each side lacks, and move it both ways."""

import logging
from collections.abc import Iterator, Sequence

import trio

from bootstrap.mistakes import Mistakes
from node.core.sync import Outcome, Session
from node.errors import NetError, NotStored, StoreDamaged, StoreError
from node.exchange import (
    COMPARISON_BYTES_MAX,
    NAME_BYTES,
    Comparison,
    pack_comparison,
)
from node.loop import Loop
from node.ports import Log
from node.salted import SaltedItems
from node.sync_answers import SESSION_S
from node.sync_items import SyncItems
from node.sync_limits import ASKING, FIRST_QUERY_BYTES_MAX, FIRST_S
from node.sync_moves import Ask, Moves, Patience, Progress
from protocol.errors import Malformed, ProtocolError
from protocol.ids import RecordId
from protocol.params import Network
from protocol.reconcile import ROUNDS_MAX, Step, initiate, proceed
from protocol.reconcile_items import Items
from protocol.reconcile_wire import VERSION
from protocol.topics import Topics

logger = logging.getLogger(__name__)

_CAUSED = (ProtocolError, NetError, trio.TooSlowError, NotStored, StoreError)


class SyncSession:
    """Runs one session; `progress` may be read meanwhile."""

    def __init__(
        self,
        session: Session,
        *,
        ask: Ask,
        loop: Loop,
        log: Log,
        items: SyncItems,
        network: Network,
        topics: Topics,
        checks: trio.CapacityLimiter,
        salt: bytes,
        mistakes: Mistakes,
    ) -> None:
        """Take the doors; `salt` is used if the session is to be salted."""
        self._session = session
        self._mistakes = mistakes
        self._ask = ask
        self._items = items
        self._topics = topics
        self._checks = checks
        self._salt = salt if session.is_salted else b""
        self._salted: SaltedItems | None = None
        self._patience = Patience()
        self._moves = Moves(
            peer=session.peer,
            ask=ask,
            patience=self._patience,
            loop=loop,
            log=log,
            network=network,
            topics=topics,
            checks=checks,
            salt=self._salt,
        )

    @property
    def progress(self) -> Progress:
        """Return how far it is."""
        return self._moves.progress

    async def run(self) -> Outcome:
        """Compare and move until both have all, or it fails; never raises what a peer causes.

        Raises:
            StoreDamaged: Our own disk holds something else than was written.
        """
        is_done = False
        try:
            with trio.move_on_after(SESSION_S):
                is_done = await self._run()
        except _CAUSED as error:
            return self._broken_off([error])
        except ExceptionGroup as group:  # two things go on at once while records are fetched
            return self._broken_off(list(_singles(group)))
        except Exception as error:  # the door: what comes is the peer's choice
            return self._broken_off([error])
        if not is_done:
            return Outcome.UNFINISHED if self.progress.moved else Outcome.FAILED
        if self._moves.is_refused:
            return Outcome.REFUSED
        return Outcome.MOVED if self.progress.moved else Outcome.EQUAL

    def _broken_off(self, errors: Sequence[Exception]) -> Outcome:
        for error in errors:
            if isinstance(error, StoreDamaged):
                raise error
        for error in errors:
            if isinstance(error, ProtocolError):
                logger.warning(
                    "what a peer sent in sync is wrong: %s",
                    error,
                    extra={"peer": str(self._session.peer)},
                )
                return Outcome.WRONG
        for error in errors:
            if not isinstance(error, _CAUSED):
                self._mistakes.note(f"compare logs with {self._session.peer}", error)
                return Outcome.FAILED
        reason = str(errors[0]) or "too slow"
        logger.info("sync broke off: %s", reason, extra={"peer": str(self._session.peer)})
        is_ours = any(isinstance(error, NotStored | StoreError) for error in errors)
        return Outcome.UNFINISHED if is_ours else Outcome.FAILED

    async def _run(self) -> bool:
        """Answer whether all was compared and moved, as far as the peer takes it."""
        answer = await self._compare(await self._first_query())
        if answer == bytes([VERSION]):  # nothing differs
            return True
        items = await self._in_memory()
        for _ in range(ROUNDS_MAX):
            step = await trio.to_thread.run_sync(
                proceed, items, answer, ASKING, limiter=self._checks
            )
            await self._move(step)
            if self._moves.is_enough:
                return False
            if step.query is None:
                return True
            answer = await self._compare(step.query)
        return False

    async def _move(self, step: Step) -> None:
        moves = self._moves
        have = moves.unoffered(step.have)
        if moves.is_refused:
            have = []
        moves.progress.expected += len(have) + step.unnamed + len(step.need)
        await moves.fetch(step.need)
        names = moves.offer(have)
        if self._salted is not None:
            names = self._salted.resolve([one[:NAME_BYTES] for one in names])
        await moves.push([RecordId(one) for one in names])
        moves.is_enough = moves.is_enough or (step.unnamed > 0 and not moves.is_refused)

    async def _first_query(self) -> bytes:
        if self._salt:
            self._salted = await self._items.salted(self._salt)
            return initiate(self._salted.items, equal_at_best=True)
        if self._session.is_surely_different:
            return initiate(await self._in_memory())
        async with self._items.in_rows(self._session.since_ms) as rows:
            return initiate(rows, equal_at_best=True)

    async def _compare(self, query: bytes) -> bytes:
        request = pack_comparison(Comparison(self._session.since_ms, self._salt, query))
        is_quick = self.progress.compared == 0 and len(query) <= FIRST_QUERY_BYTES_MAX
        is_quick = is_quick and not self._salt  # hashing a whole log takes its time
        with self._patience.waiting(FIRST_S) if is_quick else self._patience.waiting():
            answer = await self._ask(self._session.peer, self._topics.compare_stream, request)
        if len(answer) > COMPARISON_BYTES_MAX:
            raise Malformed(f"comparison: {len(answer)} bytes, need at most {COMPARISON_BYTES_MAX}")
        self.progress.compared += 1
        return answer

    async def _in_memory(self) -> Items:
        if self._salted is not None:
            return self._salted.items
        return await self._items.in_memory(self._session.since_ms)


def _singles(group: "ExceptionGroup[Exception]") -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _singles(error)
        else:
            yield error
