"""The key file: one complete secret of ours, or a refusal that says why."""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from node.errors import StartError
from node.keys import KEY_FILE_BYTES_MAX, NodeKey, load_key
from node.store.open import open_store
from protocol.keys import is_signed_by


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def planted(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def refusal(data_dir: Path, key_file: Path | None = None) -> str:
    """Return why a key is not loaded; nothing has changed on the disk then."""
    before = contents(data_dir)
    with pytest.raises(StartError) as refused:
        load_key(data_dir, key_file=key_file)
    assert contents(data_dir) == before
    message = str(refused.value)
    assert "\n" not in message
    assert str(key_file or data_dir / "key") in message
    return message


def contents(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        inside = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_mode, inside)
    return found


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


@pytest.mark.parametrize("left", ["all", "marker", "journal", "log", "halted", "adopting"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_load_key__never_makes_a_new_identity__where_anything_of_a_store_lies(
    tmp_path: Path, left: str, elsewhere: bool
) -> None:
    key_file = tmp_path / "k" if elsewhere else None
    data_dir = used(tmp_path / "data", key_file)
    path = key_file or data_dir / "key"
    path.unlink()
    for name in ("halted", "adopting"):
        (data_dir / name).touch()
    for found in data_dir.iterdir():
        if left not in ("all", found.name):
            shutil.rmtree(found) if found.is_dir() else found.unlink()

    message = refusal(data_dir, key_file)

    assert f"the key {path} is missing" in message
    assert "put the key back, or name it with --key" in message
    assert not path.exists()


def test_load_key__makes_no_second_key__where_a_killed_beginning_lost_the_first(
    tmp_path: Path,
) -> None:
    data_dir = used(tmp_path / "data", None)
    for name in ("key", "marker", "journal"):
        (data_dir / name).unlink()
    shutil.rmtree(data_dir / "log")
    (data_dir / "initialising").touch()

    assert "is missing" in refusal(data_dir)


def test_load_key__makes_no_key_in_a_used_directory__that_has_its_key_elsewhere(
    tmp_path: Path,
) -> None:
    data_dir = used(tmp_path / "data", tmp_path / "mine.pem")

    message = refusal(data_dir)

    assert f"the key {data_dir / 'key'} is missing" in message
    assert "name it with --key" in message


def test_load_key__makes_no_other_key__than_the_one_a_used_directory_has(tmp_path: Path) -> None:
    data_dir = used(tmp_path / "data", None)

    assert "is missing" in refusal(data_dir, tmp_path / "mistyped")
    assert not (tmp_path / "mistyped").exists()


def test_load_key__makes_one__where_only_a_lock_and_a_draft_were_left(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "key.0123456789abcdef.new").touch()

    assert load_key(tmp_path).fresh
    assert sorted(os.listdir(tmp_path)) == ["key", "lock"]


def test_load_key__leaves_no_directory__where_the_key_is_refused(tmp_path: Path) -> None:
    bad = planted(tmp_path, b"no key")

    refusal(tmp_path / "data", bad)

    assert not (tmp_path / "data").exists()


def used(data_dir: Path, key_file: Path | None) -> Path:
    key = load_key(data_dir, key_file=key_file)
    public_key = key.signer.public_key
    open_store(data_dir, network_id=b"n" * 16, public_key=public_key, nickname="alice").close()
    return data_dir


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
