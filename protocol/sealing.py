"""Ids and commitments: the hashes that bind a task to its author and an answer to its juror."""

from protocol.canonical import pack
from protocol.ids import Commitment, Digest, NetworkId, PublicKey, TaskId, sha256
from protocol.schema import fields_of, result_fields
from protocol.statements import Jury, Profile, Result, Reveal, Task

TASK_DOMAIN = b"aimarket/task/1\0"
COMMIT_DOMAIN = b"aimarket/commit/1\0"
SALT_BYTES = 32


def task_id_of(network_id: NetworkId, author: PublicKey, task: Task) -> TaskId:
    """Name a task; another author, network or nonce gives another id."""
    return TaskId(sha256(TASK_DOMAIN, network_id, author, pack(fields_of(task))))


def commitment_of(
    network_id: NetworkId, task_id: TaskId, juror: PublicKey, salt: bytes, result: Result
) -> Commitment:
    """Seal a result. The juror is inside, so a copied commitment opens for nobody else."""
    words = pack(result_fields(result))
    return Commitment(sha256(COMMIT_DOMAIN, network_id, task_id, juror, salt, words))


def opened_commitment(network_id: NetworkId, author: PublicKey, reveal: Reveal) -> Commitment:
    """Return the commitment that a reveal by this author opens."""
    return commitment_of(network_id, reveal.task_id, author, reveal.salt, reveal.result)


def statement_digest(statement: Jury | Profile) -> Digest:
    """Return SHA-256 of the packed statement, which orders two that compete."""
    return Digest(sha256(pack(fields_of(statement))))
