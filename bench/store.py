"""How long it takes to look after a store: to verify it, to repair it, and to upgrade it.

The store is real, the records are those of whole tasks with one statement each. Beside the rates
stands what one thread checks in signatures and nothing else, measured in the same run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.pipeline import history, raw_check_s
from consensus.incremental import fold
from consensus.layout import RANGE_SUM
from node.repair import repair_store
from node.store.level import LevelLog
from node.store.open import looking_at, open_store
from node.store.upgrade import upgrade
from node.verify import verify_store
from protocol.ids import PublicKey
from protocol.params import Network, NetworkParams, network_of
from protocol.record import open_record

OWNER = PublicKey(bytes(32))  # nothing is signed by it
RECORDS_A_TASK = 8
TOGETHER = 500
CHECKED = 2_000  # records whose signatures give the raw rate


def fill(path: Path, network: Network, raws: list[bytes]) -> None:
    """Begin a store and put records into it."""
    with closing(
        open_store(path, network_id=network.network_id, public_key=OWNER, nickname="bench")
    ) as store:
        for at in range(0, len(raws), TOGETHER):
            some = [open_record(raw, network) for raw in raws[at : at + TOGETHER]]
            store.log.stage(fold(store.log, some, network).changes)
            store.log.flush()


def verify(path: Path, network: Network) -> None:
    """Verify a store that must be right."""
    with looking_at(path, network_id=network.network_id, nickname="bench") as (_, store):
        report = verify_store(store.log, store.journal_entries, network=network, public_key=OWNER)
    assert report.is_ok, report.findings


def repair(path: Path, network: Network) -> None:
    """Repair a store that lost nothing but its list of files."""
    (path / "log" / "CURRENT").unlink()
    repaired = repair_store(path, network=network, public_key=OWNER, nickname="bench")
    assert repaired.lost == 0


def renew(path: Path) -> None:
    """Make the sums of the sync anew."""
    with closing(LevelLog(path / "log")) as log:
        log.stage(dict.fromkeys(key for key, _ in log.scan(RANGE_SUM)))
        upgrade(log, format=1, progress=lambda done, total: None)


def seconds(work: Callable[[], None]) -> float:
    """Return how long something took by the clock on the wall."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def measure(records: int) -> dict[str, float]:
    """Return the rates, in records a second."""
    network = network_of(NetworkParams())
    phases = history(network, records // RECORDS_A_TASK, 1)
    raws = [raw for _, some in phases for raw in some]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench"
        fill(path, network, raws)
        before = raw_check_s(raws[:CHECKED], network)
        taken = {
            "verify": seconds(lambda: verify(path, network)),
            "repair": seconds(lambda: repair(path, network)),
            "upgrade": seconds(lambda: renew(path)),
        }
        after = raw_check_s(raws[:CHECKED], network)
    rates = {f"{what}_per_s": len(raws) / took for what, took in taken.items()}
    return {"records": len(raws), "raw_per_s": 2 / (before + after), **rates}


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.records)
    if options.json:
        json.dump(found, sys.stdout)
        return
    raw = found["raw_per_s"]
    print(f"a store of {found['records']:,.0f} records; raw checks, one thread: {raw:,.0f} /s")
    for what in ("verify", "repair", "upgrade"):
        rate = found[f"{what}_per_s"]
        print(f"{what:10} {rate:9,.0f} records/s = {rate / raw:.2f} of raw checks")


if __name__ == "__main__":
    main()
