"""`aimarket-node key`: what it shows, what it writes, and what it refuses."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.key_sealing import LOG2_N_MIN, seal_key
from node.keys import KeyFile, load_key, open_key, read_key, replace_key
from node.main import main
from node.names import peer_id_of
from node.store.directory import DataDirectory
from protocol.ids import sha256
from protocol.keys import Signer

ROOT = Path(__file__).parents[2]
SEED = sha256(b"a seed")
PUBLIC_KEY = Signer(SEED).public_key
PASSPHRASE = b"open sesame"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Make a home whose one node has a plain key; return where the key is."""
    path = tmp_path / "home" / "node" / "key"
    path.parent.mkdir(parents=True, mode=0o700)
    replace_key(path, SEED, None)
    return path


@pytest.fixture
def sealed(plain: Path) -> Path:
    """Seal it so that it opens quickly."""
    plain.write_bytes(seal_key(SEED, PASSPHRASE, log2_n=LOG2_N_MIN))
    return plain


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_bytes(PASSPHRASE + b"\n")
    return path


def run(key: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(key.parents[1]), "key", *arguments])


def refused(key: Path, *arguments: str) -> str:
    """Return why a command is refused; the folder is as it was then."""
    before = contents(key.parent)

    result = run(key, *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert contents(key.parent) == before
    return result.stderr


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def is_whole(found: KeyFile) -> bool:
    return found.public_key == PUBLIC_KEY and open_key(found, PASSPHRASE) == SEED


def test_show__says_whose_the_key_is_and_no_secret(plain: Path) -> None:
    result = run(plain, "show")

    assert result.exit_code == 0
    assert peer_id_of(PUBLIC_KEY) in result.stdout
    assert PUBLIC_KEY.hex() in result.stdout
    assert "passphrase  none" in result.stdout
    assert SEED.hex() not in result.output
    assert os.listdir(plain.parent) == ["key"]


def test_show__needs_no_passphrase(sealed: Path) -> None:
    result = run(sealed, "show", "--json")

    assert json.loads(result.stdout) == {
        "schema": 1,
        "peer_id": peer_id_of(PUBLIC_KEY),
        "public_key": PUBLIC_KEY.hex(),
        "file": str(sealed),
        "sealed": True,
    }


def test_show__works_while_a_node_runs(plain: Path) -> None:
    directory = DataDirectory(plain.parent, nickname="node")

    result = run(plain, "show")

    directory.close()
    assert result.exit_code == 0


def test_show__finds_a_key_that_is_elsewhere(plain: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.pem"
    plain.rename(elsewhere)

    result = run(plain, "show", "--key", str(elsewhere))

    assert PUBLIC_KEY.hex() in result.stdout


@pytest.mark.parametrize("command", ["show", "protect", "unprotect"])
def test_key__makes_none(command: str, tmp_path: Path) -> None:
    result = run(tmp_path / "home" / "node" / "key", command)

    assert result.exit_code == 1
    assert "there is no key" in result.stderr
    assert not (tmp_path / "home").exists()


def test_protect__seals_the_key(plain: Path, passphrase_file: Path) -> None:
    (plain.parent / "key.0123456789abcdef.new").touch()

    result = run(plain, "protect", "--passphrase-file", str(passphrase_file))

    assert (result.exit_code, result.stderr) == (0, "")
    assert read_key(plain).is_sealed
    assert is_whole(read_key(plain))
    assert sorted(os.listdir(plain.parent)) == ["key", "lock"]
    assert plain.stat().st_mode & 0o777 == 0o600
    assert load_key(plain.parent, passphrase_file=passphrase_file).seed == SEED


def test_unprotect__takes_the_seal_off(sealed: Path, passphrase_file: Path) -> None:
    result = run(sealed, "unprotect", "--passphrase-file", str(passphrase_file))

    assert (result.exit_code, result.stderr) == (0, "")
    assert not read_key(sealed).is_sealed
    assert load_key(sealed.parent).seed == SEED


def test_unprotect__refuses_a_wrong_passphrase(sealed: Path, passphrase_file: Path) -> None:
    passphrase_file.write_bytes(b"open barley")

    line = refused(sealed, "unprotect", "--passphrase-file", str(passphrase_file))

    assert "does not open the key" in line


def test_protect__refuses_a_key_that_is_sealed(sealed: Path, passphrase_file: Path) -> None:
    line = refused(sealed, "protect", "--passphrase-file", str(passphrase_file))

    assert "has a passphrase already" in line


def test_unprotect__refuses_a_key_that_is_not_sealed(plain: Path) -> None:
    assert "has no passphrase" in refused(plain, "unprotect")


def test_protect__names_the_option__where_nobody_can_be_asked(plain: Path) -> None:
    assert "--passphrase-file" in refused(plain, "protect")


@pytest.mark.parametrize("command", ["protect", "unprotect"])
def test_key__changes_nothing_while_a_node_runs(
    command: str, plain: Path, passphrase_file: Path
) -> None:
    directory = DataDirectory(plain.parent, nickname="node")

    line = refused(plain, command, "--passphrase-file", str(passphrase_file))

    directory.close()
    assert f"{plain.parent} is in use by process {os.getpid()} (node)" in line


@pytest.mark.parametrize(
    ("second", "code", "words"),
    [(PASSPHRASE, 0, b"is sealed"), (b"open sesami", 1, b"the two passphrases differ")],
)
def test_protect__asks_twice_on_a_terminal(
    second: bytes, code: int, words: bytes, plain: Path
) -> None:
    ours, theirs = pty.openpty()
    command = ("-m", "node.main", "--home", str(plain.parents[1]), "key", "protect")
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    for question, answer in ((b"New passphrase", PASSPHRASE), (b"The same again: ", second)):
        while question not in shown or not shown.endswith(b": "):
            shown += os.read(ours, 1_000)
        os.write(ours, answer + b"\n")
    with contextlib.suppress(OSError):  # how a terminal ends
        while said := os.read(ours, 1_000):
            shown += said
    os.close(ours)

    assert process.wait(60) == code
    assert words in shown
    assert PASSPHRASE not in shown
    assert second not in shown
    assert read_key(plain).is_sealed == (code == 0)
    assert is_whole(read_key(plain))
