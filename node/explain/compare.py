"""A comparison of two logs that moves nothing: which records each side lacks."""

import trio

from node.exchange import COMPARISON_BYTES_MAX, Comparison, pack_comparison
from node.sync_items import SyncItems
from node.sync_limits import ASKING
from node.sync_moves import Ask
from protocol.errors import Malformed
from protocol.ids import PeerId, RecordId
from protocol.reconcile import Limits, Step, initiate, proceed
from protocol.reconcile_wire import VERSION
from protocol.topics import Topics

# All of it costs 80 of the 128 answers a peer gives at once, and leaves the rest to a sync.
ANSWERS_MAX = 16
QUERY_BYTES_MAX = 64 * 1024
NAMED_MAX = 5_000  # ids kept each way; measured: looking them up costs the loop 30 ms
_LIMITS = Limits(
    frame_bytes_max=QUERY_BYTES_MAX,
    message_bytes_max=ASKING.message_bytes_max,
    ranges_max=ASKING.ranges_max,
    have_max=NAMED_MAX,
)


class DryComparison:
    """Compares the whole log with that of a peer; what the peer lists is hearsay.

    Attributes:
        have: What the peer lacks, the oldest first as far as one answer goes.
        need: What it says it has and we lack, in the same order.
        unnamed: How many more of ours it lacks.
        is_complete: Whether all was compared.
    """

    def __init__(
        self,
        peer: PeerId,
        *,
        ask: Ask,
        items: SyncItems,
        topics: Topics,
        checks: trio.CapacityLimiter,
    ) -> None:
        """Take the doors; `checks` is how many threads compare at once."""
        self.have: dict[RecordId, None] = {}
        self.need: dict[RecordId, None] = {}
        self.unnamed = 0
        self.is_complete = False
        self._peer = peer
        self._ask = ask
        self._items = items
        self._topics = topics
        self._checks = checks

    async def run(self) -> None:
        """Compare until all is told, or it is enough.

        Raises:
            PeerFailed: It did not answer.
            ProtocolError: It answered what cannot be right.
        """
        async with self._items.in_rows(0) as rows:
            query = initiate(rows, equal_at_best=True)
        answer = await self._compare(query)
        if answer == bytes([VERSION]):  # nothing differs
            self.is_complete = True
            return
        items = await self._items.in_memory(0)
        for _ in range(ANSWERS_MAX):
            step = await trio.to_thread.run_sync(
                proceed, items, answer, _LIMITS, limiter=self._checks
            )
            self._note(step)
            if step.query is None:
                self.is_complete = True
                return
            if len(self.need) >= NAMED_MAX or step.unnamed:
                return
            answer = await self._compare(step.query)

    def _note(self, step: Step) -> None:
        self.have.update(dict.fromkeys(map(RecordId, step.have)))
        room = NAMED_MAX - len(self.need)
        self.need.update(dict.fromkeys(map(RecordId, step.need[:room])))
        self.unnamed += step.unnamed

    async def _compare(self, query: bytes) -> bytes:
        request = pack_comparison(Comparison(0, b"", query))
        answer = await self._ask(self._peer, self._topics.compare_stream, request)
        if len(answer) > COMPARISON_BYTES_MAX:
            raise Malformed(f"comparison: {len(answer)} bytes, need at most {COMPARISON_BYTES_MAX}")
        return answer
