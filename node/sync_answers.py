"""What we answer peers that compare their log with ours: nothing is remembered in between.

Whatever a peer asks costs us little and comes at a pace of its own: quotas delay, they never
refuse for ever. Peers are told only what the journal already holds.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from consensus.log import has_record
from node.core.pace import Buckets
from node.errors import NotStored, PeerFailed
from node.exchange import (
    RECORDS_PER_REQUEST_MAX,
    Comparison,
    pack_blobs,
    pack_taken,
    read_blobs,
    read_comparison,
    read_wanted,
)
from node.gate import open_all
from node.loop import Loop
from node.ports import Answerer, Log
from node.salted import SaltedItems
from node.sync_items import SyncItems
from node.sync_limits import (
    ANSWERING,
    FIRST_QUERY_BYTES_MAX,
    FULL_PAGE_BYTES,
    pieces,
)
from node.sync_reads import StrangersReads
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId, RecordId, sha256
from protocol.params import Network
from protocol.reconcile import initiate, respond
from protocol.reconcile_items import Items
from protocol.reconcile_wire import VERSION
from protocol.record import Verified, signed_bytes
from protocol.topics import Topics

T = TypeVar("T")

COMPARISONS_PER_S = 8  # of a peer; a message counts once, and once more for each 16 KiB
COMPARISONS_BURST = 128
COMPARISON_PACED_BYTES = 16 * 1_024
KIB_PER_S = 16 * 1_024  # of records a peer, each way; a guess: what a shared line can spare
KIB_BURST = 32 * 1_024
NAMES_PER_KIB = 4  # a name asked for counts like a small record,
MISSED_KIB = 16  # and much more where nothing has it: a list of 1,024 such costs us 25 ms
SALTED_EVERY_S = 600.0  # in which a peer may have the log hashed so many times:
SALTED_TIMES = 2  # its first session may have been cut off
SALTED_GAP_S = 20.0  # between two hashings for whom we dialled, and for others
SALTED_IDLE_S = 30.0  # a salted session goes on until so long after its peer's last request
SALTED_PEERS_MAX = 256
SESSION_S = 900.0  # a session may take so long; what is left to move the next one moves
SPLIT_RECORDS_MIN = 64  # so many checks are worth a second thread


@dataclass(slots=True)
class _Turn:
    """The one salted session that the log is hashed for."""

    peer_id: PeerId
    salt: bytes
    begun_s: float
    asked_s: float
    items: SaltedItems | None = None
    hashing: trio.Lock = field(default_factory=trio.Lock)

    def goes_on(self, now_s: float) -> bool:
        is_awaited = self.hashing.locked() or now_s - self.asked_s < SALTED_IDLE_S
        return is_awaited and now_s - self.begun_s < SESSION_S


class SyncAnswers:
    """Answers on the three streams of the sync."""

    def __init__(
        self,
        *,
        loop: Loop,
        log: Log,
        items: SyncItems,
        network: Network,
        checks: trio.CapacityLimiter,
        is_dialled: Callable[[PeerId], bool],
        asked: Callable[[PeerId], None],
        fills: Callable[[PeerId], None],
        wrong: Callable[[PeerId], Awaitable[None]],
    ) -> None:
        """Take the doors.

        Args:
            loop: Takes what is pushed.
            log: Tells what is here.
            items: The log as it is compared.
            network: Whose records these are.
            checks: How many threads check signatures at once.
            is_dialled: Answers whether a peer is here that we dialled.
            asked: Told of every peer that compares with us.
            fills: Told of every peer that sends us much that we lack.
            wrong: Told of a peer that pushed what can never be right.
        """
        self.received = 0
        self._loop = loop
        self._log = log
        self._items = items
        self._reads = StrangersReads(loop, log)
        self._network = network
        self._checks = checks
        self._is_dialled = is_dialled
        self._asked = asked
        self._fills = fills
        self._wrong = wrong
        self._comparing = trio.CapacityLimiter(1)  # a thread: strangers get no second core
        self._comparisons = Buckets(per_s=COMPARISONS_PER_S, burst=COMPARISONS_BURST)
        self._kib = Buckets(per_s=KIB_PER_S, burst=KIB_BURST)
        self._turn: _Turn | None = None
        self._hashed_s: OrderedDict[PeerId, tuple[float, ...]] = OrderedDict()  # when, for whom
        self._latest_s = {True: -SALTED_GAP_S, False: -SALTED_GAP_S}  # by whether we dialled them

    def answerers(self, topics: Topics) -> dict[str, Answerer]:
        """Return who answers on which stream protocol."""
        return {
            topics.compare_stream: self.compare,
            topics.records_stream: self.send,
            topics.push_stream: self.take,
        }

    def forget(self) -> None:
        """Give the memory of an old salted comparison back."""
        if self._turn is not None and trio.current_time() - self._turn.begun_s >= SESSION_S:
            self._turn = None

    async def compare(self, peer_id: PeerId, request: bytes) -> bytes:
        """Answer one message of a comparison."""
        asked = refusing(read_comparison, request)
        await paced(self._comparisons, peer_id, 1 + len(request) // COMPARISON_PACED_BYTES)
        self._heard(peer_id, goes_on=bool(asked.salt))
        try:
            return await self._respond(peer_id, asked)
        except ProtocolError as error:
            raise PeerFailed(f"comparison: {error}") from error

    async def send(self, peer_id: PeerId, request: bytes) -> bytes:
        """Answer with records; what the join has dropped meanwhile is left out."""
        salt, names = refusing(read_wanted, request)
        self._heard(peer_id, goes_on=bool(salt))
        asked_kib = 1 + len(names) // NAMES_PER_KIB
        await paced(self._kib, peer_id, asked_kib)
        if salt:
            found = await self._reads.records(await self._resolved(salt, names))
        else:
            found = await self._reads.named(names)
        answer = pack_blobs(found.raws)
        kib = 1 + len(answer) // 1_024 + MISSED_KIB * found.missed
        await paced(self._kib, peer_id, max(0, kib - asked_kib))
        return answer

    async def take(self, peer_id: PeerId, request: bytes) -> bytes:
        """Take in records that a peer found we lack; tell it how many of them we did."""
        self._heard(peer_id)
        if not self._loop.takes_records:
            raise PeerFailed("push: nothing can be stored")
        await paced(self._kib, peer_id, len(request) // 1_024 + 1)
        try:
            raws = read_blobs(
                request,
                count_max=RECORDS_PER_REQUEST_MAX,
                bytes_max=self._network.params.record_bytes_max,
            )
            news = [raw for raw in raws if not is_stored(self._log, raw)]
            records = await open_checked(news, self._network, self._checks)
        except ProtocolError as error:
            await self._wrong(peer_id)
            raise PeerFailed(f"push: {error}") from error
        try:
            await tell(self._loop, records, peer_id)
        except NotStored as error:
            raise PeerFailed(f"push: {error}") from error
        self.received += len(records)
        if sum(map(len, news)) >= FULL_PAGE_BYTES:
            self._fills(peer_id)
        return pack_taken(len(records))

    async def _respond(self, peer_id: PeerId, asked: Comparison) -> bytes:
        if asked.salt:
            salted = await self._salted_items(peer_id, asked.salt)
            return await self._aside(salted.items, asked.query)
        if len(asked.query) <= FIRST_QUERY_BYTES_MAX:
            async with self._items.in_rows(asked.since_ms, self._reads.settled) as rows:
                if asked.query == initiate(rows, equal_at_best=True):
                    return bytes([VERSION])
                return respond(rows, asked.query, ANSWERING)
        items = await self._items.in_memory(asked.since_ms, self._reads.settled)
        return await self._aside(items, asked.query)

    async def _aside(self, items: Items, query: bytes) -> bytes:
        return await trio.to_thread.run_sync(
            respond, items, query, ANSWERING, limiter=self._comparing
        )

    def _heard(self, peer_id: PeerId, *, goes_on: bool = True) -> None:
        """Note that a peer asks; where it asks without salt, its salted session is over."""
        self._asked(peer_id)
        turn, now_s = self._turn, trio.current_time()
        if turn is not None and turn.peer_id == peer_id and turn.goes_on(now_s):
            turn.asked_s = now_s if goes_on else now_s - SALTED_IDLE_S

    async def _salted_items(self, peer_id: PeerId, salt: bytes) -> SaltedItems:
        turn = self._turn
        if turn is None or turn.salt != salt or not (turn.items or turn.hashing.locked()):
            turn = self._turn = self._next_turn(peer_id, salt)
        async with turn.hashing:
            if turn.items is None:
                turn.items = await self._items.salted(salt)
                turn.asked_s = trio.current_time()
        return turn.items

    def _next_turn(self, peer_id: PeerId, salt: bytes) -> _Turn:
        """Give the turn to a peer, unless another has it or it had its share.

        Strangers with ever new names can take each turn that is free, and keep it; so whom we
        dialled takes it from them, and need not wait until they had theirs.
        """
        turn, now_s, is_dialled = self._turn, trio.current_time(), self._is_dialled(peer_id)
        holder = turn.peer_id if turn is not None and turn.goes_on(now_s) else peer_id
        if holder != peer_id and (not is_dialled or self._is_dialled(holder)):
            raise PeerFailed("a salted comparison while another goes on")
        since_s = now_s - SALTED_EVERY_S
        hashed_s = tuple(one for one in self._hashed_s.get(peer_id, ()) if one > since_s)
        if now_s - self._latest_s[is_dialled] < SALTED_GAP_S or len(hashed_s) >= SALTED_TIMES:
            raise PeerFailed("a salted comparison so soon after the last")
        self._latest_s[is_dialled] = now_s
        self._hashed_s[peer_id] = (*hashed_s, now_s)
        self._hashed_s.move_to_end(peer_id)
        while len(self._hashed_s) > SALTED_PEERS_MAX:
            self._hashed_s.popitem(last=False)
        return _Turn(peer_id, salt, now_s, now_s)

    async def _resolved(self, salt: bytes, names: Sequence[bytes]) -> list[RecordId]:
        turn = self._turn
        if turn is None or turn.items is None or turn.salt != salt:
            raise PeerFailed("a salt that nobody compared with")
        return await trio.to_thread.run_sync(turn.items.resolve, names, limiter=self._comparing)


def is_stored(log: Log, raw: bytes) -> bool:
    """Answer whether packed bytes are of a record in the log; its signature is not looked at."""
    return has_record(log, RecordId(sha256(signed_bytes(raw))))


async def open_checked(
    raws: Sequence[bytes], network: Network, checks: trio.CapacityLimiter
) -> list[Verified]:
    """Open and check records that came by sync, in two threads if they are many.

    Raises:
        ProtocolError: One of them is wrong, or is a presence.
    """
    middle = len(raws) // 2
    halves = [raws] if len(raws) < SPLIT_RECORDS_MIN else [raws[:middle], raws[middle:]]
    opened: dict[int, list[Verified]] = {}
    failures: list[ProtocolError] = []

    async def open_half(half: int) -> None:
        try:
            opened[half] = await trio.to_thread.run_sync(
                open_all, halves[half], network, limiter=checks
            )
        except ProtocolError as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        for half in range(len(halves)):
            nursery.start_soon(open_half, half)
    for failure in failures:
        raise failure
    records = [record for half in sorted(opened) for record in opened[half]]
    if any(record.presence is not None for record in records):
        raise Malformed("sync: a presence among the records")
    return records


async def tell(loop: Loop, records: Sequence[Verified], peer_id: PeerId) -> None:
    """Hand records over in pieces of few enough statements, and wait until all are written.

    Raises:
        NotStored: There is no room for them, or the disk fails.
    """
    for some in pieces(records):
        await loop.fetched(some, peer_id)


def refusing(read: Callable[[bytes], T], request: bytes) -> T:
    """Read a request.

    Raises:
        PeerFailed: It is none.
    """
    try:
        return read(request)
    except ProtocolError as error:
        raise PeerFailed(f"request: {error}") from error


async def paced(buckets: Buckets, peer_id: PeerId, tokens: int) -> None:
    """Take tokens, and wait until none of them is owed."""
    wait_ms = buckets.owe(peer_id, int(trio.current_time() * 1_000), tokens)
    if wait_ms:
        await trio.sleep(wait_ms / 1_000)
