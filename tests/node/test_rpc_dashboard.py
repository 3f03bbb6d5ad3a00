"""The page of the dashboard as the RPC serves it, over real connections."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from node.rpc.page import INDEX, KINDS, POLICY, page_files
from tests.fakes_market import FakeMarket
from tests.node.test_rpc_attacks import request, served, status_of, talk
from tests.node.test_rpc_routes import served as asked

STATIC = Path(str(files("node.rpc"))) / "static"


def in_tree() -> dict[str, bytes]:
    """Return every file of the page, by the path it is to be served at."""
    found = {
        f"/ui/{path.relative_to(STATIC).as_posix()}": path.read_bytes()
        for path in STATIC.rglob("*")
        if path.is_file()
    }
    found["/"] = found.pop(f"/ui/{INDEX}")
    return found


async def test_page__is_served_whole_to_whoever_has_no_token() -> None:
    async with asked(FakeMarket()) as client:
        del client.headers["Authorization"]
        answers = {path: await client.get(path) for path in in_tree()}

    assert {path: answer.content for path, answer in answers.items()} == in_tree()
    for path, answer in answers.items():
        ending = "html" if path == "/" else path.rpartition(".")[2]
        headers = answer.headers
        assert (answer.status_code, headers["content-type"]) == (200, KINDS[ending])
        assert headers["content-security-policy"] == POLICY
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("cache-control") == ["no-cache"]


async def test_page__is_not_sent_again_to_who_has_it() -> None:
    async with asked(FakeMarket()) as client:
        first = await client.get("/")
        etag = first.headers["etag"]
        known = [
            await client.get("/", headers={"If-None-Match": told})
            for told in (etag, f"W/{etag}", f'"x", {etag}', '"x"')
        ]
        other = await client.get("/ui/main.js", headers={"If-None-Match": etag})

    assert [answer.status_code for answer in known] == [304, 304, 304, 200]
    assert [len(answer.content) for answer in known] == [0, 0, 0, len(first.content)]
    assert known[0].headers["content-security-policy"] == POLICY
    assert (other.status_code, other.headers["etag"] != etag) == (200, True)


async def test_page__is_described_to_who_asks_for_its_head_alone() -> None:
    async with asked(FakeMarket()) as client:
        whole, head = await client.get("/"), await client.head("/")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("path", ["/ui/none.js", "/ui/", "/ui/index.html", "/ui/views", "/ui//"])
async def test_page__has_nothing_but_its_files(path: str) -> None:
    async with asked(FakeMarket()) as client:
        del client.headers["Authorization"]
        answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/ui/../guard.py",
        "/ui/%2e%2e/guard.py",
        "/ui/..%2fguard.py",
        "/ui/views/../../app.py",
        "/ui//etc/passwd",
        "/ui/%00",
        "/ui/views/..%5c..%5capp.py",
        "/ui/.",
    ],
)
async def test_page__leads_to_no_other_file(path: str) -> None:
    async with served(FakeMarket()) as port:
        answer = await talk(port, request(port, method="GET", path=path, bearer=None, body=b""))

    assert status_of(answer) == 404
    assert b'{"code":"not_found"' in answer


@pytest.mark.parametrize("path", ["/", "/ui/main.js"])
async def test_page__can_only_be_read(path: str) -> None:
    async with asked(FakeMarket()) as client:
        answers = [await client.request(how, path) for how in ("POST", "PUT", "DELETE", "OPTIONS")]

    assert [answer.status_code for answer in answers] == [405] * 4
    assert {answer.headers["allow"] for answer in answers} == {"GET, HEAD"}


async def test_page__is_no_part_of_what_programs_are_told() -> None:
    async with asked(FakeMarket()) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]

    assert not any(path == "/" or path.startswith("/ui") for path in paths)


def test_page_files__are_read_once() -> None:
    assert page_files() is page_files()


def test_vendor__holds_what_its_readme_says() -> None:
    """Code of others stays as it was published, and none comes in unnamed."""
    vendor = STATIC / "vendor"
    rows = [line for line in (vendor / "README.md").read_text().splitlines() if line[:3] == "| `"]
    told = {row.split("`")[1]: row.split("`")[-2] for row in rows}
    there = [path for path in vendor.iterdir() if path.name != "README.md"]

    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there}
