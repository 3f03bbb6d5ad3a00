"""A directory with a long log in it, written without running a node: weeks of a market at once."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random

from consensus.incremental import fold
from node.config import make_network
from node.keys import load_key
from node.store.open import Store, open_store
from protocol.ids import sha256
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import Verified, seal
from protocol.sealing import commitment_of, task_id_of
from protocol.statements import (
    Answer,
    AnswerKind,
    Commit,
    Jury,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)

PEOPLE = 8
SEATS = 3
BATCH = 256
TASK_EVERY_MS = 1_000
BEGAN_MS = 1_750_000_000_000
PPM = 1_000_000


def market(network: Network, rng: Random) -> Iterator[Verified]:
    """Return the records of task after task, all of them final, one statement each."""
    signers = [Signer(rng.randbytes(32)) for _ in range(PEOPLE)]
    now_ms = BEGAN_MS

    def said(signer: Signer, statement: Statement) -> Verified:
        nonlocal now_ms
        now_ms += TASK_EVERY_MS // 8
        return seal([statement], signer=signer, created_ms=now_ms, network=network)

    while True:
        submitter, *jurors = rng.sample(signers, SEATS + 1)
        text = rng.randbytes(16).hex().encode()
        task = Task(rng.randbytes(16), "echo", b"", text, SEATS, 0, b"")
        task_id = task_id_of(network.network_id, submitter.public_key, task)
        result = Result(Answer(AnswerKind.VALUE, sha256(text)), PPM, PPM)
        reveals = {juror: Reveal(task_id, result, rng.randbytes(32)) for juror in jurors}
        seats = [
            Seat(
                juror.public_key,
                commitment_of(network.network_id, task_id, juror.public_key, reveal.salt, result),
            )
            for juror, reveal in reveals.items()
        ]
        yield said(submitter, task)
        for juror, seat in zip(jurors, seats, strict=True):
            yield said(juror, Commit(task_id, seat.commitment))
        yield said(submitter, Jury(task_id, tuple(sorted(seats))))
        for juror, reveal in reveals.items():
            yield said(juror, reveal)


def fill(directory: Path, *, genesis: str, records: int, rng: Random) -> int:
    """Begin a data directory and put so many records in; return their bytes."""
    network = make_network(name=None, genesis=genesis)
    story = islice(market(network, rng), records)
    size = 0
    with closing(_begin(directory, network)) as store:
        while batch := list(islice(story, BATCH)):
            size += sum(len(record.raw) for record in batch)
            store.log.stage(fold(store.log, batch, network).changes)
            store.log.flush()
    return size


def copy_log(source: Path, target: Path, *, genesis: str) -> None:
    """Begin a data directory of another key with the log of one that does not run."""
    network = make_network(name=None, genesis=genesis)
    _begin(target, network).close()
    shutil.rmtree(target / "log")
    shutil.copytree(source / "log", target / "log")


def _begin(directory: Path, network: Network) -> Store:
    key = load_key(directory)
    return open_store(
        directory,
        network_id=network.network_id,
        public_key=key.signer.public_key,
        nickname="filled",
    )
