"""A log as a network of many authors would have grown it, put straight into a node's store."""

import hashlib
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from consensus.incremental import fold
from node.keys import load_key
from node.store.open import open_store
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import Verified, seal
from protocol.sealing import commitment_of, task_id_of
from protocol.statements import (
    Answer,
    AnswerKind,
    Commit,
    Jury,
    Profile,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)

AUTHORS = 60
JURORS = 3
NOON_MS = 1_790_000_000_000
TASK_EVERY_MS = 900
FOLDED_TOGETHER = 1_024


def history(network: Network, *, seed: int) -> Iterator[Verified]:
    """Walk the records of one task after the other: asked, sealed, seated, opened."""
    rng = random.Random(seed)
    authors = [Signer(hashlib.sha256(b"bench %d %d" % (seed, n)).digest()) for n in range(AUTHORS)]

    def said(signer: Signer, statement: Statement, at_ms: int) -> Verified:
        return seal([statement], signer=signer, created_ms=at_ms, network=network)

    for number, author in enumerate(authors):
        yield said(author, Profile(0, f"author {number}", "bench"), NOON_MS - AUTHORS + number)
    at_ms = NOON_MS
    while True:
        at_ms += TASK_EVERY_MS
        submitter, *jurors = rng.sample(authors, 1 + JURORS)
        words = " ".join(rng.choice(("good", "bad", "so", "very", "film")) for _ in range(12))
        task = Task(rng.randbytes(16), "echo", b"", words.encode(), JURORS, 0, b"")
        task_id = task_id_of(network.network_id, submitter.public_key, task)
        result = Result(Answer(AnswerKind.VALUE, b"positive"), 930_000, 870_000)
        seats: list[Seat] = []
        salts: list[bytes] = []
        yield said(submitter, task, at_ms)
        for juror in jurors:
            salts.append(rng.randbytes(32))
            key = juror.public_key
            sealed = commitment_of(network.network_id, task_id, key, salts[-1], result)
            seats.append(Seat(key, sealed))
            yield said(juror, Commit(task_id, sealed), at_ms + rng.randrange(20, 200))
        yield said(submitter, Jury(task_id, tuple(sorted(seats))), at_ms + 250)
        for juror, salt in zip(jurors, salts, strict=True):
            yield said(juror, Reveal(task_id, result, salt), at_ms + rng.randrange(300, 500))


def prepare(folder: Path, name: str, network: Network, *, records: int, seed: int) -> int:
    """Make the data directory of a node that holds so many records; return their bytes."""
    key = load_key(folder)
    store = open_store(
        folder,
        network_id=network.network_id,
        public_key=key.signer.public_key,
        nickname=name,
    )
    record_bytes = 0
    try:
        walk = history(network, seed=seed)
        while records and (some := list(islice(walk, min(records, FOLDED_TOGETHER)))):
            store.log.stage(fold(store.log, some, network).changes)
            store.log.flush()
            record_bytes += sum(len(record.raw) for record in some)
            records -= len(some)
    finally:
        store.close()
    return record_bytes
