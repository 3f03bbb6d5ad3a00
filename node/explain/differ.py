"""Compares this node with a peer and names what differs, without moving any of it."""

from collections.abc import Callable, Sequence

import trio

from consensus.leaderboard import Standing
from consensus.log import find_record, has_record
from node.errors import NetError, RequestRefused
from node.exchange import (
    NAME_BYTES,
    RECORDS_PER_NAME_MAX,
    pack_wanted,
    read_blobs,
    read_board,
)
from node.explain.compare import DryComparison
from node.explain.diff_views import DiffView
from node.explain.difference import Lone, diff_view
from node.explain.find import Kind, find_one
from node.explain.words import name_of
from node.market import Doors
from node.names import peer_id_of
from node.sync_answers import open_checked
from node.told_board import KEPT_S
from protocol.errors import Malformed, ProtocolError
from protocol.ids import Digest, PeerId, PublicKey, RecordId
from protocol.record import Record, decode_record

LOOKED_MAX = 256  # records read each way; checking so many takes a thread some 20 ms
WAITS_S = 5.0  # for a sync that goes on
TAKES_S = 12.0  # in all; the peer's patience with us is about as long
THREADS_MAX = 1


class NodeDiffer:
    """Implements `node.explain.diff_views.Differ`."""

    def __init__(self, doors: Doors, board: Callable[[], Sequence[Standing]]) -> None:
        """Take the doors.

        Args:
            doors: What the node is made of.
            board: Returns the leaderboard as this node computes it.
        """
        self._doors = doors
        self._board = board
        self._checks = trio.CapacityLimiter(THREADS_MAX)

    async def diff(self, peer: str) -> DiffView:
        """Say how a connected peer's log and state differ from ours."""
        doors = self._doors
        key = self._find(peer)
        name = name_of(doors.log, key)
        with trio.move_on_after(WAITS_S) as waiting:
            await doors.sync.turn.acquire()
        if waiting.cancelled_caught:
            raise RequestRefused(503, "sync_goes_on", "a sync goes on; try again in a moment")
        try:
            with trio.fail_after(TAKES_S):
                return await self._compare(key)
        except trio.TooSlowError as error:
            slow = f"peer {name}: no whole answer within {TAKES_S:g} s"
            raise RequestRefused(502, "peer_failed", slow) from error
        except (NetError, ProtocolError) as error:
            raise RequestRefused(502, "peer_failed", f"peer {name}: {error}") from error
        finally:
            doors.sync.turn.release()

    def _find(self, peer: str) -> PublicKey:
        doors = self._doors
        connected = {one.public_key for one in doors.net.peers()}
        known = connected | {standing.key for standing in self._board()}
        found = find_one(peer, doors.log, known, kinds={Kind.WORKER})
        key = PublicKey(found.name)
        if key not in connected:
            absent = f"{name_of(doors.log, key)} is not connected; see `aimarket peers`"
            raise RequestRefused(404, "unknown_peer", absent)
        return key

    async def _compare(self, key: PublicKey) -> DiffView:
        """Compare; once more if nothing is missing and the rest says that something was."""
        view = await self._compare_once(key)
        is_lone = view.only_here_count or view.only_there_count
        if view.verdict != "equal" and view.complete and not is_lone:
            await trio.sleep(KEPT_S)  # until then the peer tells the state that it told just now
            view = await self._compare_once(key)
        return view

    async def _compare_once(self, key: PublicKey) -> DiffView:
        doors, peer_id = self._doors, peer_id_of(key)
        comparison = DryComparison(
            peer_id,
            ask=doors.net.ask,
            items=doors.sync.items,
            topics=doors.topics,
            checks=self._checks,
        )
        await comparison.run()
        need = [one for one in comparison.need if not has_record(doors.log, one)]
        there = await self._fetch(peer_id, need[:LOOKED_MAX])
        here = {one: self._find_record(one) for one in list(comparison.have)[:LOOKED_MAX]}
        digest, records = await self._told(peer_id)
        return diff_view(
            doors.log,
            key,
            here=Lone(len(comparison.have) + comparison.unnamed, here),
            there=Lone(len(need), there),
            is_complete=comparison.is_complete,
            digest=digest,
            records=records,
            wall_ms=doors.clock.now().wall_ms,
        )

    async def _fetch(
        self, peer_id: PeerId, need: Sequence[RecordId]
    ) -> dict[RecordId, Record | None]:
        """Read records of a peer without storing them; None for what it does not send."""
        doors = self._doors
        found: dict[RecordId, Record | None] = dict.fromkeys(need)
        left = list(need)
        while left:
            request = pack_wanted(b"", left)
            answer = await doors.net.ask(peer_id, doors.topics.records_stream, request)
            raws = read_blobs(
                answer,
                count_max=RECORDS_PER_NAME_MAX * len(left),
                bytes_max=doors.network.params.record_bytes_max,
            )
            names = {one[:NAME_BYTES] for one in left}
            before = len(left)
            for record in await open_checked(raws, doors.network, self._checks):
                if record.record_id[:NAME_BYTES] not in names:
                    raise Malformed("records: one that was not asked for")
                if record.record_id in found:
                    found[record.record_id] = record
            left = [one for one in left if found[one] is None]
            if len(left) == before:  # it has dropped them since, or never had them
                break
        return found

    async def _told(self, peer_id: PeerId) -> tuple[Digest, int]:
        """Ask what a peer computed: its state digest, and over how many records."""
        doors = self._doors
        answer = await doors.net.ask(peer_id, doors.topics.leaderboard_stream, b"")
        digest, records, _ = read_board(answer, doors.network.params)
        return digest, records

    def _find_record(self, record_id: RecordId) -> Record | None:
        raw = find_record(self._doors.log, record_id)
        return None if raw is None else decode_record(raw, self._doors.network)
