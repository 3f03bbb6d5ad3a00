"""One comparison of logs between two simulated hosts: a generator that asks and is answered.

`node/sync_session.py` and `node/sync_moves.py` do the same over real streams.
"""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from consensus import layout, range_sums
from consensus.log import find_record, has_record
from node.core import events as ev
from node.core.sync import Outcome, Session
from node.exchange import (
    NAME_BYTES,
    RECORDS_PER_NAME_MAX,
    RECORDS_PER_REQUEST_MAX,
    SALT_BYTES,
    Comparison,
    pack_blobs,
    pack_comparison,
    pack_wanted,
    read_blobs,
    read_taken,
)
from node.salted import SaltedItems, salted_pairs
from node.sync_limits import (
    ASKING,
    BYTES_PER_S_MIN,
    FIRST_QUERY_BYTES_MAX,
    FIRST_S,
    MISSING_MAX,
    PATIENCE_S,
    PUSHED_TOGETHER_MAX,
    fitting,
    pieces,
)
from protocol.errors import Malformed, ProtocolError
from protocol.ids import RecordId, sha256
from protocol.reconcile import ROUNDS_MAX, initiate, proceed
from protocol.reconcile_items import Items, PackedItems
from protocol.reconcile_wire import VERSION, Bound
from protocol.record import Verified, signed_bytes

if TYPE_CHECKING:
    from node.sim.host import Host

COPIES_MAX = 64  # logs kept as they are compared; a guess: some MB each
COMPARE, RECORDS, PUSH = "compare", "records", "push"

# What is asked: the stream, the request, and for how many milliseconds an answer is waited for.
Question = tuple[str, bytes, int]
Asking = Generator[Question, bytes, Outcome]


class TooSlow(Exception):
    """No answer came in time."""


class Refused(Exception):
    """The peer does not answer this."""


class SimSession:
    """One session that this host asked for."""

    def __init__(self, host: "Host", session: Session) -> None:
        self.session = session
        self.peer = int(session.peer)
        self._host = host
        self._salt = host.dice.bytes(SALT_BYTES) if session.is_salted else b""
        self._salted: SaltedItems | None = None
        self._patience_ms = int(PATIENCE_S * 1_000)
        self._moved = 0
        self._came = self._missing = 0
        self._is_refused = self._is_enough = False
        self._offered: dict[bytes, None] = {}
        self.asking = self._until_done()

    def _until_done(self) -> Asking:
        try:
            is_done = yield from self._compare_and_move()
        except ProtocolError:
            return Outcome.WRONG
        except (TooSlow, Refused):
            return Outcome.FAILED
        if not is_done:
            return Outcome.UNFINISHED if self._moved else Outcome.FAILED
        if self._is_refused:
            return Outcome.REFUSED
        return Outcome.MOVED if self._moved else Outcome.EQUAL

    def _compare_and_move(self) -> Generator[Question, bytes, bool]:
        answer = yield from self._compare(self._first_query(), is_first=True)
        if answer == bytes([VERSION]):
            return True
        items = self._items()
        for _ in range(ROUNDS_MAX):
            step = proceed(items, answer, ASKING)
            have = [one for one in step.have if one not in self._offered]
            self._offered.update(dict.fromkeys(have))
            yield from self._fetch(step.need)
            if not self._is_refused:
                yield from self._push(self._resolved(have))
            if self._is_enough or (step.unnamed and not self._is_refused):
                return False
            if step.query is None:
                return True
            answer = yield from self._compare(step.query, is_first=False)
        return False

    def _first_query(self) -> bytes:
        if self._salt:
            pairs = salted_pairs(self._salt, [places(self._host)])
            self._salted = SaltedItems(self._salt, pairs)
            return initiate(self._salted.items, equal_at_best=True)
        if self.session.is_surely_different:
            return initiate(self._items())
        return initiate(self._items(), equal_at_best=True)

    def _items(self) -> Items:
        if self._salted is not None:
            return self._salted.items
        return in_memory(self._host, self.session.since_ms)

    def _resolved(self, have: Sequence[bytes]) -> list[RecordId]:
        if self._salted is None:
            return [RecordId(one) for one in have]
        return self._salted.resolve([one[:NAME_BYTES] for one in have])

    def _compare(self, query: bytes, *, is_first: bool) -> Generator[Question, bytes, bytes]:
        request = pack_comparison(Comparison(self.session.since_ms, self._salt, query))
        quick = is_first and not self._salt and len(query) <= FIRST_QUERY_BYTES_MAX
        return (yield from self._ask(COMPARE, request, int(FIRST_S * 1_000) if quick else None))

    def _ask(
        self, stream: str, request: bytes, most_ms: int | None = None
    ) -> Generator[Question, bytes, bytes]:
        began_ms = self._host.world.schedule.now_ms
        answer = yield stream, request, min(most_ms or self._patience_ms, self._patience_ms)
        self._patience_ms -= self._host.world.schedule.now_ms - began_ms
        return answer

    def _earn(self, raws: Sequence[bytes]) -> None:
        earned_ms = sum(map(len, raws)) * 1_000 // BYTES_PER_S_MIN
        self._patience_ms = min(int(PATIENCE_S * 1_000), self._patience_ms + earned_ms)

    def _fetch(self, need: Sequence[bytes]) -> Generator[Question, bytes, None]:
        host = self._host
        for at in range(0, len(need), RECORDS_PER_REQUEST_MAX):
            wanted = list(need[at : at + RECORDS_PER_REQUEST_MAX])
            if not self._salt:
                wanted = [one for one in wanted if not has_record(host.rows, RecordId(one))]
            while wanted:
                answer = yield from self._ask(RECORDS, pack_wanted(self._salt, wanted))
                came = self._named(wanted, answer)
                raws = [raw for raws in came.values() for raw in raws]
                if not raws:
                    self._missing += len(wanted)
                    if self._missing > max(MISSING_MAX, self._came):
                        raise Refused
                    break
                told(host, opened(host, raws), self.peer)
                self._earn(raws)
                self._moved += len(raws)
                wanted = [one for one in wanted if not came[one[:NAME_BYTES]]]

    def _named(self, wanted: Sequence[bytes], answer: bytes) -> dict[bytes, list[bytes]]:
        raws = read_blobs(
            answer,
            count_max=RECORDS_PER_NAME_MAX * RECORDS_PER_REQUEST_MAX,
            bytes_max=self._host.world.network.params.record_bytes_max,
        )
        came: dict[bytes, list[bytes]] = {one[:NAME_BYTES]: [] for one in wanted}
        for raw in raws:
            record_id = sha256(signed_bytes(raw))
            name = (sha256(self._salt, record_id) if self._salt else record_id)[:NAME_BYTES]
            if name not in came:
                raise Malformed("sync: a record that was not asked for")
            came[name].append(raw)
        self._came += len(raws)
        return came

    def _push(self, have: Sequence[RecordId]) -> Generator[Question, bytes, None]:
        for at in range(0, len(have), PUSHED_TOGETHER_MAX):
            some = have[at : at + PUSHED_TOGETHER_MAX]
            found = [find_record(self._host.rows, one) for one in some]
            raws = [raw for raw in found if raw is not None]
            left = len(have) - at - len(found)
            while raws:
                count = fitting(raws)
                try:
                    answer = yield from self._ask(PUSH, pack_blobs(raws[:count]))
                except Refused:
                    self._is_refused = True
                    return
                taken = read_taken(answer, pushed=count)
                self._moved += count
                self._earn(raws[:count])
                raws = raws[count:]
                if 2 * taken < count and left + len(raws) > 0:
                    self._is_enough = True
                    return


def places(host: "Host") -> bytes:
    """Return the places of all records, 40 bytes each."""
    return b"".join([key[len(layout.ORDER) :] for key in host.rows.keys(layout.ORDER)])


def in_memory(host: "Host", since_ms: int) -> PackedItems:
    """Return the records from a moment on as a comparison reads them.

    A node asks its rows first, which say the same, and reads the log only where logs differ. Here
    all hosts whose logs come to the same sum share one copy.
    """
    copies = host.world.copies
    root = host.rows.get(range_sums.ROOT) or b""
    items = copies.get(root)
    if items is None:
        items = copies[root] = PackedItems(places(host))
        if len(copies) > COPIES_MAX:
            del copies[next(iter(copies))]
    return items.since(Bound(since_ms, b"")) if since_ms else items


def opened(host: "Host", raws: Sequence[bytes]) -> list[Verified]:
    """Open and check records that came by sync.

    Raises:
        ProtocolError: One of them is wrong, or is a presence.
    """
    records = [host.world.opened(raw) for raw in raws]
    if any(record.presence is not None for record in records):
        raise Malformed("sync: a presence among the records")
    return records


def told(host: "Host", records: Sequence[Verified], sender: int) -> None:
    """Hand records over in pieces."""
    peer_id = host.world.net.hosts[sender].peer_id
    for some in pieces(records):
        host.tell(ev.Received(tuple(some), ev.Via.SYNC, peer_id))


def is_stored(host: "Host", raw: bytes) -> bool:
    """Answer whether packed bytes are of a record in the log."""
    return has_record(host.rows, RecordId(sha256(signed_bytes(raw))))
