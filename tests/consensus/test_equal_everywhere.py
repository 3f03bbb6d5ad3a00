"""One set of records comes to the same bytes in every order, under every hash seed and Python."""

import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from consensus import log
from consensus.incremental import fold
from consensus.replay import replay
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    a_jury,
    a_market_day,
    a_profile,
    a_record,
    a_task,
    id_of,
    retry_of,
)
from tests.fakes import MemoryRows

ROOT = Path(__file__).parents[2]
ORDERS = 1_000 if os.environ.get("AIMARKET_LONG") == "1" else 100
HASH_SEEDS = ("0", "1", "2", "3", "4")
NEEDED = "msgpack, nacl, cryptography, pytest"
OTHER_PYTHONS = ("python3.12", "python3.13", "python3.11")
SAY_ALL = """
import hashlib, random
from consensus.replay import replay
from tests.builders import NETWORK
from tests.consensus.test_equal_everywhere import a_history, grown
rows = grown(a_history(), random.Random(7))
said = hashlib.sha256(repr(sorted(rows.rows.items())).encode())
print(replay(a_history(), NETWORK).digest.hex(), said.hexdigest())
"""


@cache
def a_history() -> tuple[Verified, ...]:
    """Tell of tasks that end in every way: final, split, void, tried again, and left open."""
    three = {"bo": "positive", "cy": "positive", "di": "negative"}
    split = {"bo": "positive", "cy": "!too_long", "di": "negative"}
    final, void, halved = (a_task(text, nonce=n) for n, text in enumerate(("one", "two", "three")))
    records = a_market_day("an", final, three)
    records += a_market_day("an", void, three)
    records.append(a_record("an", a_jury(id_of("an", void), {"bo": "positive", "cy": "negative"})))
    records += a_market_day("sue", halved, split)
    again = retry_of("sue", halved)
    records += a_market_day("sue", again, three)
    records += [a_record("bo", a_profile("Bo", sequence=n)) for n in range(3)]
    records.append(a_record("sue", a_task("left open")))
    return tuple(records)


def grown(records: tuple[Verified, ...], dice: random.Random) -> MemoryRows:
    """Fold records in any order and grouping."""
    left = list(records)
    dice.shuffle(left)
    rows = MemoryRows()
    while left:
        size = dice.randint(1, 6)
        rows.apply(fold(rows, left[:size], NETWORK).changes)
        left = left[size:]
    return rows


def said_by(python: str, hash_seed: str) -> str:
    """Return what a Python of its own says of the history."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-c", SAY_ALL], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode()


def test_rows__are_the_same_in_any_order() -> None:
    expected = replay(a_history(), NETWORK)
    first = grown(a_history(), random.Random(0)).rows

    for seed in range(ORDERS):
        rows = grown(a_history(), random.Random(seed))
        assert log.state_digest(rows) == expected.digest, f"seed {seed}"
        assert rows.rows == first, f"seed {seed}"


def test_rows__are_the_same_under_every_hash_seed() -> None:
    assert len({said_by(sys.executable, hash_seed) for hash_seed in HASH_SEEDS}) == 1


def test_rows__are_the_same_on_another_python() -> None:
    python = another_python()
    if python is None:
        pytest.skip(f"no other Python with {NEEDED}; name one in AIMARKET_OTHER_PYTHON")

    assert said_by(python, "0") == said_by(sys.executable, "0")


def another_python() -> str | None:
    """Return a Python of another version that has what agreement needs."""
    named = os.environ.get("AIMARKET_OTHER_PYTHON")
    for name in (named,) if named else OTHER_PYTHONS:
        path = shutil.which(name)
        if path is None:
            continue
        ask = f"import sys, {NEEDED}; print(sys.version_info[:2])"
        asked = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout.strip() != str(sys.version_info[:2]):
            return path
    return None
