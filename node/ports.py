"""The doors of a node: what its heavy parts promise, and nothing of how they keep it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from consensus.rows import Changes, Rows
from node.views import LeaderboardView, NetworkView, PeerView, StatusView, TaskPageView, TaskView
from protocol.ids import PeerId, PublicKey
from protocol.statements import Capability, Result


class Relay(Enum):
    """What the mesh does with a gossip message once we have looked at it."""

    ACCEPT = "accept"  # pass it on
    IGNORE = "ignore"  # do not pass it on; nobody is to blame
    REJECT = "reject"  # do not pass it on; the sender is to blame


@dataclass(frozen=True, slots=True)
class Peer:
    """One live connection.

    Attributes:
        peer_id: The authenticated identity at the other end.
        public_key: The Ed25519 key inside that identity.
        address: Where it was reached or came from, a multiaddr without `/p2p/`.
        outbound: Whether we dialled it.
        topics: The topics it says it follows.
        in_mesh: Whether it is in our mesh on every topic we follow.
        latency_ms: The round trip of the last probe that it answered; None until then.
    """

    peer_id: PeerId
    public_key: PublicKey
    address: str
    outbound: bool
    topics: tuple[str, ...]
    in_mesh: bool
    latency_ms: float | None = None


# Looks at one gossip message (topic, bytes, forwarding peer) and says what becomes of it. It may
# wait; it never raises.
Gate = Callable[[str, bytes, PeerId], Awaitable[Relay]]

# Answers one request of a peer on a protocol. Raises PeerFailed to refuse: the stream is reset.
Answerer = Callable[[PeerId, bytes], Awaitable[bytes]]

# Told that a peer connected (True), followed our topics (True again), or left (False).
PeerWatcher = Callable[[PeerId, bool], None]


class Net(Protocol):
    """The network: a mesh to gossip over, streams to ask peers, connections to dial."""

    @property
    def peer_id(self) -> PeerId:
        """Return our own transport identity."""
        ...

    def addresses(self) -> tuple[str, ...]:
        """Return the full multiaddrs (with `/p2p/`) others can dial."""
        ...

    def peers(self) -> tuple[Peer, ...]:
        """Return the live connections, ordered by peer id."""
        ...

    async def publish(self, topic: str, data: bytes) -> None:
        """Offer our own message to the mesh; never waits for the network."""
        ...

    async def dial(self, address: str) -> PeerId:
        """Connect to one full multiaddr.

        Raises:
            NotTried: The peer is connected some other way.
            DialFailed: No authenticated connection came about in time.
        """
        ...

    async def ask(self, peer_id: PeerId, protocol: str, request: bytes) -> bytes:
        """Send one request to a connected peer over a stream of its own.

        Raises:
            PeerFailed: It is not connected, did not answer in time, or answered too much.
        """
        ...

    async def hang_up(self, peer_id: PeerId) -> None:
        """Close every connection to a peer."""
        ...


class Log(Rows, Protocol):
    """The rows of a node on disk; what is staged is read at once and written together."""

    def stage(self, changes: Changes) -> None:
        """Lay changes over the rows."""
        ...

    def flush(self) -> None:
        """Write everything staged, all or none; blocks on the disk."""
        ...


class SigningJournal(Protocol):
    """The one guard against signing twice."""

    def append(self, payloads: Sequence[bytes]) -> None:
        """Add entries and sync them; blocks on the disk."""
        ...


class Inference(Protocol):
    """Models, run somewhere that cannot hurt the node."""

    def capabilities(self) -> tuple[Capability, ...]:
        """Return what can be asked now, ascending; empty until a model is loaded."""
        ...

    async def infer(self, capability: Capability, input_bytes: bytes) -> Result:
        """Run one input; what waits at the same time may run as one batch.

        Raises:
            InferenceFailed: The worker crashed, or does not serve that capability.
        """
        ...


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """What the local user asks for; checked by the node, not by whoever carries it.

    Attributes:
        text: The input.
        task_type: The name of the task type; None for the node's default.
        seats: How many jurors; None for the node's default.
        model: The model digest in hex; None for what this node serves itself.
        request_id: The same id is the same task, also after a crash; None makes one.
    """

    text: str
    task_type: str | None = None
    seats: int | None = None
    model: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Which tasks are listed, the newest first.

    Attributes:
        limit: The most of one page.
        cursor: What the page before gave as `next`; None for the first page.
        mine: Whether only tasks of this node are meant.
        state: Only tasks in this state.
        task_type: Only tasks of this type.
        submitter: Only tasks of whoever is called so: a nickname, `nickname~end` as listings show
            it, a peer id, or a key in hex or its first 8 digits.
    """

    limit: int
    cursor: str | None = None
    mine: bool = False
    state: str | None = None
    task_type: str | None = None
    submitter: str | None = None


class Market(Protocol):
    """The node as its local user sees it; every method is quick but those that say `async`."""

    async def submit(self, request: SubmitRequest) -> str:
        """Sign and store a task, then return its id in hex; from then on it is not lost.

        Raises:
            RequestRefused: 400 with the reason, 409 for a request id used for something else,
                429 when too much waits, 503 when this node may not sign.
        """
        ...

    async def cancel(self, task_id: str) -> None:
        """Stop caring for an own task: it is neither seated nor retried by this node.

        Raises:
            RequestRefused: 404 for an unknown task, 409 if it is not ours or decided.
        """
        ...

    def find_task(self, task_id: str) -> TaskView | None:
        """Return a task by its id in hex, or by a unique prefix of 8 digits or more.

        Raises:
            RequestRefused: 400 if that is not hex, 409 if the prefix fits several tasks.
        """
        ...

    def tasks(self, query: TaskQuery) -> TaskPageView:
        """Return one page of tasks, the newest first.

        Raises:
            RequestRefused: 400 if the cursor is none that this node gave.
        """
        ...

    def leaderboard(self, *, limit: int) -> LeaderboardView:
        """Return the first rows of the leaderboard as this node computes it."""
        ...

    async def leaderboard_of(self, peer: str) -> LeaderboardView:
        """Ask a connected peer, by peer id or nickname, for the leaderboard it computes.

        Raises:
            RequestRefused: 404 if no such peer is connected, 409 if a nickname fits several,
                502 if it gave no usable answer.
        """
        ...

    def peers(self, *, limit: int) -> tuple[PeerView, ...]:
        """Return connected peers, and so many live ones as there is room for, by nickname."""
        ...

    def status(self) -> StatusView:
        """Return how this node is."""
        ...

    def network(self) -> NetworkView:
        """Return what the nodes of its network share."""
        ...
