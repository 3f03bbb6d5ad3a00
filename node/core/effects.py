"""Everything a machine can ask of its shell, in the order in which it must be done.

A step's effects come as: every `Journal`, then one `Append`, then the rest. The journal is synced
to disk before anything later starts, so nothing is published or answered that a crash could make
us forget.
"""

from dataclasses import dataclass
from enum import Enum

from consensus.rows import Changes
from node.core.events import Token
from protocol.ids import PublicKey, TaskId
from protocol.statements import Capability
from protocol.work import Unworked


class Channel(Enum):
    """Which of the two topics."""

    RECORDS = "records"
    PRESENCE = "presence"


class Word(Enum):
    """What becomes of a gossip message."""

    ACCEPT = "accept"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Journal:
    """Add an entry to the signing journal and sync it."""

    entry: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """Write rows, all or none."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class Publish:
    """Offer a gossip message to the mesh."""

    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class Infer:
    """Run a model; an `Inferred` comes back."""

    task_id: TaskId
    capability: Capability
    input_bytes: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """Find the number that gives a record its work; a `Worked` comes back.

    What is ordered first is to be told first, for the dates of our records ascend.
    """

    ticket: int
    record: Unworked


@dataclass(frozen=True, slots=True)
class Relayed:
    """Tell the mesh whether to pass a message on."""

    token: Token
    word: Word


@dataclass(frozen=True, slots=True)
class Reply:
    """Tell the user the id of the task, which from now on cannot be lost."""

    token: Token
    task_id: TaskId


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the user why not.

    Attributes:
        token: Who asked.
        status: The HTTP status that says so.
        code: One machine-readable word.
        message: One line for people: what was wrong, the value and the limit.
    """

    token: Token
    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Send a `Woke` at this moment of the monotonic clock, or earlier; replaces the last one."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Differs:
    """Compare logs with this author: its presence tells of another one."""

    author: PublicKey


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop for good: this key signs elsewhere."""

    reason: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """Note that all we said elsewhere is in our journal now; the operator's order is done."""


Effect = (
    Journal
    | Append
    | Publish
    | Infer
    | Work
    | Relayed
    | Reply
    | Refuse
    | Wake
    | Differs
    | Halt
    | Adopted
)
