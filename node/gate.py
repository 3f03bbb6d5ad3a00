"""From a stranger's bytes to checked records: the only way in, for gossip and sync alike."""

from collections.abc import Callable, Sequence

import trio

from consensus.log import has_record
from node.instruments import REJECTIONS, WRONG_TOPIC
from node.loop import Loop
from node.metering import Tally
from node.ports import Log, Relay
from protocol.errors import Malformed, ProtocolError
from protocol.gossip import unpack_gossip
from protocol.ids import PeerId, RecordId, sha256
from protocol.params import Network
from protocol.record import Verified, open_record, signed_bytes
from protocol.topics import Topics

# libsodium lets go of the interpreter lock while it checks; two threads keep two cores busy.
CHECKS_AT_ONCE_MAX = 2
# A thread costs about as much as two checks, so fewer bytes than this are opened on the spot.
OPENED_ON_THE_SPOT_BYTES_MAX = 1_024


class RecordGate:
    """Looks at every gossip message before it is relayed; never raises."""

    def __init__(
        self,
        *,
        loop: Loop,
        log: Log,
        network: Network,
        topics: Topics,
        rejected: Tally | None = None,
        heard_from: Callable[[Verified, PeerId], None] | None = None,
    ) -> None:
        """Take the doors.

        `rejected` counts what was wrong with messages; `heard_from` is told of every presence that
        was news, and who passed it on to us.
        """
        self._loop = loop
        self._log = log
        self._network = network
        self._topics = topics
        self._rejected = rejected or Tally()
        self._heard_from = heard_from
        self._limiter = trio.CapacityLimiter(CHECKS_AT_ONCE_MAX)

    async def __call__(self, topic: str, data: bytes, sender: PeerId) -> Relay:
        """Say what becomes of a gossip message, storing what is new in it."""
        if self._loop.outage:
            return Relay.IGNORE  # nothing could be stored, and perhaps nothing can be read
        try:
            raws = unpack_gossip(data)
            if topic == self._topics.records and all(map(self._is_stored, raws)):
                return Relay.IGNORE
            # One new record has all of them checked: whoever lacks the stored ones would blame us
            # for a forged copy among them that we passed on.
            records = await self._open(raws)
        except ProtocolError as error:
            return self._reject(REJECTIONS[type(error)])
        is_presence = [record.presence is not None for record in records]
        if topic == self._topics.presence:
            if not all(is_presence):
                return self._reject(WRONG_TOPIC)
            relay = await self._loop.presences_gossiped(records, sender)
            if relay is Relay.ACCEPT and self._heard_from is not None:
                for record in records:
                    self._heard_from(record, sender)
            return relay
        if any(is_presence):
            return self._reject(WRONG_TOPIC)
        return await self._loop.gossiped(records, sender)

    def _reject(self, reason: str) -> Relay:
        self._rejected.add(reason)
        return Relay.REJECT

    async def _open(self, raws: list[bytes]) -> list[Verified]:
        if sum(map(len, raws)) <= OPENED_ON_THE_SPOT_BYTES_MAX:
            records = open_all(raws, self._network)
        else:
            records = await trio.to_thread.run_sync(
                open_all, raws, self._network, limiter=self._limiter
            )
        if any(record.author != records[0].author for record in records):
            raise Malformed("gossip: records of more than one author")
        return records

    def _is_stored(self, raw: bytes) -> bool:
        return has_record(self._log, RecordId(sha256(signed_bytes(raw))))


def open_all(raws: Sequence[bytes], network: Network) -> list[Verified]:
    """Open and check records one after the other.

    Raises:
        ProtocolError: One of them is wrong.
    """
    return [open_record(raw, network) for raw in raws]
