"""What a node keeps in memory while its log grows: memory of its own, apart from mapped files.

LevelDB maps what it wrote into memory; that is the system's cache of the disk, which it takes back
when it needs room, but counts as resident. What must level off is the rest.
"""

import argparse
import os
import tempfile
from pathlib import Path

from bench.nodes import BenchNode, network
from bench.rpc import History

TOGETHER = 100  # tasks of one submitter and three jurors


def resident_mib(node: BenchNode) -> dict[str, float]:
    """Return the memory of a node process by kind, as the kernel names it: RssAnon, RssFile."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return {name: int(value.split()[0]) / 1024 for name, value in found.items()}


def main() -> None:
    """Print it, a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    genesis = os.urandom(16).hex()
    with (
        tempfile.TemporaryDirectory() as folder,
        network(Path(folder), ["alice"], genesis=genesis) as (alice,),
    ):
        past = History(alice, genesis)
        for step in range(options.steps + 1):
            known = alice.status()["tasks"].get("final", 0)
            while known < options.tasks * step // options.steps:
                past.bring(TOGETHER)
                known += TOGETHER
            memory, log_mib = resident_mib(alice), alice.metrics()["aimarket_log_bytes"] / 2**20
            print(
                f"{known:8,} tasks  log {log_mib:6.1f} MiB"
                f"  own memory {memory['RssAnon']:6.1f} MiB  mapped {memory['RssFile']:5.1f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
