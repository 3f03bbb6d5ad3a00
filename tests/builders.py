"""Readable records: people by name, answers in words, everything else by default.

Keys follow from names, and salts from who seals what, so any two builders agree.
"""

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from protocol.canonical import pack
from protocol.ids import Commitment, Digest, PublicKey, TaskId
from protocol.keys import Signer
from protocol.params import PPM, Network, NetworkParams, network_of
from protocol.record import RECORD_DOMAIN, Verified, seal
from protocol.sealing import commitment_of, task_id_of
from protocol.statements import (
    Answer,
    AnswerKind,
    Capability,
    Commit,
    Jury,
    Presence,
    Profile,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)

NETWORK = network_of(NetworkParams(genesis=b"\x01" * 16, name="test"))
MODEL = hashlib.sha256(b"a model").digest()
NOON_MS = 1_700_000_000_000


@cache
def signer(name: str) -> Signer:
    """Return the key of somebody; the same name has the same key."""
    return Signer(hashlib.sha256(b"test key " + name.encode()).digest())


def key(name: str) -> PublicKey:
    """Return somebody's public key."""
    return signer(name).public_key


def a_task(
    text: str = "what a day",
    *,
    seats: int = 3,
    nonce: int = 0,
    task_type: str = "sentiment",
    model_digest: bytes = MODEL,
    attempt: int = 0,
    retry_of: bytes = b"",
) -> Task:
    """Ask for the sentiment of a text."""
    return Task(
        nonce.to_bytes(16), task_type, model_digest, text.encode(), seats, attempt, retry_of
    )


def id_of(author: str, task: Task, network: Network = NETWORK) -> TaskId:
    """Name somebody's task."""
    return task_id_of(network.network_id, key(author), task)


def retry_of(author: str, task: Task, *, nonce: int = 0, seats: int | None = None) -> Task:
    """Ask validly again."""
    return Task(
        nonce.to_bytes(16),
        task.task_type,
        task.model_digest,
        task.input,
        task.seats if seats is None else seats,
        task.attempt + 1,
        id_of(author, task),
    )


def a_result(answer: str, *, margin_ppm: int = PPM, confidence_ppm: int = 900_000) -> Result:
    """Answer a label, or an error kind if it begins with `!`."""
    kind = AnswerKind.ERROR if answer.startswith("!") else AnswerKind.VALUE
    return Result(Answer(kind, answer.lstrip("!").encode()), confidence_ppm, margin_ppm)


def a_salt(juror: str, task_id: TaskId) -> bytes:
    """Return the salt somebody would use for a task: secret in life, reproducible here."""
    return hashlib.sha256(b"salt" + juror.encode() + task_id).digest()


def sealed(juror: str, task_id: TaskId, result: Result, network: Network = NETWORK) -> Commitment:
    """Return somebody's commitment to a result."""
    salt = a_salt(juror, task_id)
    return commitment_of(network.network_id, task_id, key(juror), salt, result)


def a_commit(juror: str, task_id: TaskId, answer: str, *, margin_ppm: int = PPM) -> Commit:
    """Commit to an answer."""
    return Commit(task_id, sealed(juror, task_id, a_result(answer, margin_ppm=margin_ppm)))


def a_reveal(juror: str, task_id: TaskId, answer: str, *, margin_ppm: int = PPM) -> Reveal:
    """Open that commitment."""
    result = a_result(answer, margin_ppm=margin_ppm)
    return Reveal(task_id, result, a_salt(juror, task_id))


def a_jury(task_id: TaskId, answers: dict[str, str], *, margin_ppm: int = PPM) -> Jury:
    """Seat people, each held to the answer given for it."""
    seats = [
        Seat(key(juror), a_commit(juror, task_id, answer, margin_ppm=margin_ppm).commitment)
        for juror, answer in answers.items()
    ]
    return Jury(task_id, tuple(sorted(seats)))


def a_profile(alias: str = "an", *, sequence: int = 1, agent: str = "aimarket/0.1") -> Profile:
    """Say how one wishes to be called."""
    return Profile(sequence, alias, agent)


def a_presence(*, ttl_ms: int = 30_000, load: int = 0, addresses: Sequence[str] = ()) -> Presence:
    """Say that one is here."""
    return Presence(
        capabilities=(Capability("sentiment", MODEL),),
        load=load,
        ttl_ms=ttl_ms,
        addresses=tuple(addresses),
        horizon_ms=0,
        count=0,
        fingerprint=bytes(16),
        state_digest=Digest(bytes(32)),
    )


@lru_cache(maxsize=65_536)
def a_record(
    author: str, *statements: Statement, created_ms: int = NOON_MS, network: Network = NETWORK
) -> Verified:
    """Sign statements; the same words are signed only once, for signing is slow."""
    return seal(statements, signer=signer(author), created_ms=created_ms, network=network)


def a_market_day(
    submitter: str, task: Task, answers: dict[str, str], *, margin_ppm: int = PPM
) -> list[Verified]:
    """Tell the whole life of a task: asked, sealed, seated, opened by all."""
    task_id = id_of(submitter, task)
    story = [a_record(submitter, task)]
    for juror, answer in answers.items():
        commit = a_commit(juror, task_id, answer, margin_ppm=margin_ppm)
        story.append(a_record(juror, commit, created_ms=NOON_MS + 1))
    jury = a_jury(task_id, answers, margin_ppm=margin_ppm)
    story.append(a_record(submitter, jury, created_ms=NOON_MS + 2))
    for juror, answer in answers.items():
        reveal = a_reveal(juror, task_id, answer, margin_ppm=margin_ppm)
        story.append(a_record(juror, reveal, created_ms=NOON_MS + 3))
    return story


def raw_record(author: str, *statements: Any, **changed: Any) -> bytes:
    """Pack and truly sign whatever is given, allowed or not.

    Args:
        author: Who signs.
        statements: The fields of each statement.
        changed: Other words for the fields of the record: `version`, `network_id`, `author`,
            `created_ms`, `work`.
    """
    head = {
        "version": 1,
        "network_id": NETWORK.network_id,
        "author": key(author),
        "created_ms": NOON_MS,
        "work": 0,
        **changed,
    }
    fields = [*head.values(), list(statements)]
    signature = signer(author).sign(RECORD_DOMAIN + pack(fields))
    return pack([*fields, signature])
