"""What it costs two nodes to become equal: one of them new, or both equal already.

A newcomer with an empty store meets a node with a prepared one; both are real processes with the
whole network stack on loopback, and a relay between them counts the bytes on the wire. Speed is set
against the rate of raw libsodium checks on one thread, measured before and after.

Two equal logs then find that out over their rows in LevelDB. No signature is read for that, so the
rows are written in bulk: the order of the log, and the sums that `range_sums.rebuilt` makes of it.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bench.nodes import READY_S, BenchNode
from bench.pipeline import raw_check_s
from bench.sync_history import NOON_MS, history, prepare
from bench.sync_relay import CountingRelay, counted
from consensus import layout
from consensus.range_sums import rebuilt, sync_items
from consensus.rows import Changes
from node.exchange import Comparison, pack_comparison, read_comparison
from node.store.level import LevelLog
from protocol.params import Network, NetworkParams, network_of
from protocol.reconcile import initiate, respond
from protocol.reconcile_wire import VERSION

SPEED_TARGET = 0.3  # of the rate of raw checks
WIRE_TARGET = 1.3  # times the bytes of the records
EQUAL_BYTES_TARGET = 512
EQUAL_CPU_TARGET_S = 0.050
SYNCED_WITHIN_S = 600.0
POLL_S = 0.5  # a question costs a node some 8 ms
WRITTEN_TOGETHER = 20_000
EQUAL_ROUNDS = 9


def newcomer(records: int, seed: int) -> dict[str, float]:
    """Let an empty node meet a full one; return what it took."""
    genesis = random.Random(seed).randbytes(16)
    network = network_of(NetworkParams(genesis=genesis, name="bench"))
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        record_bytes = prepare(root / "old", "old", network, records=records, seed=seed)
        sample = [record.raw for record in islice(history(network, seed=seed), 2_000)]
        checks_s = [raw_check_s(sample, network)]
        with running(root, "old", network, []) as old:
            (address,) = old.status()["addresses"]
            ip, port, peer = address.rsplit("/", 3)[0], address.split("/")[4], old.status()
            with counted(int(port)) as relay:
                through = f"{ip.rsplit('/', 1)[0]}/tcp/{relay.port}/p2p/{peer['peer_id']}"
                with running(root, "new", network, [through]) as new:
                    before_s = cpu_s(new), cpu_s(old)
                    seconds = seconds_to_equal(old, new, relay)
                    spent_s = cpu_s(new) - before_s[0], cpu_s(old) - before_s[1]
                    wire_bytes = relay.passed_bytes
                    mib = max(new.resident_mib(), old.resident_mib())
                    assert relay.connections >= 1, "they met over the relay"
        checks_s.append(raw_check_s(sample, network))
    per_s = 1 / statistics.mean(checks_s)
    return {
        "records": records,
        "seconds": seconds,
        "records_per_s": records / seconds,
        "checks_per_s": per_s,
        "speed": records / seconds / per_s,
        "new_cpu_s": spent_s[0],
        "old_cpu_s": spent_s[1],
        "record_bytes": record_bytes,
        "wire": wire_bytes / record_bytes,
        "resident_mib": mib,
    }


def seconds_to_equal(old: BenchNode, new: BenchNode, relay: CountingRelay) -> float:
    """Wait until both nodes show the same log; return how long it took since they met."""
    asked_s = time.monotonic()
    while True:
        one, other = old.status(), new.status()
        seconds = time.monotonic() - (relay.first_s or asked_s)
        if all(one[what] == other[what] for what in ("records", "state_digest")):
            return seconds
        if seconds > SYNCED_WITHIN_S:
            raise RuntimeError(f"after {seconds:.0f} s {other['records']} of {one['records']}")
        time.sleep(POLL_S)


def cpu_s(node: BenchNode) -> float:
    """Return the CPU seconds a node process has used so far."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(root: Path, name: str, network: Network, bootstrap: list[str]) -> Iterator[BenchNode]:
    """Run one echo node; with a bootstrap it is handed over before it is ready."""
    command = [sys.executable, "-m", "node.main", "--id", name, "--home", str(root)]
    command += ["--listen", "/ip4/127.0.0.1/tcp/0", "--rpc-port", "0", "--task-type", "echo"]
    command += ["--network-genesis", network.params.genesis.hex(), "--log-level", "info"]
    command += ["--network-name", network.params.name]
    for address in bootstrap:
        command += ["--bootstrap", address]
    with (root / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    node = BenchNode(name, process, root / name)
    try:
        deadline_s = time.monotonic() + READY_S
        while not (node.folder / "rpc.json").exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{name} did not come up:\n{_said(node)}")
            time.sleep(0.01)
        yield node
    except BaseException:
        print(_said(node), file=sys.stderr)
        raise
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _said(node: BenchNode) -> str:
    return node.folder.with_suffix(".log").read_text()[-3_000:]


def equal(records: int, seed: int) -> dict[str, float]:
    """Let two equal logs find out that they are; return the bytes, and CPU of both sides."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("one", "other")]
        began_s = time.monotonic()
        write_order(folders[0], records, seed)
        written_s = time.monotonic() - began_s
        shutil.copytree(folders[0], folders[1])
        one, other = (LevelLog(folder) for folder in folders)
        spent: list[float] = []
        for _ in range(EQUAL_ROUNDS):
            began_s = time.process_time()
            query = initiate(sync_items(one), equal_at_best=True)
            request = pack_comparison(Comparison(0, b"", query))
            rows = sync_items(other)
            asked = read_comparison(request).query
            is_equal = asked == initiate(rows, equal_at_best=True)
            answer = bytes([VERSION]) if is_equal else respond(rows, asked)
            spent.append(time.process_time() - began_s)
            assert answer == bytes([VERSION]), "nothing differs"
        size = sync_items(one).size
        one.close()
        other.close()
    assert size == records
    return {
        "records": records,
        "bytes": len(request) + len(answer),
        "cpu_s": statistics.median(spent),
        "cpu_first_s": spent[0],
        "cpu_max_s": max(spent),
        "written_s": written_s,
    }


def write_order(folder: Path, records: int, seed: int) -> None:
    """Write the order of a log of that many records, and its sums."""
    rng = random.Random(seed)
    log = LevelLog(folder, create=True)
    at_ms = NOON_MS
    for start in range(0, records, WRITTEN_TOGETHER):
        some: Changes = {}
        for _ in range(min(WRITTEN_TOGETHER, records - start)):
            at_ms += rng.randrange(200)
            some[layout.order_key(at_ms, rng.randbytes(32))] = b""
        log.stage(some)
        log.flush()
    for changes in rebuilt(log):
        log.stage(changes)
        log.flush()
    log.close()


def judged(what: str, figure: str, target: str, *, is_met: bool) -> None:
    """Print one figure beside its target."""
    print(f"{what:44} {figure:>26}   target {target:12} {'met' if is_met else 'missed'}")


def show_newcomer(found: dict[str, float]) -> None:
    """Print what a newcomer took."""
    speed = f"{found['records_per_s']:,.0f} /s = {found['speed']:.2f} of checks"
    print(
        f"a newcomer meets {found['records']:,.0f} records in {found['seconds']:.1f} s"
        f" (one thread checks {found['checks_per_s']:,.0f} signatures/s;"
        f" {found['resident_mib']:.0f} MiB resident at most)"
    )
    print(
        f"    CPU: newcomer {found['new_cpu_s']:.1f} s, the other {found['old_cpu_s']:.1f} s;"
        f" load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    judged("    equal at the end", "yes", "yes", is_met=True)
    judged("    records/s", speed, f">= {SPEED_TARGET}", is_met=found["speed"] >= SPEED_TARGET)
    judged(
        "    wire bytes / record bytes",
        f"{found['wire']:.3f}",
        f"<= {WIRE_TARGET}",
        is_met=found["wire"] <= WIRE_TARGET,
    )


def show_equal(found: dict[str, float]) -> None:
    """Print what two equal logs took."""
    print(
        f"two equal logs of {found['records']:,.0f} records (written in {found['written_s']:.0f} s)"
    )
    judged(
        "    bytes, both ways",
        f"{found['bytes']:.0f}",
        f"<= {EQUAL_BYTES_TARGET}",
        is_met=found["bytes"] <= EQUAL_BYTES_TARGET,
    )
    judged(
        "    CPU of both sides, ms (median, first, most)",
        ", ".join(f"{found[name] * 1e3:.1f}" for name in ("cpu_s", "cpu_first_s", "cpu_max_s")),
        f"<= {EQUAL_CPU_TARGET_S * 1e3:.0f}",
        is_met=found["cpu_max_s"] <= EQUAL_CPU_TARGET_S,
    )


def main() -> None:
    """Print both measurements and how they compare with their targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--equal", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("newcomer", "equal"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.pop("AIMARKET_HOME", None)
    found: dict[str, Any] = {"seed": options.seed}
    if options.only != "equal":
        found["newcomer"] = newcomer(options.records, options.seed)
    if options.only != "newcomer":
        found["equal"] = equal(options.equal, options.seed)
    if options.json:
        json.dump(found, sys.stdout)
        return
    if "newcomer" in found:
        show_newcomer(found["newcomer"])
    if "equal" in found:
        show_equal(found["equal"])


if __name__ == "__main__":
    main()
