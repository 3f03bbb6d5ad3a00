"""What a certificate proves, and what it does not, in words and as fields."""

from dataclasses import dataclass

from consensus.certificate import Attempt
from consensus.certificate_check import Proof
from consensus.verdict import State, quorum_of
from node.certificate_file import text_of
from node.certificate_views import NotTextView
from node.names import peer_id_of
from protocol.params import NetworkParams, network_of

PUBLIC_ID = network_of(NetworkParams()).network_id


@dataclass(frozen=True, slots=True)
class ProofView:
    """A certificate that was checked and found right.

    Attributes:
        task_id: The first attempt, in hex.
        task_ids: All attempts, in hex.
        network_id: The network it was signed for, in hex.
        network_name: What that network calls itself.
        is_public_network: Whether that is the public network.
        submitter: The key that asked, in hex.
        submitter_peer_id: The same key as a peer id.
        task_type: What was asked.
        model: The model digest in hex.
        text: The input.
        state: What the records come to.
        answer: The agreed answer; None unless final.
        decided_by: The attempt that decides, in hex.
        seats: How many jurors that attempt asked for.
        records: How many records were checked.
        final_unless_void: Whether only its submitter could undo this: by a second jury, or by a
            later attempt that becomes final.
        no_more_was_shown: Whether records that were left out may take the task further.
        earlier_attempts_not_shown: Whether it begins with a retry.
        single_seat: Whether one juror alone decided.
        proves: In plain lines.
        does_not_prove: In plain lines.
    """

    task_id: str
    task_ids: tuple[str, ...]
    network_id: str
    network_name: str
    is_public_network: bool
    submitter: str
    submitter_peer_id: str
    task_type: str
    model: str
    text: str | NotTextView
    state: str
    answer: str | NotTextView | None
    decided_by: str
    seats: int
    records: int
    final_unless_void: bool
    no_more_was_shown: bool
    earlier_attempts_not_shown: bool
    single_seat: bool
    proves: tuple[str, ...]
    does_not_prove: tuple[str, ...]


def told_of(proof: Proof) -> ProofView:
    """Say what a checked certificate proves."""
    certificate = proof.certificate
    claim, network = certificate.claim, certificate.network
    decides = next(one for one in claim.attempts if one.task_id == claim.decided_by)
    asked = proof.tasks[0].task
    state = claim.state
    return ProofView(
        task_id=certificate.task_id.hex(),
        task_ids=tuple(one.task_id.hex() for one in claim.attempts),
        network_id=network.network_id.hex(),
        network_name=network.params.name,
        is_public_network=network.network_id == PUBLIC_ID,
        submitter=claim.submitter.hex(),
        submitter_peer_id=peer_id_of(claim.submitter),
        task_type=asked.task_type,
        model=asked.model_digest.hex(),
        text=text_of(asked.input),
        state=state.name.lower(),
        answer=None if claim.answer is None else text_of(claim.answer),
        decided_by=claim.decided_by.hex(),
        seats=decides.seats,
        records=len(certificate.records),
        final_unless_void=state is State.FINAL,
        no_more_was_shown=state in (State.OPEN, State.SEATED, State.SPLIT),
        earlier_attempts_not_shown=claim.attempts[0].attempt > 0,
        single_seat=decides.seats == 1,
        proves=(*_signed(proof), _outcome(decides)),
        does_not_prove=tuple(_limits(proof, decides)),
    )


def _signed(proof: Proof) -> tuple[str, ...]:
    claim, network = proof.certificate.claim, proof.certificate.network
    which = "the public network"
    if network.network_id != PUBLIC_ID:
        which = f"the private network {network.params.name!r} ({network.network_id.hex()})"
    count = len(proof.certificate.records)
    records = "one signed record" if count == 1 else f"{count} signed records"
    return (
        f"{records} of {which}, each with a good signature",
        f"key {claim.submitter.hex()} submitted this task",
    )


def _outcome(decides: Attempt) -> str:
    opened = sum(one.opened is not None for one in decides.jurors)
    match decides.state:
        case State.OPEN:
            return "open: it was asked"
        case State.SEATED:
            return f"seated: a jury of {len(decides.jurors)} is signed, {opened} of them opened"
        case State.FINAL:
            agreed = sum(
                one.opened is not None
                and not one.opened.error
                and one.opened.value == decides.answer
                for one in decides.jurors
            )
            need = quorum_of(decides.seats)
            return (
                f"final: {agreed} of {len(decides.jurors)} jurors opened this answer, as the jury "
                f"had pinned it sealed; {need} are needed"
            )
        case State.SPLIT:
            return f"split: {opened} jurors opened, and no answer can reach a quorum any more"
        case State.VOID:
            return "void: the submitter signed two juries or one of a wrong size, for ever"


def _limits(proof: Proof, decides: Attempt) -> list[str]:
    lines: list[str] = []
    if decides.state is State.FINAL:
        lines.append(
            "more than final unless void: the submitter can still sign a second jury, which voids "
            "the attempt, or try again, and a later attempt that becomes final counts instead"
        )
    elif decides.state is State.VOID:
        lines.append("that no other attempt settles it: another retry may not be shown")
    else:
        lines.append(
            "that this is all: no more was shown, and records that were left out may take the task "
            "further"
        )
    if proof.certificate.claim.attempts[0].attempt > 0:
        lines.append("what the attempts before it came to: they are not shown")
    if decides.seats == 1:
        lines.append("that anybody agreed: a single seat was asked for, chosen by the submitter")
    lines.append("that the jurors are different people: anyone can make keys")
    lines.append("that the answer is true: it is what the jurors' models said")
    lines.append("points or reputation: they depend on records of other tasks")
    return lines
