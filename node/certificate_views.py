"""A certificate as JSON shows it: field for field what docs/spec/certificates.md says."""

from dataclasses import dataclass

FORMAT = "aimarket/certificate/1"


@dataclass(frozen=True, slots=True)
class NotTextView:
    """Bytes that are not UTF-8.

    Attributes:
        hex: The bytes.
    """

    hex: str


@dataclass(frozen=True, slots=True)
class OpenedView:
    """What a juror opened.

    Attributes:
        error: Whether the task type refused the input; `value` is then the error kind.
        value: The answer.
        confidence_ppm: What the juror said of its own certainty.
        margin_ppm: The lead over the next answer.
    """

    error: bool
    value: str | NotTextView
    confidence_ppm: int
    margin_ppm: int


@dataclass(frozen=True, slots=True)
class SeatView:
    """One seat of a jury.

    Attributes:
        key: Who sits on it, in hex.
        commitment: The sealed answer it is held to, in hex.
        committed: Whether a record of the juror itself seals it.
        opened: What opens it, or None.
    """

    key: str
    commitment: str
    committed: bool
    opened: OpenedView | None


@dataclass(frozen=True, slots=True)
class ProvenAttemptView:
    """One task of the chain.

    Attributes:
        task_id: Its id in hex.
        attempt: 0 at first.
        seats: How many were asked for.
        state: How far it has come.
        answer: The agreed value; None unless final.
        jurors: Ascending by key; none while open, none when void.
    """

    task_id: str
    attempt: int
    seats: int
    state: str
    answer: str | NotTextView | None
    jurors: tuple[SeatView, ...]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """What the records come to.

    Attributes:
        submitter: Who asked, in hex.
        state: That of the attempt that decides the chain.
        answer: The agreed value; None unless final.
        decided_by: That attempt: the last final one, else the last.
        attempts: The chain, ascending by (attempt, task id).
    """

    submitter: str
    state: str
    answer: str | NotTextView | None
    decided_by: str
    attempts: tuple[ProvenAttemptView, ...]


@dataclass(frozen=True, slots=True)
class ParamsView:
    """The parameters that all nodes of the network share, and the id they hash to; bytes in hex."""

    id: str
    genesis: str
    name: str
    record_bytes_max: int
    statements_max: int
    input_bytes_max: int
    answer_bytes_max: int
    alias_bytes_max: int
    capabilities_max: int
    seats_max: int
    attempts_max: int
    near_tie_ppm: int
    record_work_bits: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A claim about a task, and all that it takes to check it.

    Attributes:
        format: `aimarket/certificate/1`.
        network: What the records are signed for.
        task_id: The first attempt, in hex.
        claim: What is said to follow from the records.
        records: Signed records as they travel, in hex, ascending by id.
    """

    format: str
    network: ParamsView
    task_id: str
    claim: ClaimView
    records: tuple[str, ...]
