"""The passphrase of a key: where it comes from, what it opens, and what a refusal says."""

import contextlib
import logging
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from node.errors import StartError
from node.key_sealing import LOG2_N_MIN, seal_key
from node.keys import load_key, read_key
from node.passphrase import PASSPHRASE_FILE_BYTES_MAX
from protocol.ids import sha256
from protocol.keys import Signer

ROOT = Path(__file__).parents[2]
SEED = sha256(b"a seed")
PASSPHRASE = b"open sesame"


def written(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Make a directory with a sealed key that opens quickly."""
    text = seal_key(SEED, PASSPHRASE, log2_n=LOG2_N_MIN)
    return written(tmp_path / "data" / "key", text).parent


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    return written(tmp_path / "passphrase", PASSPHRASE + b"\n")


def refusal(data_dir: Path, passphrase_file: Path | None) -> str:
    """Return why a key is not loaded; nothing has changed on the disk then."""
    before = contents(data_dir)
    with pytest.raises(StartError) as refused:
        load_key(data_dir, passphrase_file=passphrase_file)
    assert contents(data_dir) == before
    message = str(refused.value)
    assert "\n" not in message
    assert "sesame" not in message
    return message


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = sorted(folder.rglob("*"))
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_load_key__opens_a_sealed_key_by_its_passphrase_file(
    end: bytes, data_dir: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "passphrase", PASSPHRASE + end)

    key = load_key(data_dir, passphrase_file=file)

    assert key.seed == SEED
    assert not key.fresh


def test_load_key__seals_the_key_it_makes(tmp_path: Path, passphrase_file: Path) -> None:
    made = load_key(tmp_path / "new", passphrase_file=passphrase_file)

    again = load_key(tmp_path / "new", passphrase_file=passphrase_file)

    path = tmp_path / "new" / "key"
    assert made.fresh
    assert again.seed == made.seed
    assert read_key(path).is_sealed
    assert read_key(path).public_key == made.signer.public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.seed not in path.read_bytes()
    assert os.listdir(path.parent) == ["key"]


def test_load_key__uses_a_plain_key_and_says_that_it_is_not_sealed(
    tmp_path: Path, passphrase_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = load_key(tmp_path / "data")

    with caplog.at_level(logging.WARNING):
        key = load_key(tmp_path / "data", passphrase_file=passphrase_file)

    assert key.seed == made.seed
    (record,) = caplog.records
    assert f"the key {tmp_path / 'data' / 'key'} is not sealed" in record.message
    assert "aimarket-node key protect" in record.message
    assert "sesame" not in record.message


def test_load_key__names_a_wrong_passphrase(data_dir: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "passphrase", b"open barley\n")

    message = refusal(data_dir, file)

    assert message == f"the passphrase does not open the key {data_dir / 'key'}"


def test_load_key__tells_a_damaged_key_from_a_wrong_passphrase(
    data_dir: Path, passphrase_file: Path
) -> None:
    path = data_dir / "key"
    text = bytearray(path.read_bytes())
    text[60] ^= 1
    path.write_bytes(text)

    message = refusal(data_dir, passphrase_file)

    assert f"the key {path} is damaged" in message


def test_load_key__names_the_option__where_nobody_can_be_asked(data_dir: Path) -> None:
    message = refusal(data_dir, None)

    assert f"the key {data_dir / 'key'} needs a passphrase" in message
    assert "--passphrase-file" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", f"has 0 bytes, need 1 to {PASSPHRASE_FILE_BYTES_MAX}"),
        (b"\n", "holds no passphrase"),
        (b"\r\n", "holds no passphrase"),
        (PASSPHRASE + b"\n\n", "holds 2 lines, need one"),
        (b"a\nb\nc\n", "holds 3 lines, need one"),
        (bytes(PASSPHRASE_FILE_BYTES_MAX + 1), f"has {PASSPHRASE_FILE_BYTES_MAX + 1} bytes"),
    ],
)
def test_load_key__refuses_a_passphrase_file_of_another_form(
    data: bytes, words: str, data_dir: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "passphrase", data)

    message = refusal(data_dir, file)

    assert f"the passphrase file {file} {words}" in message


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o660, 0o604, 0o440])
def test_load_key__refuses_a_passphrase_file_that_others_may_use(
    mode: int, data_dir: Path, passphrase_file: Path
) -> None:
    passphrase_file.chmod(mode)

    assert f"has mode {mode:04o}: others may use it" in refusal(data_dir, passphrase_file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_load_key__refuses_a_passphrase_file_of_another_user(
    data_dir: Path, passphrase_file: Path
) -> None:
    os.chown(passphrase_file, 1234, -1)

    assert "belongs to user 1234" in refusal(data_dir, passphrase_file)


@pytest.mark.parametrize("kind", ["symlink", "folder", "pipe", "missing"])
def test_load_key__refuses_a_passphrase_file_that_is_none(
    kind: str, data_dir: Path, passphrase_file: Path
) -> None:
    odd = passphrase_file.with_name("odd")
    if kind == "symlink":
        odd.symlink_to(passphrase_file)
    elif kind == "folder":
        odd.mkdir()
    elif kind == "pipe":
        os.mkfifo(odd, 0o600)

    message = refusal(data_dir, odd)

    assert str(odd) in message
    words = {"symlink": "is a symlink", "missing": "No such file"}
    assert words.get(kind, "is not a file") in message


def test_load_key__makes_nothing__where_the_passphrase_file_is_refused(
    tmp_path: Path, passphrase_file: Path
) -> None:
    passphrase_file.chmod(0o644)

    refusal(tmp_path / "new", passphrase_file)

    assert not (tmp_path / "new").exists()


def test_load_key__says_what_to_do_about_a_passphrase_of_another_program(
    tmp_path: Path, passphrase_file: Path
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
    written(tmp_path / "data" / "key", pem)

    message = refusal(tmp_path / "data", passphrase_file)

    assert "has a passphrase of another program" in message
    assert "openssl pkey -in OLD -out NEW" in message


LOADER = """
import sys
from pathlib import Path
from node.errors import StartError
from node.keys import load_key
try:
    print(load_key(Path(sys.argv[1])).signer.public_key.hex())
except StartError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (PASSPHRASE + b"\n", ""),
        (b"open barley\n", "does not open the key"),
        (b"\n", "no passphrase was given"),
        (b"\x04", "no passphrase was given"),
    ],
)
def test_load_key__asks_on_a_terminal_and_shows_nothing_of_the_answer(
    typed: bytes, words: str, data_dir: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, str(data_dir)],
        cwd=ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)

    shown = b""
    while b": " not in shown:
        shown += os.read(ours, 1_000)
    os.write(ours, typed)
    out, _ = process.communicate(timeout=60)
    os.set_blocking(ours, False)
    with contextlib.suppress(OSError):  # nobody is left at the other end, nor anything said
        shown += os.read(ours, 10_000)
    os.close(ours)

    assert f"Passphrase of {data_dir / 'key'}: ".encode() in shown
    assert b"sesame" not in shown + out
    assert b"barley" not in shown + out
    if words:
        assert (process.returncode, out) == (1, b"")
        assert words.encode() in shown
    else:
        assert out.decode().strip() == Signer(SEED).public_key.hex()
