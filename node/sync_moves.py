"""Moving the records that a comparison named: what we lack comes, what the peer lacks goes."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from consensus.log import find_record, has_record
from node.errors import NetError, PeerFailed
from node.exchange import (
    NAME_BYTES,
    RECORDS_PER_NAME_MAX,
    RECORDS_PER_REQUEST_MAX,
    pack_blobs,
    pack_wanted,
    read_blobs,
    read_taken,
)
from node.loop import Loop
from node.ports import Log
from node.sync_answers import is_stored, open_checked, tell
from node.sync_limits import (
    BYTES_PER_S_MIN,
    MISSING_MAX,
    PATIENCE_S,
    PUSHED_MAX,
    PUSHED_TOGETHER_MAX,
    fitting,
)
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId, RecordId, sha256
from protocol.params import Network
from protocol.record import Verified, signed_bytes
from protocol.topics import Topics

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


class Patience:
    """The time a peer has left to answer in; whoever sends nothing of use soon has none."""

    def __init__(self) -> None:
        self._left_s = PATIENCE_S

    @contextmanager
    def waiting(self, most_s: float = PATIENCE_S) -> Iterator[None]:
        """Wait for one answer.

        Raises:
            trio.TooSlowError: It did not come in time.
        """
        began_s = trio.current_time()
        with trio.fail_after(min(most_s, self._left_s)):
            yield
        # An answer in time may be done with later: its stream is closed behind a shield.
        self._left_s = max(0.0, self._left_s - (trio.current_time() - began_s))

    def earn(self, moved_bytes: int) -> None:
        """Give time back for records that changed sides."""
        self._left_s = min(PATIENCE_S, self._left_s + moved_bytes / BYTES_PER_S_MIN)


class Moves:
    """Fetches and pushes in one session.

    Attributes:
        progress: How far it is; the session counts its comparisons here too.
        is_refused: Whether the peer takes no records.
        is_enough: Whether the peer gets what it lacks from others meanwhile, or got all that one
            session pushes.
    """

    def __init__(
        self,
        *,
        peer: PeerId,
        ask: Ask,
        patience: Patience,
        loop: Loop,
        log: Log,
        network: Network,
        topics: Topics,
        checks: trio.CapacityLimiter,
        salt: bytes,
    ) -> None:
        """Take the doors; `salt` is what ids are hashed with, if they are."""
        self.progress = Progress()
        self.is_refused = False
        self.is_enough = False
        self._peer = peer
        self._ask = ask
        self._patience = patience
        self._loop = loop
        self._log = log
        self._network = network
        self._topics = topics
        self._checks = checks
        self._salt = salt
        self._offered: set[bytes] = set()
        self._came = self._missing = 0

    async def fetch(self, need: Sequence[bytes]) -> None:
        """Fetch records; while some are checked and stored, the next are on their way.

        What came is stored, also if the peer fails before the rest did.
        """
        asked, answers = trio.open_memory_channel[list[bytes]](1)
        opened, checked = trio.open_memory_channel[list[Verified]](1)
        failures: list[Exception] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_for, need, asked, failures)
            nursery.start_soon(self._open_all, answers, opened, failures)
            async with checked:
                async for records in checked:
                    await tell(self._loop, records, self._peer)
                    self._patience.earn(sum(len(record.raw) for record in records))
                    self.progress.fetched += len(records)
        for failure in failures:
            raise failure

    def unoffered(self, have: Sequence[bytes]) -> list[bytes]:
        """Return what this session has not pushed yet; comparisons may name an id twice."""
        return [one for one in have if one not in self._offered]

    async def push(self, have: Sequence[RecordId]) -> None:
        """Push records, until all went or the peer has no use for them."""
        for at in range(0, len(have), PUSHED_TOGETHER_MAX):
            async with self._loop.settled():
                found = [find_record(self._log, one) for one in have[at : at + PUSHED_TOGETHER_MAX]]
            raws = [raw for raw in found if raw is not None]  # the join drops some
            self.progress.expected -= len(found) - len(raws)
            left = len(have) - at - len(found)
            while raws:
                count = fitting(raws)
                is_news = await self._push_some(raws[:count])
                raws = raws[count:]
                if self.is_refused:
                    return
                if not is_news and left + len(raws) > 0:
                    self.is_enough = True
                    return

    def offer(self, names: Sequence[bytes]) -> Sequence[bytes]:
        """Note which are about to be pushed; return no more than a session pushes."""
        room = PUSHED_MAX - len(self._offered)
        self.is_enough = self.is_enough or len(names) > room
        self._offered.update(names[:room])
        return names[:room]

    async def _push_some(self, raws: list[bytes]) -> bool:
        """Push what one request holds; answer whether most of it was news to the peer."""
        try:
            with self._patience.waiting():
                answer = await self._ask(self._peer, self._topics.push_stream, pack_blobs(raws))
        except PeerFailed:  # it has no room, or is gone: the next question tells
            self.is_refused = True
            return False
        taken = read_taken(answer, pushed=len(raws))
        self.progress.pushed += len(raws)
        self._patience.earn(sum(map(len, raws)))
        return 2 * taken >= len(raws)

    async def _ask_for(
        self,
        need: Sequence[bytes],
        send: "trio.MemorySendChannel[list[bytes]]",
        failures: list[Exception],
    ) -> None:
        async with send:
            try:
                for at in range(0, len(need), RECORDS_PER_REQUEST_MAX):
                    await self._ask_for_page(need[at : at + RECORDS_PER_REQUEST_MAX], send)
            except (NetError, ProtocolError, trio.TooSlowError) as error:
                failures.append(error)
            except trio.BrokenResourceError:
                pass  # what came before was wrong, and is told of there

    async def _ask_for_page(
        self, need: Sequence[bytes], send: "trio.MemorySendChannel[list[bytes]]"
    ) -> None:
        wanted = list(need)
        # Gossip brings the last of a page, another peer the first; if neither came, hardly any did.
        if not self._salt and (self._has(need[0]) or self._has(need[-1])):
            wanted = [one for one in need if not self._has(one)]
        self.progress.expected -= len(need) - len(wanted)
        while wanted:
            came = await self._named(wanted)
            if not any(came.values()):  # what the peer dropped does not come
                self._miss(len(wanted))
                return
            await send.send([raw for raws in came.values() for raw in raws])
            # What did not fit is asked for again.
            wanted = [one for one in wanted if not came[one[:NAME_BYTES]]]

    async def _named(self, wanted: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return packed records under the names they were asked for by."""
        request = pack_wanted(self._salt, wanted)
        with self._patience.waiting():
            answer = await self._ask(self._peer, self._topics.records_stream, request)
        raws = read_blobs(
            answer,
            count_max=RECORDS_PER_NAME_MAX * RECORDS_PER_REQUEST_MAX,
            bytes_max=self._network.params.record_bytes_max,
        )
        came: dict[bytes, list[bytes]] = {one[:NAME_BYTES]: [] for one in wanted}
        for raw in raws:
            if (name := self._name_of(raw)) not in came:
                raise Malformed("sync: a record that was not asked for")
            came[name].append(raw)
        self._came += len(raws)
        return came

    def _miss(self, count: int) -> None:
        self._missing += count
        self.progress.expected -= count
        if self._missing > max(MISSING_MAX, self._came):
            raise PeerFailed(f"of the records it named {self._came} came, {self._missing} did not")

    def _has(self, record_id: bytes) -> bool:
        return has_record(self._log, RecordId(record_id))

    def _name_of(self, raw: bytes) -> bytes:
        """Return by which name a record is asked for."""
        record_id = sha256(signed_bytes(raw))
        return (sha256(self._salt, record_id) if self._salt else record_id)[:NAME_BYTES]

    async def _open_all(
        self,
        answers: "trio.MemoryReceiveChannel[list[bytes]]",
        opened: "trio.MemorySendChannel[list[Verified]]",
        failures: list[Exception],
    ) -> None:
        async with answers, opened:
            try:
                async for raws in answers:
                    await opened.send(await self._open(raws))
            except ProtocolError as error:
                failures.append(error)

    async def _open(self, raws: list[bytes]) -> list[Verified]:
        if self._salt:  # else at least some were looked up before they were asked for
            raws = [raw for raw in raws if not is_stored(self._log, raw)]
        return await open_checked(raws, self._network, self._checks)
