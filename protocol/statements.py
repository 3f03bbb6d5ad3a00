"""What a record may say: the six kinds of statement, and nothing about bytes."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.ids import Commitment, Digest, PublicKey, TaskId


class Kind(IntEnum):
    """The first field of every packed statement."""

    PROFILE = 1
    TASK = 2
    COMMIT = 3
    JURY = 4
    REVEAL = 5
    PRESENCE = 6


class AnswerKind(IntEnum):
    """Whether an answer is a value, or the task type refusing the input."""

    VALUE = 0
    ERROR = 1


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """What a model run came to: compared byte for byte, never interpreted.

    Attributes:
        kind: A value, or an error of the input itself.
        value: The canonical discrete value, or the error kind, in UTF-8.
    """

    kind: AnswerKind
    value: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """One model run: its answer, and how sure the model was.

    Attributes:
        answer: What is voted on.
        confidence_ppm: The share of the answer, 0 to 1_000_000.
        margin_ppm: Its lead over the next answer, 0 to 1_000_000; 1_000_000 if there is none.
    """

    answer: Answer
    confidence_ppm: int
    margin_ppm: int


@dataclass(frozen=True, slots=True, order=True)
class Capability:
    """Something a worker can run.

    Attributes:
        task_type: The name of the task type, 1 to 64 bytes of UTF-8.
        model_digest: The digest of the model files, 32 bytes, or empty for types without a model.
    """

    task_type: str
    model_digest: bytes


@dataclass(frozen=True, slots=True)
class Profile:
    """How an author wishes to be called; for display only."""

    sequence: int
    alias: str
    agent: str


@dataclass(frozen=True, slots=True)
class Task:
    """An input to be run by `seats` workers. Its author is the submitter.

    Attributes:
        nonce: 16 bytes, so that the same input can be asked twice.
        task_type: The name of the task type.
        model_digest: 32 bytes, or empty for types without a model.
        input: The bytes the task type defines.
        seats: How many jurors are asked for; odd.
        attempt: 0 at first, one more for each retry.
        retry_of: The task this one tries again; empty exactly when `attempt` is 0.
    """

    nonce: bytes
    task_type: str
    model_digest: bytes
    input: bytes
    seats: int
    attempt: int
    retry_of: bytes

    @property
    def capability(self) -> Capability:
        """Return what a worker must be able to run."""
        return Capability(self.task_type, self.model_digest)


@dataclass(frozen=True, slots=True)
class Commit:
    """A worker's sealed answer."""

    task_id: TaskId
    commitment: Commitment


@dataclass(frozen=True, slots=True, order=True)
class Seat:
    """One juror and the sealed answer it is held to."""

    juror: PublicKey
    commitment: Commitment


@dataclass(frozen=True, slots=True)
class Jury:
    """The submitter's one signed list of seats, ascending by juror."""

    task_id: TaskId
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Reveal:
    """A juror's opened answer; it counts if it opens the pinned commitment."""

    task_id: TaskId
    result: Result
    salt: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is here and what it can run; on its own topic, never stored.

    Attributes:
        capabilities: Strictly ascending as packed pairs.
        load: How many runs wait at this node.
        ttl_ms: How long this counts from receipt; 0 means gone.
        addresses: Multiaddrs where the author may be dialled.
        horizon_ms: The moment up to which its log is summed below; 0 means do not compare.
        count: How many records it holds with `created_ms` below the horizon.
        fingerprint: 16 bytes over the ids of those records.
        state_digest: The digest of all verdicts and scores it computed.
    """

    capabilities: tuple[Capability, ...]
    load: int
    ttl_ms: int
    addresses: tuple[str, ...]
    horizon_ms: int
    count: int
    fingerprint: bytes
    state_digest: Digest


Statement = Profile | Task | Commit | Jury | Reveal | Presence
