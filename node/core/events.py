"""Everything that can happen to a node, told to its machine one at a time."""

from dataclasses import dataclass
from enum import Enum
from typing import NewType

from protocol.ids import PeerId, TaskId
from protocol.record import Verified
from protocol.statements import Capability, Result

Token = NewType("Token", int)  # names whoever waits for an answer; the machine only hands it back


class Via(Enum):
    """How records reached us."""

    GOSSIP = "gossip"
    SYNC = "sync"
    FILE = "file"  # by our own user's hand: what is ours in it is left out, and stops nothing


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of an event.

    Attributes:
        ms: A monotonic clock; every wait runs on it.
        wall_ms: The Unix clock; dates our own records and nothing else.
    """

    ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Started:
    """The node begins, its log and journal read; always the first event."""


@dataclass(frozen=True, slots=True)
class Received:
    """Records of a peer, their signatures checked.

    Attributes:
        records: Never a presence.
        via: Whether they were gossiped, and may be relayed, or fetched, or read from a file.
        sender: Who handed them to us.
        token: Who waits for the word to relay; None for fetched ones.
    """

    records: tuple[Verified, ...]
    via: Via
    sender: PeerId
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class PresencesHeard:
    """Presences, gossiped (with a token) or exchanged on a new connection (without)."""

    records: tuple[Verified, ...]
    sender: PeerId
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """The user asks.

    Attributes:
        request_id: The same id is the same task, for ever.
        capability: What a worker must be able to run.
        input_bytes: The input in the form its task type defines.
        seats: How many jurors; None for the default.
        token: Who waits for the task id.
    """

    request_id: str
    capability: Capability
    input_bytes: bytes
    seats: int | None
    token: Token


@dataclass(frozen=True, slots=True)
class Cancel:
    """The user no longer cares for an own task."""

    task_id: TaskId
    token: Token


@dataclass(frozen=True, slots=True)
class Inferred:
    """A model run ended; without a result if it failed."""

    task_id: TaskId
    result: Result | None


@dataclass(frozen=True, slots=True)
class Worked:
    """The number that a `Work` asked for was found."""

    ticket: int
    work: int


@dataclass(frozen=True, slots=True)
class CapabilitiesChanged:
    """What this node can run is now this."""

    capabilities: tuple[Capability, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """Others may dial this node at these full multiaddrs."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SigningAllowed:
    """This node has seen enough of the network to know that it signs nothing twice."""


@dataclass(frozen=True, slots=True)
class Room:
    """The disk limit is near, or no longer: foreign records are not to be stored, or again."""

    is_full: bool


@dataclass(frozen=True, slots=True)
class Woke:
    """The time asked for by a `Wake` has come."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The node is about to leave; the last event but for the work of its goodbye."""


Event = (
    Started
    | Received
    | PresencesHeard
    | Submit
    | Cancel
    | Inferred
    | Worked
    | CapabilitiesChanged
    | Listening
    | SigningAllowed
    | Room
    | Woke
    | Stopping
)
