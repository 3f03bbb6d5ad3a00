"""One comparison that we asked for: find out what each side lacks, and move it both ways."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from consensus.log import find_record, has_record
from node.core.sync import Outcome, Session
from node.errors import NetError
from node.exchange import (
    COMPARISON_BYTES_MAX,
    NAME_BYTES,
    RECORDS_PER_NAME_MAX,
    RECORDS_PER_REQUEST_MAX,
    RESPONSE_BYTES_MAX,
    Comparison,
    pack_blobs,
    pack_comparison,
    pack_wanted,
    read_blobs,
)
from node.gate import open_all
from node.loop import Loop
from node.ports import Log
from node.sync_answers import LIMITS, tell
from node.sync_items import SaltedItems, SyncItems
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId, RecordId, sha256
from protocol.params import Network
from protocol.reconcile import ROUNDS_MAX, initiate, proceed
from protocol.reconcile_items import Items
from protocol.reconcile_wire import VERSION
from protocol.record import Verified, signed_bytes
from protocol.topics import Topics

logger = logging.getLogger(__name__)

FIRST_S = 3.0  # for the first answer, at most 400 bytes: whoever is silent holds up the others
COMPARE_S = 8.0  # for a later one: a slow line takes 2 s, a busy peer some more
SESSION_S = 900.0  # what is not moved by then, the next session moves
PUSHED_MAX = 200_000  # records offered in one session; a guess: some 20 MB of ids

Ask = Callable[[PeerId, str, bytes], Awaitable[bytes]]


@dataclass(slots=True)
class Progress:
    """How far a session is.

    Attributes:
        compared: Answers to our queries so far.
        fetched: Records that came.
        pushed: Records that went.
        expected: Records that are to come or go, as far as the comparison tells.
    """

    compared: int = 0
    fetched: int = 0
    pushed: int = 0
    expected: int = 0

    @property
    def moved(self) -> int:
        """Return how many records changed sides."""
        return self.fetched + self.pushed


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
    ) -> None:
        """Take the doors; `salt` is used if the session is to be salted."""
        self.progress = Progress()
        self._session = session
        self._peer = session.peer
        self._ask = ask
        self._loop = loop
        self._log = log
        self._items = items
        self._network = network
        self._topics = topics
        self._checks = checks
        self._salt = salt if session.is_salted else b""
        self._salted: SaltedItems | None = None
        self._pushed: set[bytes] = set()

    async def run(self) -> Outcome:
        """Compare and move until both have all, or it fails; never raises what a peer causes."""
        try:
            with trio.fail_after(SESSION_S):
                await self._run()
        except (ProtocolError, NetError, trio.TooSlowError) as error:
            return self._failed([error])
        except ExceptionGroup as group:  # two things go on at once while records are fetched
            return self._failed(_singles(group))
        return Outcome.MOVED if self.progress.moved else Outcome.EQUAL

    def _failed(self, errors: Sequence[Exception]) -> Outcome:
        for error in errors:
            if isinstance(error, ProtocolError):
                logger.warning("peer %s sent what is wrong in sync: %s", self._peer, error)
                return Outcome.WRONG
        logger.info("sync with %s broke off: %s", self._peer, str(errors[0]) or "too slow")
        return Outcome.FAILED

    async def _run(self) -> None:
        if self._salt:
            self._salted = await self._items.salted(self._salt)
            query = initiate(self._salted.items, equal_at_best=True)
        else:
            async with self._items.in_rows(self._session.since_ms) as rows:
                query = initiate(rows, equal_at_best=True)
        answer = await self._compare(query)
        if answer == bytes([VERSION]):  # nothing differs
            return
        items = await self._in_memory()
        for _ in range(ROUNDS_MAX):
            step = await trio.to_thread.run_sync(
                proceed, items, answer, LIMITS, limiter=self._checks
            )
            have = [one for one in step.have if one not in self._pushed]
            self.progress.expected += len(have) + len(step.need)
            await self._fetch(step.need)
            await self._push(have)
            if step.query is None:
                return
            answer = await self._compare(step.query)

    async def _compare(self, query: bytes) -> bytes:
        request = pack_comparison(Comparison(self._session.since_ms, self._salt, query))
        with trio.fail_after(COMPARE_S if self.progress.compared else FIRST_S):
            answer = await self._ask(self._peer, self._topics.compare_stream, request)
        if len(answer) > COMPARISON_BYTES_MAX:
            raise Malformed(f"comparison: {len(answer)} bytes, need at most {COMPARISON_BYTES_MAX}")
        self.progress.compared += 1
        return answer

    async def _in_memory(self) -> Items:
        if self._salted is not None:
            return self._salted.items
        return await self._items.in_memory(self._session.since_ms)

    async def _fetch(self, need: Sequence[bytes]) -> None:
        """Fetch records; while some are checked and stored, the next are on their way."""
        send, receive = trio.open_memory_channel[list[bytes]](1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_for, need, send)
            async with receive:
                async for raws in receive:
                    records = await self._open(raws)
                    await tell(self._loop, records, self._peer)
                    self.progress.fetched += len(records)

    async def _ask_for(
        self, need: Sequence[bytes], send: "trio.MemorySendChannel[list[bytes]]"
    ) -> None:
        async with send:
            for at in range(0, len(need), RECORDS_PER_REQUEST_MAX):
                wanted = list(need[at : at + RECORDS_PER_REQUEST_MAX])
                while wanted:
                    # Gossip may have brought some meanwhile.
                    wanted = [one for one in wanted if self._salt or not self._has(one)]
                    raws = await self._named(wanted) if wanted else []
                    if raws:
                        await send.send(raws)
                    # What did not fit is asked for again; of what the peer dropped, nothing comes.
                    came = {self._name_of(raw) for raw in raws}
                    wanted = [one for one in wanted if one[:NAME_BYTES] not in came] if raws else []

    async def _named(self, wanted: Sequence[bytes]) -> list[bytes]:
        request = pack_wanted(self._salt, wanted)
        answer = await self._ask(self._peer, self._topics.records_stream, request)
        raws = read_blobs(
            answer,
            count_max=RECORDS_PER_NAME_MAX * RECORDS_PER_REQUEST_MAX,
            bytes_max=self._network.params.record_bytes_max,
        )
        names = {one[:NAME_BYTES] for one in wanted}
        if any(self._name_of(raw) not in names for raw in raws):
            raise Malformed("sync: a record that was not asked for")
        return raws

    def _has(self, record_id: bytes) -> bool:
        return has_record(self._log, RecordId(record_id))

    def _name_of(self, raw: bytes) -> bytes:
        """Return by which name a record is asked for."""
        record_id = sha256(signed_bytes(raw))
        return (sha256(self._salt, record_id) if self._salt else record_id)[:NAME_BYTES]

    async def _open(self, raws: list[bytes]) -> list[Verified]:
        records = await trio.to_thread.run_sync(open_all, raws, self._network, limiter=self._checks)
        if any(record.presence is not None for record in records):
            raise Malformed("sync: a presence among the records")
        return records

    async def _push(self, have: Sequence[bytes]) -> None:
        record_ids = (
            have
            if self._salted is None
            else self._salted.resolve([one[:NAME_BYTES] for one in have])
        )
        waiting: list[bytes] = []
        room = RESPONSE_BYTES_MAX
        for record_id in record_ids:
            if len(self._pushed) >= PUSHED_MAX:
                break
            self._pushed.add(record_id)
            async with self._loop.settled():
                raw = find_record(self._log, RecordId(record_id))
            if raw is None:  # the join has dropped it meanwhile
                continue
            if len(raw) + 5 > room or len(waiting) == RECORDS_PER_REQUEST_MAX:
                await self._send(waiting)
                waiting, room = [], RESPONSE_BYTES_MAX
            waiting.append(raw)
            room -= len(raw) + 5
        if waiting:
            await self._send(waiting)

    async def _send(self, raws: list[bytes]) -> None:
        await self._ask(self._peer, self._topics.push_stream, pack_blobs(raws))
        self.progress.pushed += len(raws)


def _singles(group: "ExceptionGroup[Exception]") -> list[Exception]:
    """Return the errors of a group that a peer can cause; any other one is raised."""
    caused, rest = group.split((ProtocolError, NetError, trio.TooSlowError))
    if rest is not None or caused is None:
        raise group
    found: list[Exception] = []
    for error in caused.exceptions:
        found += _singles(error) if isinstance(error, ExceptionGroup) else [error]
    return found
