"""The node as its local user sees it: submits through the loop, reads from the log."""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from consensus.leaderboard import Standing, leaderboard
from consensus.log import (
    faults_of,
    find_task,
    pairs_of,
    record_count,
    state_digest,
    task_counts,
)
from consensus.verdict import SubmittedTask
from node.beside import RecentStates, Tellers
from node.clock import Clock
from node.core.machine import Machine
from node.core.own import find_asked, is_cancelled, request_key
from node.errors import NetError, RequestRefused
from node.exchange import read_board
from node.hex_ids import read_model, resolve_task
from node.inference.service import InferenceService, WorkerState
from node.listing import list_tasks
from node.loop import Loop
from node.names import alias_of, peer_id_of, worker_view
from node.ports import Log, Net, Peer, SubmitRequest, TaskQuery
from node.show import (
    STATE_NAMES,
    capability_text,
    network_view,
    standing_view,
    standing_views,
    task_view,
)
from node.sync import Sync
from node.told_board import ToldBoard
from node.views import LeaderboardView, NetworkView, PeerView, StatusView, TaskPageView, TaskView
from node.views_events import NodeEvent
from protocol.errors import ProtocolError
from protocol.ids import Digest, PeerId, PublicKey
from protocol.params import Network
from protocol.statements import Capability
from protocol.topics import Topics

REQUEST_ID_CHARS_MAX = 128  # as many as the RPC takes


@dataclass(frozen=True, slots=True)
class Doors:
    """What a node is made of, as far as its user can see it."""

    loop: Loop
    log: Log
    net: Net
    inference: InferenceService
    sync: Sync
    network: Network
    topics: Topics
    clock: Clock
    counters: Callable[[], dict[str, int]]
    states: RecentStates
    tellers: Tellers
    joining: Callable[[], str]
    has_bootstrap: bool
    default_type: str
    version: str

    @property
    def machine(self) -> Machine:
        """Return the node's mind as it is now; after a failure of the disk it is another."""
        return self.loop.machine


class NodeMarket:
    """Implements `node.ports.Market`."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._started_s = trio.current_time()
        self._board: tuple[bytes, tuple[Standing, ...]] = (b"", ())
        self._told_board = ToldBoard(doors.log)

    async def submit(self, request: SubmitRequest) -> str:
        """Sign and store a task, then return its id in hex."""
        doors = self._doors
        name = request.task_type or doors.default_type
        input_bytes = doors.inference.encode(name, request.text)
        capability = doors.inference.default_capability(name)
        if request.model is not None:
            capability = Capability(name, read_model(request.model))
        request_id = secrets.token_hex(16) if request.request_id is None else request.request_id
        if not 1 <= len(request_id) <= REQUEST_ID_CHARS_MAX:
            limit = f"need 1 to {REQUEST_ID_CHARS_MAX}"
            raise RequestRefused(400, "bad_request_id", f"request_id: {len(request_id)}, {limit}")
        if doors.loop.outage:
            raise doors.loop.refusal()
        is_known = find_asked(doors.log, request_key(request_id)) is not None
        if not is_known and not doors.machine.outbox.signing:
            waits = self._not_ready(doors.inference.capabilities()) or "its log to be compared"
            raise RequestRefused(
                503, "not_signing", f"this node may not sign yet: waits for {waits}"
            )
        task_id = await doors.loop.submit(request_id, capability, input_bytes, request.seats)
        return task_id.hex()

    async def cancel(self, task_id: str) -> None:
        """Stop caring for an own task."""
        found = resolve_task(self._doors.log, task_id)
        if found is None:
            raise RequestRefused(404, "unknown_task", f"task {task_id}: not in this node's log")
        await self._doors.loop.cancel(found)

    def find_task(self, task_id: str) -> TaskView | None:
        """Return a task by its id, or by a unique prefix of it."""
        found = resolve_task(self._doors.log, task_id)
        submitted = None if found is None else find_task(self._doors.log, found)
        return None if submitted is None else self._view(submitted)

    def tasks(self, query: TaskQuery) -> TaskPageView:
        """Return one page of tasks, the newest first."""
        return list_tasks(self._doors.log, query, me=self._doors.machine.me)

    def leaderboard(self, *, limit: int) -> LeaderboardView:
        """Return the first rows of the leaderboard as this node computes it."""
        doors = self._doors
        return LeaderboardView(
            of=worker_view(doors.log, doors.machine.me),
            rows=standing_views(doors.log, self.standings()[:limit]),
            state_digest=state_digest(doors.log).hex(),
            records=record_count(doors.log),
            same_as_ours=True,
        )

    async def leaderboard_of(self, peer: str) -> LeaderboardView:
        """Ask a connected peer for the leaderboard it computes."""
        doors = self._doors
        found = self._find_peer(peer)
        try:
            answer = await doors.net.ask(found.peer_id, doors.topics.leaderboard_stream, b"")
            digest, records, rows = read_board(answer, doors.network.params)
        except (NetError, ProtocolError) as error:
            raise RequestRefused(502, "peer_failed", f"peer {peer}: {error}") from error
        return LeaderboardView(
            of=worker_view(doors.log, found.public_key),
            rows=tuple(standing_view(standing, alias) for standing, alias in rows),
            state_digest=digest.hex(),
            records=records,
            same_as_ours=digest == state_digest(doors.log),
        )

    async def answer_leaderboard(self, peer_id: PeerId, request: bytes) -> bytes:
        """Tell a peer the leaderboard we compute, or computed some seconds ago."""
        return await self._told_board.answer()

    def peers(self, *, limit: int) -> tuple[PeerView, ...]:
        """Return connected peers, and so many live ones as there is room for, by nickname."""
        doors = self._doors
        connected = {peer.public_key: peer for peer in doors.net.peers()}
        now_ms = doors.clock.now().ms
        live = doors.machine.presences.live(now_ms)
        ours = doors.states.lately(now_ms) | {state_digest(doors.log)}
        keys = [*connected, *sorted(set(live) - set(connected))]
        shown = [key for key in keys if key != doors.machine.me][:limit]
        views = [self._peer_view(key, connected.get(key), ours) for key in shown]
        return tuple(sorted(views, key=lambda view: (view.worker_id, view.peer_id)))

    def condition(self) -> NodeEvent:
        """Return whether this node can take part, and what it lacks."""
        doors = self._doors
        waiting = self._not_ready(doors.inference.capabilities())
        return NodeEvent(
            type="node",
            ready=not waiting,
            waiting=waiting,
            signing=doors.machine.outbox.signing and not doors.loop.outage,
            read_only=doors.loop.outage,
            behind=doors.machine.is_behind,
        )

    def status(self) -> StatusView:
        """Return how this node is."""
        doors = self._doors
        capabilities = doors.inference.capabilities()
        waiting = self._not_ready(capabilities)
        return StatusView(
            worker_id=worker_view(doors.log, doors.machine.me).worker_id,
            peer_id=peer_id_of(doors.machine.me),
            version=doors.version,
            network_id=doors.network.network_id.hex(),
            addresses=doors.net.addresses(),
            ready=not waiting,
            waiting=waiting,
            signing=doors.machine.outbox.signing and not doors.loop.outage,
            model=self._model_state(),
            capabilities=tuple(capability_text(c) for c in capabilities),
            peers=len(doors.net.peers()),
            capable={c.task_type: self._capable(c) for c in capabilities},
            records=record_count(doors.log),
            tasks={STATE_NAMES[s]: count for s, count in task_counts(doors.log).items()},
            state_digest=state_digest(doors.log).hex(),
            read_only=doors.loop.outage,
            behind=doors.machine.is_behind,
            inference_queue=doors.machine.worker.load,
            sync=doors.sync.view(),
            counters={**doors.counters(), "records_fetched": doors.sync.fetched},
            uptime_s=int(trio.current_time() - self._started_s),
        )

    def network(self) -> NetworkView:
        """Return what the nodes of our network share."""
        return network_view(self._doors.network)

    def standings(self) -> tuple[Standing, ...]:
        """Rank everyone, anew only when something changed."""
        digest = state_digest(self._doors.log)
        if self._board[0] != digest:
            log = self._doors.log
            self._board = (digest, leaderboard(pairs_of(log), faults_of(log)))
        return self._board[1]

    def _view(self, submitted: SubmittedTask) -> TaskView:
        doors = self._doors
        own = doors.machine.submitter.find(submitted.task_id)
        listed: Sequence[PublicKey] = own.listed if own is not None else ()
        waiting = ""
        if own is not None:
            waiting = doors.machine.submitter.waiting_for(own, doors.clock.now().ms)
        return task_view(
            doors.log,
            submitted,
            me=doors.machine.me,
            listed=listed,
            waiting=waiting,
            cancelled=is_cancelled(doors.log, submitted.task_id),
            is_given_up=partial(doors.machine.outlook.is_given_up, doors.log),
        )

    def _peer_view(self, key: PublicKey, peer: Peer | None, ours: Collection[Digest]) -> PeerView:
        doors = self._doors
        named = worker_view(doors.log, key)
        heard = doors.machine.presences.find(key)
        presence = None if heard is None else heard.presence
        teller = None
        if peer is None and heard is not None and heard.record is not None:
            teller = doors.tellers.find(key, heard.record.created_ms)
        return PeerView(
            worker_id=named.worker_id,
            peer_id=named.peer_id,
            address=peer.address if peer else "",
            connected=peer is not None,
            outbound=peer is not None and peer.outbound,
            live=doors.machine.presences.is_live(key, doors.clock.now().ms),
            capabilities=tuple(map(capability_text, presence.capabilities)) if presence else (),
            load=presence.load if presence else 0,
            state_digest=presence.state_digest.hex() if presence else "",
            latency_ms=peer.latency_ms if peer else None,
            in_mesh=peer is not None and peer.in_mesh,
            same_state=presence is not None and presence.state_digest in ours,
            heard_through="" if teller in (None, named.peer_id) else teller,
        )

    def _not_ready(self, capabilities: Sequence[Capability]) -> str:
        doors = self._doors
        if doors.loop.outage:
            return f"the disk: {doors.loop.outage}"
        if doors.inference.task_type_names() and not capabilities:
            return "the model to load"
        if doors.machine.may_write and not doors.machine.outbox.signing:
            return "a first exchange with a peer, before anything is signed"
        if doors.has_bootstrap:
            if not doors.sync.completed:
                said = doors.joining().removeprefix("waiting for ")
                return said or "a first exchange with a peer"
            if not any(peer.in_mesh for peer in doors.net.peers()):
                return "a peer in the mesh"
        return ""

    def _model_state(self) -> str:
        status = self._doors.inference.status
        if not self._doors.inference.task_type_names():
            return "off"
        if status.state is WorkerState.READY or not status.last_error:
            return status.state.value
        return f"{status.state.value}: {status.last_error}"

    def _capable(self, capability: Capability) -> int:
        machine, now_ms = self._doors.machine, self._doors.clock.now().ms
        return sum(key != machine.me for key in machine.presences.capable(capability, now_ms))

    def _find_peer(self, peer: str) -> Peer:
        peers = self._doors.net.peers()
        found = [p for p in peers if p.peer_id == peer]
        found = found or [p for p in peers if alias_of(self._doors.log, p.public_key) == peer]
        if not found:
            message = f"peer {peer}: not connected; see `aimarket peers`"
            raise RequestRefused(404, "unknown_peer", message)
        if len(found) > 1:
            names = ", ".join(p.peer_id for p in found)
            raise RequestRefused(409, "ambiguous_peer", f"several peers are {peer}: {names}")
        return found[0]
