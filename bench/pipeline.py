"""How near the path of a record comes to its physical limit, one signature check after the other.

Decode, verify, judge and store real records into a real LevelDB, once with one statement a record
and once with 64, on one thread, beside the raw rate of libsodium checks in the same run. Both are
measured in CPU time of that thread, so that whatever else runs on the machine counts for neither;
the wall clock stands beside them.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from nacl.bindings import crypto_sign_open

from consensus.incremental import fold
from consensus.log import record_count, state_digest, task_counts
from consensus.verdict import State
from node.store.level import LevelLog
from protocol.ids import PublicKey, TaskId
from protocol.keys import Signer
from protocol.params import Network, NetworkParams, network_of
from protocol.record import Verified, decode_record, seal, signed_bytes, verify
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

TARGET_SINGLE = 0.5
TARGET_BATCHED = 5.0
TOGETHER = 64  # records of one gossip message, and of one step of a busy node
JURORS = 3


@dataclass
class Spent:
    """CPU seconds of each part, wall seconds of all, and what was done in them."""

    decode: float = 0.0
    verify: float = 0.0
    judge: float = 0.0
    store: float = 0.0
    wall: float = 0.0
    records: int = 0
    statements: int = 0

    @property
    def total(self) -> float:
        """Return the CPU seconds of the whole path."""
        return self.decode + self.verify + self.judge + self.store


def history(network: Network, tasks: int, each: int) -> list[tuple[str, list[bytes]]]:
    """Make the packed records of some tasks' whole lives, `each` statements a record.

    Returns:
        Phases in order; a jury is always alone in its record, whatever `each` is.
    """
    submitter = Signer(os.urandom(32))
    jurors = sorted((Signer(os.urandom(32)) for _ in range(JURORS)), key=lambda s: s.public_key)
    result = Result(Answer(AnswerKind.VALUE, b"positive"), 930_000, 870_000)
    made = [Task(os.urandom(16), "echo", b"", b"x" * 60, 3, 0, b"") for _ in range(tasks)]
    ids = [task_id_of(network.network_id, submitter.public_key, task) for task in made]
    salts = {(i, s.public_key): os.urandom(32) for i in ids for s in jurors}

    def sealed(task_id: TaskId, juror: PublicKey) -> Seat:
        salt = salts[task_id, juror]
        return Seat(juror, commitment_of(network.network_id, task_id, juror, salt, result))

    def packed(signer: Signer, statements: Sequence[Statement], size: int) -> list[bytes]:
        return [
            seal(statements[i : i + size], signer=signer, created_ms=i, network=network).raw
            for i in range(0, len(statements), size)
        ]

    commits: list[bytes] = []
    reveals: list[bytes] = []
    for juror in jurors:
        key = juror.public_key
        commits += packed(juror, [Commit(i, sealed(i, key).commitment) for i in ids], each)
        reveals += packed(juror, [Reveal(i, result, salts[i, key]) for i in ids], each)
    juries = [Jury(i, tuple(sealed(i, s.public_key) for s in jurors)) for i in ids]
    return [
        ("task", packed(submitter, made, each)),
        ("commit", commits),
        ("jury", packed(submitter, juries, 1)),
        ("reveal", reveals),
    ]


def through(log: LevelLog, network: Network, raws: Sequence[bytes], spent: Spent) -> None:
    """Take records the whole way, as many together as one gossip message holds."""
    clock = time.thread_time
    began = time.perf_counter()
    for start in range(0, len(raws), TOGETHER):
        batch = raws[start : start + TOGETHER]
        t0 = clock()
        decoded = [decode_record(raw, network) for raw in batch]
        t1 = clock()
        checked: list[Verified] = [verify(record) for record in decoded]
        t2 = clock()
        folded = fold(log, checked, network)
        t3 = clock()
        log.stage(folded.changes)
        log.flush()
        t4 = clock()
        spent.decode += t1 - t0
        spent.verify += t2 - t1
        spent.judge += t3 - t2
        spent.store += t4 - t3
        spent.records += len(batch)
        spent.statements += sum(len(record.statements) for record in checked)
    spent.wall += time.perf_counter() - began


def raw_check_s(raws: Sequence[bytes], network: Network) -> float:
    """Return the CPU seconds of one libsodium check on these records, and of nothing else."""
    work = [(raw[-64:] + signed_bytes(raw), decode_record(raw, network).author) for raw in raws]
    start = time.thread_time()
    for signed, author in work:
        crypto_sign_open(signed, author)
    return (time.thread_time() - start) / len(work)


def measure(tasks: int, each: int) -> dict[str, float]:
    """Run one history through an empty LevelDB and return its figures.

    The raw rate is taken before and after on records of the same history, so that both see the
    same machine.
    """
    network = network_of(NetworkParams())
    phases = history(network, tasks, each)
    by_kind = {name: Spent() for name, _ in phases}
    small = [raw for _, raws in history(network, 120, 1) for raw in raws]
    checks = [raw_check_s(small, network)]
    with tempfile.TemporaryDirectory() as folder:
        log = LevelLog(Path(folder) / "log", create=True)
        for name, raws in phases:
            through(log, network, raws, by_kind[name])
            checks.append(raw_check_s(small, network))
        assert task_counts(log)[State.FINAL] == tasks, "every task ends final"
        assert record_count(log) == sum(len(raws) for _, raws in phases)
        assert any(state_digest(log))
        log.close()
    raw = 1 / statistics.mean(checks)
    # With 64 a record, juries cannot take part: each is alone in its record. They are told apart.
    counted = [s for name, s in by_kind.items() if name != "jury" or each == 1]
    spent = Spent(**{f.name: sum(getattr(s, f.name) for s in counted) for f in fields(Spent)})
    per = spent.statements
    done = spent.records if each == 1 else spent.statements
    return {
        "per_s": done / spent.total,
        "wall_per_s": done / spent.wall,
        "raw_per_s": raw,
        "ratio": done / spent.total / raw,
        "decode_us": spent.decode / per * 1e6,
        "verify_us": spent.verify / per * 1e6,
        "judge_us": spent.judge / per * 1e6,
        "store_us": spent.store / per * 1e6,
        **{f"{n}_us": s.total / s.statements * 1e6 for n, s in by_kind.items()},
    }


def median_of(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure, and the extremes of the ratio."""
    figures = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    ratios = [r["ratio"] for r in rounds]
    return {**figures, "ratio_min": min(ratios), "ratio_max": max(ratios)}


def show(what: str, figures: dict[str, float], target: float) -> None:
    """Print one measurement beside its target."""
    spread = f"({figures['ratio_min']:.2f} to {figures['ratio_max']:.2f})"
    print(
        f"{what:30} {figures['per_s']:9,.0f} /s = {figures['ratio']:.2f} {spread} of"
        f" {figures['raw_per_s']:,.0f} raw checks/s   target >= {target}"
        f"   ({figures['wall_per_s']:,.0f} /s by the wall clock)"
    )
    parts = ("decode", "verify", "judge", "store")
    print("    us a statement: " + ", ".join(f"{p} {figures[p + '_us']:.1f}" for p in parts))
    kinds = ("task", "commit", "jury", "reveal")
    print("    us by kind: " + ", ".join(f"{k} {figures[k + '_us']:.1f}" for k in kinds))


def main() -> None:
    """Print both measurements and how they compare with their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    single = median_of([measure(options.tasks, 1) for _ in range(options.rounds)])
    batched = median_of([measure(options.tasks, 64) for _ in range(options.rounds)])
    if options.json:
        json.dump({"single": single, "batched": batched}, sys.stdout)
        return
    print(f"decode, verify, judge, store; one thread, median of {options.rounds} rounds")
    show("records, one statement each", single, TARGET_SINGLE)
    show("statements, 64 a record", batched, TARGET_BATCHED)


if __name__ == "__main__":
    main()
