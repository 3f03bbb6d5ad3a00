"""The key file: one complete secret of ours, or a refusal that says why."""

import os
import random
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from node.errors import StartError
from node.keys import KEY_FILE_BYTES_MAX, NodeKey, load_key
from node.store.open import open_store
from protocol.keys import is_signed_by

CREATOR = """
import sys
from pathlib import Path
from node.keys import load_key
print("begin", flush=True)
load_key(Path(sys.argv[1]))
print("made", flush=True)
"""


def pem(
    key: Ed25519PrivateKey | X25519PrivateKey, lock: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())


def planted(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def refusal(data_dir: Path, key_file: Path | None = None) -> str:
    with pytest.raises(StartError) as refused:
        load_key(data_dir, key_file=key_file)
    message = str(refused.value)
    assert "\n" not in message
    assert str(key_file or data_dir / "key") in message
    return message


def test_load_key__makes_one__in_an_unused_directory(tmp_path: Path) -> None:
    before = os.umask(0)

    key = load_key(tmp_path / "data")

    os.umask(before)
    path = tmp_path / "data" / "key"
    assert key.fresh
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert os.listdir(tmp_path / "data") == ["key"]
    assert is_signed_by(key.signer.public_key, b"word", key.signer.sign(b"word"))


def test_load_key__returns_the_same_key__the_next_time(tmp_path: Path) -> None:
    first = load_key(tmp_path)

    again = load_key(tmp_path)

    assert again.seed == first.seed
    assert again.signer.public_key == first.signer.public_key
    assert not again.fresh


def test_load_key__shows_no_secret(tmp_path: Path) -> None:
    key = load_key(tmp_path)

    assert repr(key) == "NodeKey(fresh=True)"
    assert repr(key.seed) not in f"{key} {[key]!r}"


def test_load_key__makes_one_where_it_is_told(tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.pem"

    key = load_key(tmp_path / "data", key_file=elsewhere)

    assert key.fresh
    assert load_key(tmp_path / "other", key_file=elsewhere).seed == key.seed
    assert not (tmp_path / "data" / "key").exists()


def test_load_key__reads_what_other_tools_write(tmp_path: Path) -> None:
    made = Ed25519PrivateKey.generate()
    planted(tmp_path, pem(made))

    key = load_key(tmp_path)

    assert key.seed == made.private_bytes_raw()


@pytest.mark.parametrize("given", [False, True])
def test_load_key__never_makes_a_new_identity__in_a_used_directory(
    tmp_path: Path, given: bool
) -> None:
    key_file = tmp_path / "k" if given else None
    data_dir = tmp_path / "data"
    key = load_key(data_dir, key_file=key_file)
    public_key = key.signer.public_key
    open_store(data_dir, network_id=b"n" * 16, public_key=public_key, nickname="alice").close()
    path = key_file or data_dir / "key"
    path.unlink()

    message = refusal(data_dir, key_file)

    assert "is missing" in message
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o660, 0o604, 0o601, 0o610])
def test_load_key__refuses_a_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    planted(tmp_path, pem(Ed25519PrivateKey.generate()), mode)

    assert f"mode {mode:04o}" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_load_key__refuses_a_file_of_another_user(tmp_path: Path) -> None:
    os.chown(planted(tmp_path, pem(Ed25519PrivateKey.generate())), 1234, -1)

    assert "belongs to user 1234, not to user 0" in refusal(tmp_path)


def test_load_key__refuses_a_symlink(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_bytes(pem(Ed25519PrivateKey.generate()))
    real.chmod(0o600)
    (tmp_path / "key").symlink_to(real)

    assert "is a symlink" in refusal(tmp_path)


def test_load_key__does_not_write_through_a_dangling_symlink(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "nowhere")

    assert "is a symlink" in refusal(tmp_path)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_load_key__refuses_what_is_not_a_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "key").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "key", 0o600)

    assert "is not a file" in refusal(tmp_path)


def test_load_key__refuses_an_empty_file(tmp_path: Path) -> None:
    planted(tmp_path, b"")

    assert f"has 0 bytes, need 1 to {KEY_FILE_BYTES_MAX}" in refusal(tmp_path)


def test_load_key__refuses_a_large_file(tmp_path: Path) -> None:
    planted(tmp_path, bytes(KEY_FILE_BYTES_MAX + 1))

    assert f"has {KEY_FILE_BYTES_MAX + 1} bytes" in refusal(tmp_path)


def test_load_key__refuses_a_truncated_file(tmp_path: Path) -> None:
    whole = pem(Ed25519PrivateKey.generate())

    # The last byte is a line's end, which PEM can do without.
    for size in range(1, len(whole) - 1):
        planted(tmp_path, whole[:size])
        assert "is not an Ed25519 key in PEM" in refusal(tmp_path)


@pytest.mark.parametrize(
    "data", [b"hello", b"\x00" * 32, b"ab" * 32, b"-----BEGIN PRIVATE KEY-----"]
)
def test_load_key__refuses_what_is_not_a_key(tmp_path: Path, data: bytes) -> None:
    planted(tmp_path, data)

    assert "is not an Ed25519 key in PEM" in refusal(tmp_path)


def test_load_key__refuses_another_kind_of_key(tmp_path: Path) -> None:
    planted(tmp_path, pem(X25519PrivateKey.generate()))

    assert "not Ed25519" in refusal(tmp_path)


def test_load_key__refuses_a_key_with_a_passphrase(tmp_path: Path) -> None:
    planted(tmp_path, pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"word")))

    assert "has a passphrase" in refusal(tmp_path)


def test_load_key__removes_drafts_of_killed_processes_and_nothing_else(tmp_path: Path) -> None:
    load_key(tmp_path)
    (tmp_path / "key.0123456789abcdef.new").touch()
    (tmp_path / "key.mine.new").touch()

    load_key(tmp_path)

    assert sorted(os.listdir(tmp_path)) == ["key", "key.mine.new"]


def test_load_key__gives_one_key__to_those_who_make_it_at_once(tmp_path: Path) -> None:
    keys: list[NodeKey] = []
    gate = threading.Barrier(8)

    def load() -> None:
        gate.wait()
        keys.append(load_key(tmp_path))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len({key.seed for key in keys}) == 1
    assert sum(key.fresh for key in keys) == 1


def test_load_key__leaves_no_key_or_a_complete_one__when_killed(tmp_path: Path) -> None:
    dice = random.Random(9)

    for number in range(12):
        folder = tmp_path / str(number)
        with subprocess.Popen(
            [sys.executable, "-c", CREATOR, str(folder)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            time.sleep(dice.random() * 0.004)  # any moment will do: the law has no exception
            process.kill()

        was_there = (folder / "key").exists()
        key = load_key(folder)
        assert key.fresh != was_there
        assert os.listdir(folder) == ["key"]
