"""So that one lost frame does not leave nodes apart: ids are compared, what is missing fetched.

Both sides of a connection do this on their own, on connecting and every few seconds. One session
has the word as long as it brings records, so that nothing is fetched twice; when it falls silent
the next begins beside it, so that a peer that never answers keeps nobody from the others. It costs
a list of all ids each time; range-based reconciliation is to replace it.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import trio

from consensus.log import find_record, has_record, record_ids
from node.core.events import PeerJoined, PresencesHeard, Received, SigningAllowed, Via
from node.errors import NetError, PeerFailed
from node.exchange import (
    IDS_PER_PAGE_MAX,
    PRESENCES_MAX,
    RECORDS_PER_REQUEST_MAX,
    pack_blobs,
    pack_ids,
    pack_ids_request,
    read_blobs,
    read_ids,
    read_ids_request,
)
from node.gate import CHECKS_AT_ONCE_MAX, open_all
from node.loop import Loop
from node.ports import Answerer, Log, Net
from protocol.canonical import pack
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId, RecordId
from protocol.params import Network
from protocol.record import Verified
from protocol.topics import Topics

if TYPE_CHECKING:
    from trio_typing import TaskStatus

T = TypeVar("T")

logger = logging.getLogger(__name__)

SYNC_EVERY_S = 10.0
ALONE_S = 10.0  # without a peer for so long, a node may sign: nobody knows more than it does
JOINED_WAITING_MAX = 256
SESSIONS_MAX = 24  # at once; the network door asks 32 questions at a time, others ask too
SESSION_S = 60.0  # for one session; what it did not fetch, the next round does
SESSIONS_PER_PEER_MAX = 2  # a peer that came back is greeted although its former self hangs
SILENCE_S = 0.2  # without a record; a guess: a peer on loopback answers in a tenth of that
WORD_S = 2.0  # so long one session has the word alone, however much it brings
STATEMENTS_TOLD_MAX = 512  # at once, so that a long catch-up leaves room for everything else


class Sync:
    """Fetches what others have and we lack; answers others that do the same."""

    def __init__(
        self,
        *,
        loop: Loop,
        log: Log,
        net: Callable[[], Net],
        network: Network,
        topics: Topics,
        live_presences: Callable[[], Sequence[bytes]],
        signing_allowed: bool,
        torn: bool = False,
    ) -> None:
        """Take the doors.

        Args:
            loop: Takes what was fetched.
            log: Tells what is here.
            net: Returns the network, once it is up.
            network: Whose records these are.
            topics: The names of the streams.
            live_presences: Returns what is told to a new peer.
            signing_allowed: Whether this key may sign before anything was fetched.
            torn: Whether the end of the journal was lost, so that being alone proves nothing.
        """
        self.completed = 0
        self.fetched = 0
        self.may_sign = signing_allowed and not torn
        self._torn = torn
        self._checks = trio.CapacityLimiter(CHECKS_AT_ONCE_MAX)
        self._loop = loop
        self._log = log
        self._net = net
        self._network = network
        self._topics = topics
        self._live_presences = live_presences
        self._meeting: Counter[PeerId] = Counter()
        self._slots = trio.CapacityLimiter(SESSIONS_MAX)
        self._send, self._joined = trio.open_memory_channel[PeerId](JOINED_WAITING_MAX)

    def answerers(self) -> dict[str, Answerer]:
        """Return who answers on which stream protocol."""
        return {
            self._topics.ids_stream: self._answer_ids,
            self._topics.records_stream: self._answer_records,
            self._topics.presence_stream: self._answer_presences,
        }

    def watch(self, peer_id: PeerId, here: bool) -> None:
        """Note that a peer came; never waits."""
        if here:
            try:
                self._send.send_nowait(peer_id)
            except trio.WouldBlock:
                logger.info("too many peers at once; %s is synced with later", peer_id)

    async def run(self, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled."""
        if self.may_sign:
            await self._loop.tell(SigningAllowed())
        task_status.started()
        async with trio.open_nursery() as nursery:
            await self._run_sessions(nursery)

    async def _run_sessions(self, nursery: trio.Nursery) -> None:
        alone_until = trio.current_time() + ALONE_S
        next_round = trio.current_time() + SYNC_EVERY_S
        while True:
            deadline = next_round if self.may_sign else min(next_round, alone_until)
            joined: PeerId | None = None
            with trio.move_on_at(deadline):
                joined = await self._joined.receive()
            if joined is not None:
                await self._begin(nursery, joined, self._greet)
            if not self.may_sign and trio.current_time() >= alone_until:
                alone_until += ALONE_S
                if not self._torn and not self._net().peers():
                    await self._allow_signing()
            if trio.current_time() >= next_round:
                # Whom we dialled first: strangers can fill only the places behind them.
                for peer in sorted(self._net().peers(), key=lambda peer: not peer.outbound):
                    await self._begin(nursery, peer.peer_id, self._pull_quietly)
                next_round = trio.current_time() + SYNC_EVERY_S

    async def _begin(
        self, nursery: trio.Nursery, peer_id: PeerId, session: Callable[[PeerId], Awaitable[None]]
    ) -> None:
        """Start a session with a peer, and stand by until it ends or falls silent."""
        if self._meeting[peer_id] >= SESSIONS_PER_PEER_MAX:
            return
        self._meeting[peer_id] += 1
        ended = trio.Event()

        async def meet() -> None:
            try:
                async with self._slots:
                    with trio.move_on_after(SESSION_S):
                        await session(peer_id)
            finally:
                self._meeting -= Counter((peer_id,))  # which drops what is down to nothing
                ended.set()

        nursery.start_soon(meet)
        fetched = -1
        with trio.move_on_after(WORD_S):
            while not ended.is_set() and fetched != self.fetched:
                fetched = self.fetched
                with trio.move_on_after(SILENCE_S):
                    await ended.wait()

    async def _allow_signing(self) -> None:
        if not self.may_sign:
            self.may_sign = True
            await self._loop.tell(SigningAllowed())

    async def _greet(self, peer_id: PeerId) -> None:
        """Meet a new peer: tell each other who is here, then fetch what it has."""
        await self._loop.tell(PeerJoined(peer_id))
        try:
            request = pack_blobs(self._live_presences())
            answer = await self._net().ask(peer_id, self._topics.presence_stream, request)
            await self._take_presences(peer_id, answer)
        except (NetError, ProtocolError) as error:
            logger.info("no presences from %s: %s", peer_id, error)
        await self._pull_quietly(peer_id)

    async def _pull_quietly(self, peer_id: PeerId) -> None:
        try:
            fetched = await self._pull(peer_id)
        except ProtocolError as error:
            logger.warning("peer %s sent a wrong record in sync: %s", peer_id, error)
            await self._net().hang_up(peer_id)
        except NetError as error:
            logger.info("sync with %s: %s", peer_id, error)
        else:
            self.completed += 1
            if fetched:
                logger.info("fetched %d records from %s", fetched, peer_id)
            await self._allow_signing()

    async def _pull(self, peer_id: PeerId) -> int:
        fetched = 0
        async for missing in self._missing(peer_id):
            wanted = missing
            while wanted:
                records = await self._fetch(peer_id, wanted[:RECORDS_PER_REQUEST_MAX])
                if records:
                    for some in _in_pieces(records):
                        await self._loop.tell(Received(some, Via.SYNC, peer_id))
                    fetched += len(records)
                    self.fetched += len(records)
                # What the peer did not send it no longer has, or it will come next time.
                came = {record.record_id for record in records}
                rest = [i for i in wanted[:RECORDS_PER_REQUEST_MAX] if i not in came]
                again = rest if records else []
                wanted = again + wanted[RECORDS_PER_REQUEST_MAX:]
        return fetched

    async def _missing(self, peer_id: PeerId) -> AsyncIterator[list[RecordId]]:
        after: tuple[int, RecordId] | None = None
        while True:
            request = pack_ids_request(after)
            page = read_ids(await self._net().ask(peer_id, self._topics.ids_stream, request))
            if page and after is not None and page[0] <= after:
                raise Malformed("sync: the ids do not ascend")
            yield [record_id for _, record_id in page if not has_record(self._log, record_id)]
            if len(page) < IDS_PER_PAGE_MAX:
                return
            after = page[-1]

    async def _fetch(self, peer_id: PeerId, wanted: Sequence[RecordId]) -> list[Verified]:
        answer = await self._net().ask(peer_id, self._topics.records_stream, pack(list(wanted)))
        raws = read_blobs(
            answer,
            count_max=len(wanted),
            bytes_max=self._network.params.record_bytes_max,
        )
        records = await trio.to_thread.run_sync(open_all, raws, self._network, limiter=self._checks)
        asked = set(wanted)
        if any(r.record_id not in asked or r.presence is not None for r in records):
            raise Malformed("sync: a record that was not asked for")
        return records

    async def _take_presences(self, peer_id: PeerId, data: bytes) -> None:
        raws = read_blobs(
            data, count_max=PRESENCES_MAX, bytes_max=self._network.params.record_bytes_max
        )
        records = await trio.to_thread.run_sync(open_all, raws, self._network, limiter=self._checks)
        if any(record.presence is None for record in records):
            raise Malformed("presences: something else among them")
        if records:
            await self._loop.tell(PresencesHeard(tuple(records), peer_id))

    async def _answer_ids(self, peer_id: PeerId, request: bytes) -> bytes:
        after = _refusing(read_ids_request, request)
        async with self._loop.settled():
            return pack_ids(record_ids(self._log, after=after))

    async def _answer_records(self, peer_id: PeerId, request: bytes) -> bytes:
        def read(data: bytes) -> list[bytes]:
            return read_blobs(data, count_max=RECORDS_PER_REQUEST_MAX, bytes_max=32)

        wanted = _refusing(read, request)
        async with self._loop.settled():
            found = (find_record(self._log, RecordId(record_id)) for record_id in wanted)
            return pack_blobs(raw for raw in found if raw is not None)

    async def _answer_presences(self, peer_id: PeerId, request: bytes) -> bytes:
        try:
            await self._take_presences(peer_id, request)
        except ProtocolError as error:
            raise PeerFailed(f"presences: {error}") from error
        return pack_blobs(self._live_presences())


def _in_pieces(records: Sequence[Verified]) -> Iterator[tuple[Verified, ...]]:
    """Cut records into runs of few enough statements."""
    some: list[Verified] = []
    statements = 0
    for record in records:
        some.append(record)
        statements += len(record.statements)
        if statements >= STATEMENTS_TOLD_MAX:
            yield tuple(some)
            some, statements = [], 0
    if some:
        yield tuple(some)


def _refusing(read: Callable[[bytes], T], request: bytes) -> T:
    try:
        return read(request)
    except ProtocolError as error:
        raise PeerFailed(f"request: {error}") from error
