"""Killed at any step, a process leaves no key or a whole one, and the next start goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.keys import NodeKey, load_key, open_key, read_key
from protocol.keys import Signer
from tests.node.key_steps import PASSPHRASE, SEED, begin_store

ROOT = Path(__file__).parents[2]


def folders(action: str, tmp_path: Path, *, every: int = 1) -> Iterator[tuple[bool, Path]]:
    """Kill a process at every so manyth step; say of each folder whether its process ended well."""
    command = [sys.executable, "-m", "tests.node.key_steps", action, str(tmp_path), str(every)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = int(done.stdout)
    print(f"\n{action}: {(last - 1) // every} kills")
    for step in range(1, last + 1, every):
        yield step == last, tmp_path / str(step) / "node"


def loaded(folder: Path) -> NodeKey:
    key = load_key(folder)
    assert os.listdir(folder) == ["key"]
    return key


def test_load_key__leaves_no_key_or_a_whole_one__wherever_it_is_killed(tmp_path: Path) -> None:
    seen = set()

    for finished, folder in folders("create", tmp_path):
        was_there = (folder / "key").exists()
        before = read_key(folder / "key").public_key if was_there else None
        key = loaded(folder)
        assert key.fresh != was_there
        assert before in (None, key.signer.public_key)
        assert was_there or not finished
        seen.add(was_there)

    assert seen == {True, False}


def test_load_key__leaves_no_sealed_key_or_a_whole_one__wherever_it_is_killed(
    tmp_path: Path,
) -> None:
    seen = set()

    for finished, folder in folders("create_sealed", tmp_path, every=7):
        if (folder / "key").exists():
            found = read_key(folder / "key")
            assert found.is_sealed
            assert Signer(open_key(found, PASSPHRASE)).public_key == found.public_key
        else:
            assert not finished
        for draft in folder.glob("key.*.new") if folder.exists() else ():
            assert b"PRIVATE KEY" not in draft.read_bytes()
        seen.add((folder / "key").exists())

    assert seen == {True, False}


def test_a_beginning__goes_on_with_the_same_key__wherever_it_is_killed(tmp_path: Path) -> None:
    seen = set()

    for finished, folder in folders("begin", tmp_path):
        was_there = (folder / "key").exists()
        before = read_key(folder / "key").public_key if was_there else None
        again = begin_store(folder)
        assert before in (None, again)
        assert begin_store(folder) == again
        assert was_there or not finished
        seen.add(was_there)

    assert seen == {True, False}


@pytest.mark.parametrize(
    ("action", "sealed_after", "every"),
    [
        ("unprotect", False, 1),
        ("protect", True, 4),
    ],
)
def test_replace_key__leaves_the_old_file_or_the_new_one__wherever_it_is_killed(
    action: str, sealed_after: bool, every: int, tmp_path: Path
) -> None:
    seen = set()

    for finished, folder in folders(action, tmp_path, every=every):
        found = read_key(folder / "key")
        assert found.public_key == Signer(SEED).public_key
        assert not finished or found.is_sealed == sealed_after
        if not found.is_sealed or action == "unprotect":  # a cheap one, quickly opened
            assert open_key(found, PASSPHRASE) == SEED
        if not found.is_sealed:
            assert loaded(folder).seed == SEED
        seen.add(found.is_sealed)

    assert seen == {True, False}
