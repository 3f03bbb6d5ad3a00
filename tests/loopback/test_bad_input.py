"""Whatever an operator gets wrong is answered in one line, and leaves nothing half-done."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.config import DEFAULT_LISTEN_PORT, make_network
from node.keys import load_key
from node.rpc.server import DEFAULT_PORT
from node.store.open import Store, open_store
from tests.loopback.nodes import LOOPBACK, ROOT, RealNode, environment

pytestmark = pytest.mark.e2e

GENESIS, OTHER_GENESIS = "ab" * 16, "cd" * 16
PEER_ID = "12D3KooWJZUY15QU44zKGdrN5guCm2pMphmf1gmcU1J6ztcGwgkb"
ECHO = ("--task-type", "echo", "--network-genesis", GENESIS, "--rpc-port", "0")
QUIET = (*ECHO, "--listen", LOOPBACK)


@dataclass(frozen=True)
class Refusal:
    """How a node command ended: its exit code, and the one line it said about it."""

    code: int
    line: str


def run_refused(home: Path, *options: str) -> Refusal:
    """Run a node that is to end at once; its log aside, it says one line."""
    ended = subprocess.run(
        [sys.executable, "-m", "node.main", "--home", str(home), *options],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert "Traceback" not in ended.stdout + ended.stderr
    assert len(said) == 1, ended.stderr
    return Refusal(ended.returncode, said[0])


OPTIONS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "id is a path": (2, ("--id", "../evil"), ("--id '../evil'", "1 to 64 letters")),
    "id is empty": (2, ("--id", ""), ("--id ''", "1 to 64 letters")),
    "id too long": (2, ("--id", "a" * 65), ("--id 'aaa", "1 to 64 letters")),
    "even seats": (2, ("--seats", "4"), ("--seats 4", "odd number from 1 to 31")),
    "too many seats": (2, ("--seats", "33"), ("--seats 33", "odd number from 1 to 31")),
    "genesis": (2, ("--network-genesis", "zz"), ("--network-genesis 'zz'", "32 hex digits")),
    "genesis too short": (2, ("--network-genesis", "ab"), ("'ab'", "32 hex digits")),
    "name alone": (2, ("--network-name", "own"), ("--network-name", "needs --network-genesis")),
    "bootstrap host:port": (
        2,
        ("--bootstrap", "192.0.2.7:99999"),
        ("--bootstrap", "'192.0.2.7:99999'", "integer not in range"),
    ),
    "bootstrap name:port": (
        2,
        ("--bootstrap", "node..example:7460"),
        ("'node..example:7460'", "is no name"),
    ),
    "bootstrap without peer id": (
        2,
        ("--bootstrap", "/ip4/192.0.2.7/udp/7460"),
        ("'/ip4/192.0.2.7/udp/7460'", "write it as HOST:PORT"),
    ),
    "bootstrap with a bad peer id": (
        2,
        ("--bootstrap", "/ip4/192.0.2.7/tcp/7460/p2p/junk"),
        ("/p2p/junk'", "not a multiaddr"),
    ),
    "bootstrap over udp": (
        2,
        ("--bootstrap", f"/ip4/192.0.2.7/udp/7460/p2p/{PEER_ID}"),
        ("/udp/7460", "/ip4/HOST/tcp/PORT/p2p/PEER_ID"),
    ),
    "bootstrap at no host": (
        2,
        ("--bootstrap", f"/ip4/0.0.0.0/tcp/7460/p2p/{PEER_ID}"),
        ("means any address", "name the one to dial"),
    ),
    "bootstrap is empty": (2, ("--bootstrap", ""), ("--bootstrap", "''", "write it as")),
    "bootstrap is a wrong link": (
        2,
        ("--bootstrap", "aimarket://join/aaaa"),
        ("--bootstrap: link 'aimarket://join/aaaa'", "mistyped or cut"),
    ),
    "join is junk": (2, ("--join", "junk"), ("--join: link 'junk'", "aimarket://join/")),
    "no such network": (2, ("--network", "/no/such"), ("--network /no/such: No such file",)),
    "listen is junk": (2, ("--listen", "junk"), ("--listen 'junk'", "/ip4/HOST/tcp/PORT")),
    "listen host:port": (
        2,
        ("--listen", "127.0.0.1:7460"),
        ("--listen '127.0.0.1:7460'", "/ip4/HOST/tcp/PORT"),
    ),
    "listen port": (2, ("--listen", "/ip4/127.0.0.1/tcp/65536"), ("65536", "0 to 65535")),
    "listen over udp": (2, ("--listen", "/ip4/127.0.0.1/udp/1"), ("/udp/1", "/tcp/PORT")),
    "announce": (2, ("--announce", "example.org"), ("--announce 'example.org'", "/tcp/PORT")),
    "key in no folder": (2, ("--key", "/nowhere/key"), ("--key /nowhere/key", "/nowhere")),
    "task type": (2, ("--task-type", "nope"), ("nope", "installed: echo, sentiment")),
    "no model there": (1, ("--model", "/nowhere/model"), ("no model at /nowhere/model",)),
    "model for an unknown type": (
        2,
        ("--model", "nope=/nowhere"),
        ("--model nope=/nowhere", "no task type nope", "sentiment"),
    ),
    "type without its model": (
        2,
        ("--task-type", "token-classification"),
        ("token-classification needs a model", "--model token-classification=DIR|HUB_ID"),
    ),
    "model is no model": (
        1,
        ("--model", str(ROOT / "docs")),
        ("no model at", "docs", "config.json is missing"),
    ),
    "model for nobody": (
        2,
        ("--task-type", "echo", "--model", "/nowhere"),
        ("--model /nowhere", "no task type of this node needs a model"),
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_wrong_option__is_named_with_its_limit_and_leaves_nothing(
    case: str, tmp_path: Path
) -> None:
    code, options, fragments = OPTIONS[case]

    refusal = run_refused(tmp_path / "home", *options)

    assert refusal.code == code
    assert refusal.line.startswith("aimarket-node: ")
    assert [words for words in fragments if words not in refusal.line] == [], refusal.line
    assert not (tmp_path / "home").exists()


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """Make the directory of a node that ran before."""
    open_used(tmp_path / "home" / "alice").close()
    return tmp_path / "home" / "alice"


def open_used(directory: Path) -> Store:
    network = make_network(name=None, genesis=GENESIS)
    key = load_key(directory)
    return open_store(
        directory,
        network_id=network.network_id,
        public_key=key.signer.public_key,
        nickname="the first",
    )


def kept(directory: Path) -> dict[str, bytes]:
    names = ("key", "marker", "journal")
    return {name: (directory / name).read_bytes() for name in names if (directory / name).exists()}


def spoil_nothing(directory: Path) -> None:
    pass


def lose_the_key(directory: Path) -> None:
    (directory / "key").unlink()


def take_another_key(directory: Path) -> None:
    other = directory.parent / "other"
    load_key(other)
    (other / "key").replace(directory / "key")


def show_the_key(directory: Path) -> None:
    (directory / "key").chmod(0o644)


def scribble_on_the_key(directory: Path) -> None:
    (directory / "key").write_bytes(b"not a key")


def empty_the_key(directory: Path) -> None:
    os.truncate(directory / "key", 0)


DIRECTORIES = {
    "key lost": (lose_the_key, GENESIS, ("key", "missing", "none is made anew")),
    "key of another": (take_another_key, GENESIS, ("belongs to key", "but the key given is")),
    "key shown": (show_the_key, GENESIS, ("alice/key", "mode 0644", "use 0600")),
    "key is no key": (scribble_on_the_key, GENESIS, ("alice/key", "not an Ed25519 key")),
    "key is empty": (empty_the_key, GENESIS, ("alice/key", "0 bytes", "1 to 4096")),
    "other network": (spoil_nothing, OTHER_GENESIS, ("belongs to network", "not to network")),
}


@pytest.mark.parametrize("case", DIRECTORIES)
def test_a_wrong_key_or_network__stops_a_node_and_changes_nothing(case: str, used: Path) -> None:
    spoil, genesis, fragments = DIRECTORIES[case]
    spoil(used)
    before = kept(used)
    options = ("--id", "alice", *QUIET, "--network-genesis", genesis)

    refusal = run_refused(used.parent, *options)

    assert refusal.code == 1
    assert [words for words in fragments if words not in refusal.line] == [], refusal.line
    assert kept(used) == before
    assert not (used / "rpc.json").exists()


def test_a_second_process__is_told_who_has_the_directory(used: Path) -> None:
    held = open_used(used)

    refusal = run_refused(used.parent, "--id", "alice", *QUIET)

    held.close()
    assert refusal.code == 1
    assert f"{used} is in use by process {os.getpid()} (the first)" in refusal.line


def taken_port(stack: ExitStack, port: int = 0) -> int:
    """Hold a port; one that somebody else holds will do as well."""
    holder = stack.enter_context(socket.socket())
    try:
        holder.bind(("127.0.0.1", port))
        holder.listen(1)
    except OSError:
        assert port, "no free port"
        return port
    found: int = holder.getsockname()[1]
    return found


@pytest.mark.parametrize("what", ["P2P", "RPC"])
def test_a_taken_port__is_named_and_the_next_start_is_whole(what: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = str(taken_port(stack))
        listen = f"/ip4/127.0.0.1/tcp/{port if what == 'P2P' else 0}"
        rpc_port = port if what == "RPC" else "0"
        chosen = ("--listen", listen, "--rpc-port", rpc_port)

        refusal = run_refused(tmp_path, "--id", "alice", *ECHO[:4], *chosen)

    assert refusal.code == 1
    assert all(words in refusal.line for words in (what, port, "port", "in use")), refusal.line
    assert not (tmp_path / "alice" / "rpc.json").exists()
    if (tmp_path / "alice").exists():
        open_used(tmp_path / "alice").close()


def test_default_ports__give_way_and_say_so(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for port in (DEFAULT_LISTEN_PORT, DEFAULT_PORT):
            taken_port(stack, port)
        node = RealNode("alice", tmp_path / "home", ECHO[:4])
        stack.callback(node.close)
        node.home.mkdir()

        node.launch()
        node.wait_serving()

        assert f"port {DEFAULT_LISTEN_PORT} is taken; listening on a free one" in node.said()
        assert f"RPC port {DEFAULT_PORT} is taken; a free one is used" in node.words()
        assert node.stop() == 0
    assert f"/tcp/{DEFAULT_LISTEN_PORT}/p2p/" not in node.said()
    assert f"127.0.0.1:{DEFAULT_PORT}" not in node.said()
