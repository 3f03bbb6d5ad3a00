"""Presences told on connecting: who is here, as a peer says it and as we say it.

Whoever asks may send the same long list again and again, and has a long one back for a byte. So
both count at a pace of their own, what is no news is dropped before its signature is checked, and
the thread that checks is none that honest records need.
"""

from collections.abc import Callable, Sequence

import trio

from node.core.events import PresencesHeard
from node.core.pace import Buckets
from node.errors import PeerFailed
from node.exchange import PRESENCES_BYTES_MAX, PRESENCES_MAX, pack_blobs, read_blobs
from node.loop import Loop
from node.sync_answers import paced
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId
from protocol.params import Network
from protocol.record import Record, Verified, decode_record, verify

PRESENCE_KIB_PER_S = 64  # of a peer, both ways together; a guess: it connects seldom
PRESENCE_KIB_BURST = 4 * 1_024  # two of the longest exchanges, four of 2,048 presences


class PresenceExchange:
    """Takes in what peers tell of who is here, and answers the same."""

    def __init__(
        self, *, loop: Loop, network: Network, live_presences: Callable[[], Sequence[bytes]]
    ) -> None:
        """Take the doors; `live_presences` returns what is told to a peer."""
        self._loop = loop
        self._network = network
        self._live_presences = live_presences
        self._checks = trio.CapacityLimiter(1)  # a thread: strangers get no second core
        self._kib = Buckets(per_s=PRESENCE_KIB_PER_S, burst=PRESENCE_KIB_BURST)

    def told(self) -> bytes:
        """Return what we tell: our own presence, then the latest heard."""
        return pack_blobs(self._live_presences(), bytes_max=PRESENCES_BYTES_MAX)

    async def answer(self, peer_id: PeerId, request: bytes) -> bytes:
        """Take in what a peer tells, and tell it the same."""
        await paced(self._kib, peer_id, len(request) // 1_024 + 1)
        try:
            await self.take(peer_id, request)
        except ProtocolError as error:
            raise PeerFailed(f"presences: {error}") from error
        answer = self.told()
        await paced(self._kib, peer_id, len(answer) // 1_024 + 1)
        return answer

    async def take(self, peer_id: PeerId, data: bytes) -> None:
        """Take in what a peer tells.

        Raises:
            ProtocolError: It is no list of presences, or one that is news is not signed.
        """
        raws = read_blobs(
            data, count_max=PRESENCES_MAX, bytes_max=self._network.params.record_bytes_max
        )
        records = await trio.to_thread.run_sync(self._decoded, raws, limiter=self._checks)
        news = [record for record in records if self._is_news(record)]
        if news:
            heard = await trio.to_thread.run_sync(_verified, news, limiter=self._checks)
            await self._loop.tell(PresencesHeard(heard, peer_id))

    def _decoded(self, raws: Sequence[bytes]) -> list[Record]:
        records = [decode_record(raw, self._network) for raw in raws]
        if any(record.presence is None for record in records):
            raise Malformed("presences: something else among them")
        return records

    def _is_news(self, record: Record) -> bool:
        machine = self._loop.machine
        return record.author != machine.me and machine.presences.is_news(record)


def _verified(records: Sequence[Record]) -> tuple[Verified, ...]:
    return tuple(map(verify, records))
