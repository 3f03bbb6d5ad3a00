"""What a node must not show is in nothing that it says, serves, spreads or writes elsewhere."""

import base64
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node.config import make_network
from node.core.own import read_entry
from node.key_sealing import LOG2_N_MIN, seal_key
from node.keys import load_key
from node.store.open import open_store
from protocol.ids import TaskId, sha256
from protocol.params import Network
from protocol.record import open_record
from protocol.statements import Reveal
from tests.loopback.nodes import ROOT, RealNode, street, until, wait_capable, wait_final

pytestmark = pytest.mark.e2e

PASSPHRASE = "xyzzy plugh 4711"  # noqa: S105
PATHS = (
    *("/health", "/ready", "/status", "/peers", "/tasks", "/leaderboard", "/nowhere"),
    *("/tasks/zz", f"/tasks/{'00' * 32}", "/leaderboard/of/bob", "/leaderboard/of/nobody"),
    *("/docs", "/openapi.json", "/metrics", "/debug"),
)
BODIES: tuple[object, ...] = (
    *({"text": 1}, {"text": "\ud800"}, {"text": "a", "seats": 2}, {"type": "nope"}, [], None, "a"),
    *({"text": "a", "request_id": ""}, {"text": "a" * 20_000}, {"text": "a", "secret": "b"}),
)


@dataclass
class Evening:
    """What two nodes said and wrote, and what they had to hide.

    Attributes:
        said: By where it was: all that anybody could hear, see or read. What lies in somebody's
            own directory is under its name and a slash.
        seeds: By name, the secret key.
        public_keys: By name; these are shown.
        sealed: By name, the salts of commits that were never opened.
        opened: By name, the salts of those that were.
        tokens: By name, the secret of the local RPC.
    """

    said: dict[str, bytes] = field(default_factory=dict)
    seeds: dict[str, bytes] = field(default_factory=dict)
    public_keys: dict[str, bytes] = field(default_factory=dict)
    sealed: dict[str, list[bytes]] = field(default_factory=dict)
    opened: dict[str, list[bytes]] = field(default_factory=dict)
    tokens: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    """Let a plain and a sealed node work together, listen to them, crash one and stop the other."""
    root = tmp_path_factory.mktemp("evening")
    passphrase_file = root / "passphrase"
    passphrase_file.touch(mode=0o600)
    passphrase_file.write_text(PASSPHRASE + "\n")
    found = Evening()
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PYTHONFAULTHANDLER", "1")
        town = stack.enter_context(street(root))
        network = make_network(name=None, genesis=town.genesis)
        alice = town.node("alice", "--log-level", "debug", "--log-format", "console")
        bob = town.node("bob", "--log-level", "debug", "--passphrase-file", str(passphrase_file))
        alice.launch()
        alice.wait_serving()
        bob.launch("--bootstrap", alice.address)
        bob.wait_ready()
        with listening(root / "heard", network, (alice, bob)):
            last = work_together(alice, bob)
            until(
                lambda: all(text.encode() in (root / "heard").read_bytes() for text in last),
                within_s=30,
                what="the listener wrote down what came last, and so what came before",
            )
        for node in (alice, bob):
            found.said |= answers(node)
            found.said |= surroundings(node)
            found.tokens[node.name] = token_of(node)
        resource.prlimit(bob.pid, resource.RLIMIT_CORE, (0, 0))
        os.kill(bob.pid, signal.SIGABRT)
        bob.wait_ended()
        assert alice.stop() == 0
        for node in (alice, bob):
            found.said[f"output of {node.name}"] = node.words().encode()
            look_into(node, network, passphrase_file if node is bob else None, found)
        found.said["heard"] = (root / "heard").read_bytes()
        yield found


@contextmanager
def listening(file: Path, network: Network, nodes: tuple[RealNode, ...]) -> Iterator[None]:
    """Write down all that nodes let others hear meanwhile."""
    addresses = [node.address for node in nodes]
    command = ("-m", "tests.loopback.listener", str(file), network.network_id.hex(), *addresses)
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as listener:
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "listening\n"
            yield
        finally:
            listener.kill()


def work_together(alice: RealNode, bob: RealNode) -> list[str]:
    """Let each answer a task of the other, and seal an answer that no jury will ever open.

    Returns the texts that were asked last.
    """
    for node in (alice, bob):
        wait_capable(node, 1)
        wait_final(node, [node.submit(f"one seat, by {node.name}", seats=1)], within_s=30)
    last = []
    for node in (alice, bob):
        last.append(f"three seats, two of them empty, by {node.name}")
        task_id = node.submit(last[-1], seats=3)
        until(
            lambda node=node, task_id=task_id: node.ask(f"/tasks/{task_id}")["committed"],  # type: ignore[misc]
            within_s=30,
            what=f"{node.name} has a sealed answer",
        )
    return last


def answers(node: RealNode) -> dict[str, bytes]:
    """Ask a node for everything, rightly and wrongly."""
    tasks = [f"/tasks/{task['task_id']}" for task in node.ask("/tasks")["tasks"]]
    asked = [("GET", path, None) for path in (*PATHS, *tasks)]
    asked += [("POST", "/tasks", body) for body in BODIES]  # type: ignore[misc]
    asked += [(method, "/status", None) for method in ("POST", "PUT", "DELETE")]
    found = {}
    for number, (method, path, body) in enumerate(asked):
        for token in (None, "wrong"):
            status, document = node.call(method, path, body, token=token)
            name = f"{node.name} {method} {path} {number} {token} {status}"
            found[name] = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    return found


def surroundings(node: RealNode) -> dict[str, bytes]:
    """Read what `ps` shows of a node and of its worker."""
    lists = Path(f"/proc/{node.pid}/task").glob("*/children")
    workers = [child for listed in lists for child in listed.read_text().split()]
    assert workers
    return {
        f"{what} of {node.name} {pid}": Path(f"/proc/{pid}/{what}").read_bytes()
        for pid in (str(node.pid), *workers)
        for what in ("cmdline", "environ")
    }


def token_of(node: RealNode) -> bytes:
    token: str = json.loads((node.directory / "rpc.json").read_text())["token"]
    return token.encode()


def look_into(
    node: RealNode, network: Network, passphrase_file: Path | None, found: Evening
) -> None:
    """Read every file and every row of a directory, and what its key and journal hide."""
    name, directory = node.name, node.directory
    for path in directory.rglob("*"):
        if path.is_file() and path.name not in ("rpc.json", "key"):
            found.said[f"{name}/{path.relative_to(directory)}"] = path.read_bytes()
    if passphrase_file is not None:
        found.said[f"{name}/key"] = (directory / "key").read_bytes()
    key = load_key(directory, passphrase_file=passphrase_file)
    found.seeds[name], found.public_keys[name] = key.seed, key.signer.public_key
    store = open_store(
        directory,
        network_id=network.network_id,
        public_key=key.signer.public_key,
        nickname="the test",
    )
    rows = b"\n".join(row + b"\n" + value for row, value in store.log.scan(b""))
    salts, revealed = salts_of(store.journal_entries, network)
    store.close()
    found.said[f"{name}/rows"] = rows
    found.opened[name] = [salt for task_id, salt in salts.items() if task_id in revealed]
    found.sealed[name] = [salt for task_id, salt in salts.items() if task_id not in revealed]


def salts_of(entries: Iterator[bytes], network: Network) -> tuple[dict[TaskId, bytes], set[TaskId]]:
    """Return what opens the commits of a journal, and which of them were opened."""
    salts: dict[TaskId, bytes] = {}
    revealed: set[TaskId] = set()
    for raw in entries:
        entry = read_entry(raw, network.params)
        salts |= {opening.task_id: opening.salt for opening in entry.openings}
        said = open_record(entry.record, network).statements
        revealed |= {each.task_id for each in said if isinstance(each, Reveal)}
    return salts, revealed


def forms(secret: bytes) -> set[bytes]:
    """Return every form in which somebody might show bytes, also as a part of more of them."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    found |= {repr(secret)[2:-1].encode(), json.dumps(list(secret))[1:-1].encode()}
    found |= {secret[:8].hex().encode(), secret[-8:].hex().encode()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            letters = encode(bytes(before) + secret).rstrip(b"=")
            found.add(letters[(0, 2, 3)[before] : len(letters) - 1])
    return found


def places(evening: Evening, secret: bytes, *, but: str = "") -> list[str]:
    """Return where a secret is shown, but in the directory of one node."""
    shown_as = forms(secret)
    return [
        name
        for name, words in evening.said.items()
        if not (but and name.startswith(f"{but}/")) and any(form in words for form in shown_as)
    ]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_a_secret_key__is_nowhere_but_in_its_file(evening: Evening, name: str) -> None:
    shown = places(evening, evening.seeds[name])

    print(f"\n{len(evening.said)} places, {sum(map(len, evening.said.values())):,} bytes")
    assert shown == []


def test_a_passphrase__is_nowhere_but_in_its_file(evening: Evening) -> None:
    assert places(evening, PASSPHRASE.encode()) == []


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_what_opens_a_sealed_answer__stays_in_its_directory(evening: Evening, name: str) -> None:
    assert evening.sealed[name]
    assert [places(evening, salt, but=name) for salt in evening.sealed[name]] == [[]]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_the_token_of_the_rpc__is_nowhere_but_in_its_file(evening: Evening, name: str) -> None:
    assert places(evening, evening.tokens[name]) == []


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_what_may_be_shown__is_found_by_the_same_search(evening: Evening, name: str) -> None:
    """So that the silence above is the nodes' and not the search's."""
    other = {"alice": "bob", "bob": "alice"}[name]
    shown = places(evening, evening.public_keys[name])
    opened = [places(evening, salt) for salt in evening.opened[name]]

    assert {"heard", f"{other}/rows", f"{name}/marker"} <= set(shown)
    assert all({"heard", f"{other}/rows"} <= set(where) for where in opened)
    assert opened
    assert b"Fatal Python error: Aborted" in evening.said["output of bob"]
    assert (
        b"Starting new HTTP connection" in evening.said["output of alice"]
        or len(evening.said["output of alice"].splitlines()) > 20
    )


CRASHER = """
import logging, sys
from pathlib import Path
import trio
from node.keys import load_key
from node.logs import configure_logs
from node.net.identity import key_pair
from node.passphrase import read_passphrase_file

async def fail(key, passphrase, pair):
    seed, hexed = key.seed, key.seed.hex()
    try:
        raise RuntimeError(f"{key} {pair} {key.signer}")
    finally:
        await trio.sleep(0)

async def main(data_dir, file):
    key, passphrase = load_key(data_dir, passphrase_file=file), read_passphrase_file(file)
    for log_format in ("json", "console"):
        configure_logs(log_format=log_format, level="debug")
        try:
            await fail(key, passphrase, key_pair(key.seed))
        except RuntimeError:
            logging.getLogger("node").exception("failed with %s", key, extra={"key": key})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, key, passphrase, key_pair(key.seed))

trio.run(main, *map(Path, sys.argv[1:]))
"""


def test_a_crash__shows_no_secret_that_was_at_hand(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text(PASSPHRASE)
    seed = sha256(b"a seed")
    key = tmp_path / "data" / "key"
    key.parent.mkdir(mode=0o700)
    key.touch(mode=0o600)
    key.write_bytes(seal_key(seed, PASSPHRASE.encode(), log2_n=LOG2_N_MIN))

    crashed = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CRASHER, str(tmp_path / "data"), str(file)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    words = crashed.stdout + crashed.stderr
    assert crashed.returncode == 1
    assert words.count(b"RuntimeError") >= 3
    assert b"ExceptionGroup" in words
    hidden = forms(seed) | forms(PASSPHRASE.encode())
    assert [form for form in hidden if form in words] == []
