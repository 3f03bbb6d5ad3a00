"""Where a node leaves its address, who may read it, and how a client finds it."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from node.errors import NotReachable, StartError, UsageError
from node.rpc import offer
from node.rpc.endpoint import Endpoint, find_endpoint
from node.rpc.server import serve_rpc
from node.rpc.token import (
    RpcFile,
    left_rpc_file,
    left_token,
    new_token,
    read_rpc_file,
    read_token,
    remove_rpc_file,
    write_rpc_file,
)
from tests.fakes_market import FakeMarket, services

TOKEN = "a" * 64


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def a_file(node_id: str = "alice", *, pid: int | None = None, port: int = 1) -> RpcFile:
    return RpcFile(f"http://127.0.0.1:{port}", TOKEN, pid or os.getpid(), node_id)


def leave(root: Path, node_id: str, *, pid: int | None = None, port: int = 1) -> Path:
    (root / node_id).mkdir()
    path = root / node_id / "rpc.json"
    write_rpc_file(path, a_file(node_id, pid=pid, port=port))
    return path


def find(
    root: Path,
    node_id: str | None = None,
    url: str | None = None,
    token_file: str | None = None,
    warnings: list[str] | None = None,
    **environment: str,
) -> Endpoint:
    seen: list[str] = [] if warnings is None else warnings
    return find_endpoint(
        node_id=node_id,
        url=url,
        token_file=token_file,
        environment={"AIMARKET_HOME": str(root), **environment},
        warn=seen.append,
    )


def test_new_token__is_new_and_long() -> None:
    tokens = {new_token() for _ in range(10)}

    assert {len(token) for token in tokens} == {64}
    assert len(tokens) == 10


@pytest.mark.usefixtures("no_umask")
def test_write_rpc_file__is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "rpc.json"
    path.write_text("old")
    path.chmod(0o666)

    write_rpc_file(path, a_file())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_rpc_file(path) == a_file()
    assert os.listdir(tmp_path) == ["rpc.json"]


def test_write_rpc_file__refuses_a_symlink_and_leaves_its_target(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "rpc.json").symlink_to(target)

    with pytest.raises(StartError):
        write_rpc_file(tmp_path / "rpc.json", a_file())

    assert target.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["rpc.json", "target"]


def test_write_rpc_file__names_the_directory_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="absent"):
        write_rpc_file(tmp_path / "absent" / "rpc.json", a_file())


def test_remove_rpc_file__leaves_the_file_of_a_later_run(tmp_path: Path) -> None:
    path = tmp_path / "rpc.json"
    later = RpcFile("http://127.0.0.1:2", "b" * 64, 1, "alice")
    write_rpc_file(path, later)

    remove_rpc_file(path, a_file())
    kept = path.exists()
    remove_rpc_file(path, later)
    remove_rpc_file(path, later)

    assert kept
    assert not path.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"url":1,"token":2,"pid":3,"worker_id":4}',
        b"[" * 9999,
        b'{"url":"u","token":"a\\nb","pid":3,"worker_id":"w"}',
    ],
)
def test_read_rpc_file__refuses_what_no_node_wrote(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "rpc.json"
    path.write_bytes(raw)

    with pytest.raises(UsageError):
        read_rpc_file(path)


def test_read_rpc_file__refuses_a_symlink(tmp_path: Path) -> None:
    write_rpc_file(tmp_path / "real", a_file())
    (tmp_path / "rpc.json").symlink_to(tmp_path / "real")

    with pytest.raises(UsageError):
        read_rpc_file(tmp_path / "rpc.json")


def test_read_token__reads_both_forms(tmp_path: Path) -> None:
    write_rpc_file(tmp_path / "rpc.json", a_file())
    (tmp_path / "bare").write_text(TOKEN + "\n")
    (tmp_path / "two").write_text("a b")

    assert read_token(tmp_path / "rpc.json") == read_token(tmp_path / "bare") == TOKEN
    for name in ("two", "absent"):
        with pytest.raises(UsageError):
            read_token(tmp_path / name)


def test_repr__does_not_show_the_secret() -> None:
    assert TOKEN not in repr(a_file())
    assert TOKEN not in repr(Endpoint("http://127.0.0.1:1", TOKEN, "alice"))


def test_find_endpoint__takes_the_only_node_there_is(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="no node runs here"):
        find(tmp_path)
    leave(tmp_path, "alice", port=7)
    leave(tmp_path, "dead", pid=2**22 + 1)

    found = find(tmp_path)

    assert (found.url, found.token, found.node_id) == ("http://127.0.0.1:7", TOKEN, "alice")


def test_find_endpoint__asks_which_of_several_nodes_is_meant(tmp_path: Path) -> None:
    leave(tmp_path, "alice")
    leave(tmp_path, "bob", port=2)

    with pytest.raises(UsageError, match="alice, bob"):
        find(tmp_path)
    by_flag = find(tmp_path, node_id="bob", AIMARKET_RPC_URL="http://127.0.0.1:9")
    by_environment = find(tmp_path, AIMARKET_ID="alice")
    by_url = find(tmp_path, url="http://127.0.0.1:2/")

    assert [by_flag.node_id, by_environment.node_id, by_url.node_id] == ["bob", "alice", "bob"]


def test_find_endpoint__takes_a_url_with_a_token_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("b" * 64)
    (tmp_path / "token").chmod(0o644)
    warnings: list[str] = []

    found = find(
        tmp_path,
        warnings=warnings,
        AIMARKET_RPC_URL="http://127.0.0.1:9",
        AIMARKET_TOKEN_FILE=str(tmp_path / "token"),
    )

    assert (found.url, found.token) == ("http://127.0.0.1:9", "b" * 64)
    assert "chmod 600" in warnings[0]


def test_find_endpoint__refuses_contradictions_and_paths(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not both"):
        find(tmp_path, node_id="alice", url="http://127.0.0.1:1")
    for name in ("../alice", "/etc", "", ".", "a/b", "a\x1b[2J"):
        with pytest.raises(UsageError, match="plain name"):
            find(tmp_path, node_id=name)
    with pytest.raises(NotReachable, match="aimarket-node --id carole"):
        find(tmp_path, node_id="carole")


@asynccontextmanager
async def served(market: FakeMarket) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_rpc, services(market), port=0, token=TOKEN))
        yield int(url.rpartition(":")[2])
        nursery.cancel_scope.cancel()


async def test_serve_rpc__says_in_one_line_that_the_port_is_taken() -> None:
    async with served(FakeMarket()) as port:
        with pytest.raises(StartError, match=f"RPC port {port} ") as caught:
            await serve_rpc(services(FakeMarket()), port=port, token=TOKEN)

    assert "\n" not in str(caught.value)


async def test_serve_rpc__takes_a_free_port_if_that_will_do() -> None:
    async with served(FakeMarket()) as port, trio.open_nursery() as nursery:
        other = await nursery.start(
            partial(serve_rpc, services(FakeMarket()), port=port, token=TOKEN, or_free_port=True)
        )
        nursery.cancel_scope.cancel()

    assert other != f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("host", "port"), [("0.0.0.0", 0), ("::", 0), ("127.0.0.1", 70_000)])  # noqa: S104
async def test_serve_rpc__refuses_to_be_seen_from_outside(host: str, port: int) -> None:
    with pytest.raises(StartError):
        await serve_rpc(services(FakeMarket()), host=host, port=port, token=TOKEN)


@pytest.mark.usefixtures("no_umask")
def test_left_token__is_there_alone_for_its_owner_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "token"

    with left_token(path, TOKEN):
        held, mode = path.read_text(), stat.S_IMODE(path.stat().st_mode)

    assert (held, mode) == (f"{TOKEN}\n", 0o600)
    assert not path.exists()


def test_left_token__replaces_what_a_killed_run_left_and_leaves_what_a_later_one_put(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("b" * 64)

    with left_token(path, TOKEN):
        assert read_token(path) == TOKEN
        path.write_text("c" * 64)

    assert path.read_text() == "c" * 64


@pytest.mark.parametrize("held", [b"-----BEGIN PRIVATE KEY-----\n", b"{}", b"\xff", b"a" * 63])
def test_left_token__never_replaces_anything_but_a_token(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(held)

    with pytest.raises(StartError, match="holds something else"), left_token(path, TOKEN):
        pass

    assert path.read_bytes() == held


def test_left_token__follows_no_link_and_takes_no_folder(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("b" * 64)
    (tmp_path / "link").symlink_to(target)

    for path in (tmp_path / "link", tmp_path, tmp_path / "no folder" / "token"):
        with pytest.raises(StartError), left_token(path, TOKEN):
            pass

    assert target.read_text() == "b" * 64


def test_left_token__does_nothing_where_no_file_is_named(tmp_path: Path) -> None:
    with left_token(None, TOKEN):
        assert list(tmp_path.iterdir()) == []


async def test_offer_rpc__leaves_the_token_before_the_address_and_for_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    found: list[bool] = []

    @contextmanager
    def watched(path: Path, content: RpcFile) -> Iterator[None]:
        found.append(token_file.exists())
        try:
            with left_rpc_file(path, content):
                yield
        finally:
            found.append(token_file.exists())

    monkeypatch.setattr(offer, "left_rpc_file", watched)
    offered = partial(
        offer.offer_rpc,
        services(FakeMarket()),
        folder=tmp_path,
        node_id="alice",
        port=0,
        token_file=token_file,
        open_reads=False,
    )
    async with trio.open_nursery() as nursery:
        content = await nursery.start(offered)
        assert read_token(token_file) == content.token
        nursery.cancel_scope.cancel()

    assert found == [True, True]
    assert not token_file.exists()
