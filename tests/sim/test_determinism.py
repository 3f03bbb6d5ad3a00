"""One seed is one run: in this process, under every hash seed, and on another Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from node.sim.trial import run_trial
from node.sim.weather import Weather

ROOT = Path(__file__).parents[2]
SEED = 3
NODES, MINUTES = 5, 1
MODULE = "node.sim.trial"
OPTIONS = ("--seeds", str(SEED), "--nodes", str(NODES), "--minutes", str(MINUTES))
HASH_SEEDS = ("0", "1", "4242")


def hash_here(seed: int) -> str:
    """Return the trace hash of a seed in this process."""
    return run_trial(seed, nodes=NODES, minutes=MINUTES).trace_hash


def hash_said_by(python: str, hash_seed: str) -> str:
    """Return the trace hash of the seed as a Python of its own finds it."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-m", MODULE, *OPTIONS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (found,) = re.findall(r"trace hash ([0-9a-f]{64})", done.stdout)
    return str(found)


def test_run_trial__is_the_same_run_again_for_the_same_seed() -> None:
    first, again, other = hash_here(SEED), hash_here(SEED), hash_here(SEED + 1)

    assert first == again
    assert first != other


def test_run_trial__depends_on_every_option_of_the_weather() -> None:
    calm = Weather(nodes=3, minutes=1)
    stormy = Weather(nodes=3, minutes=1, loss_ppm=10_000)

    hashes = {run_trial(SEED, weather=one).trace_hash for one in (calm, stormy)}

    assert len(hashes) == 2


def test_run_trial__does_not_depend_on_the_hash_seed() -> None:
    hashes = {hash_said_by(sys.executable, hash_seed) for hash_seed in HASH_SEEDS}

    assert hashes == {hash_here(SEED)}


def test_run_trial__is_the_same_run_on_another_python() -> None:
    """Needs msgpack, pynacl and cryptography there, and nothing else of ours."""
    python = os.environ.get("AIMARKET_OTHER_PYTHON")
    if not python:
        missing = "no other Python was named in AIMARKET_OTHER_PYTHON, so none was compared"
        if os.environ.get("CI") or os.environ.get("AIMARKET_REQUIRE_NETNS"):
            pytest.fail(missing)
        pytest.skip(missing)

    version = "import sys; print(sys.version_info[:2])"
    theirs = subprocess.run([python, "-c", version], capture_output=True, text=True, check=True)
    assert theirs.stdout.strip() != str(sys.version_info[:2]), f"{python} is no other version"
    assert hash_said_by(python, "0") == hash_here(SEED)
