"""The log as a file: written out as it was at one moment, taken in record by record."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack

import trio

from consensus.incremental import would_keep
from consensus.log import has_record
from node.core.events import Via
from node.errors import NotStored, RequestRefused
from node.log_file import log_chunks, read_frames
from node.log_port import KeptLog, TakenView
from node.loop import Loop
from node.store.halted import advice
from node.sync_answers import is_stored
from node.sync_limits import pieces
from protocol.errors import Malformed, ProtocolError
from protocol.ids import PeerId, short
from protocol.params import Network
from protocol.record import Verified, open_record

EXPORTS_MAX = 2  # at a time: the disk keeps what is overwritten while one is written
EXPORT_S_MAX = 3_600.0  # a reader that takes longer is cut off; a million records take a minute
RECORDS_TAKEN_MAX = 4_096  # in one request; a guess: a tenth of a second of checks
REASONS_TOLD_MAX = 20
NOBODY = PeerId("")  # who handed over the records of a file
BUSY = f"{EXPORTS_MAX} exports are being written, the most; try again later"


class NodeArchive:
    """Implements `node.log_port.Archive`."""

    def __init__(self, loop: Loop, log: KeptLog, network: Network, *, node_id: str) -> None:
        """Take the doors, and what the operator calls this node."""
        self._loop = loop
        self._log = log
        self._network = network
        self._node_id = node_id
        self._exports = 0
        self._checks = trio.CapacityLimiter(1)

    def export(self) -> AsyncGenerator[bytes]:
        """Walk the bytes of the log as it is on the disk when the walk begins."""
        if self._loop.outage:
            raise self._loop.refusal()
        if self._exports >= EXPORTS_MAX:
            raise RequestRefused(429, "too_many_exports", BUSY)
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[bytes]:
        self._exports += 1
        try:
            begun_s = trio.current_time()
            with ExitStack() as held:
                async with self._loop.settled():
                    rows = held.enter_context(self._log.snapshot())
                for chunk in log_chunks(rows, self._network):
                    yield chunk
                    if trio.current_time() - begun_s > EXPORT_S_MAX:
                        return
        finally:
            self._exports -= 1

    async def take(self, body: bytes) -> TakenView:
        """Take records in, each through the same door as those of peers."""
        raws = _frames(body)
        news = [raw for raw in raws if not is_stored(self._log, raw)]
        opened = await trio.to_thread.run_sync(self._opened, news, limiter=self._checks)
        records = [one for one in opened if not isinstance(one, str)]
        reasons = [one for one in opened if isinstance(one, str)]
        try:
            for some in pieces(records):
                await self._loop.fetched(some, NOBODY, Via.FILE)
        except NotStored as error:
            raise RequestRefused(503, "not_stored", f"nothing can be stored: {error}") from error
        new = 0
        for record in records:
            if has_record(self._log, record.record_id):
                new += 1
            elif record.author == self._loop.machine.me and would_keep(
                self._log, record, self._network
            ):
                reasons.append(self._own(record))
        known = len(raws) - new - len(reasons)
        return TakenView(new, known, len(reasons), tuple(reasons[:REASONS_TOLD_MAX]))

    def _opened(self, raws: list[bytes]) -> list[Verified | str]:
        return [self._open(raw) for raw in raws]

    def _open(self, raw: bytes) -> Verified | str:
        try:
            record = open_record(raw, self._network)
        except ProtocolError as error:
            return str(error)
        if record.presence is not None:
            return f"record {short(record.record_id)}: a presence, which no log holds"
        return record

    def _own(self, record: Verified) -> str:
        what = f"record {short(record.record_id)} is of this node's key, but not in its journal"
        return f"{what}; {advice(self._node_id)}"


def _frames(body: bytes) -> list[bytes]:
    try:
        raws = list(read_frames(body))
    except Malformed as error:
        raise RequestRefused(400, "bad_records", str(error)) from error
    if len(raws) > RECORDS_TAKEN_MAX:
        message = f"{len(raws)} records, at most {RECORDS_TAKEN_MAX} in one request"
        raise RequestRefused(400, "too_many_records", message)
    return raws
