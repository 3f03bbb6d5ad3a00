"""R2: the local RPC is shown to its owner alone, and its token to nobody else."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.loopback.nodes import RealNode, street

pytestmark = pytest.mark.e2e

EVERYBODYS = 0o666
LARGE = b'{"text": "' + b"a" * 2_000_000 + b'"}'
TASK = b'{"text": "good", "request_id": "once"}'
OTHER_TASK = b'{"text": "bad", "request_id": "once"}'


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def refusals(node: RealNode, token: str) -> dict[str, httpx.Response]:
    """Ask in every way that is refused, each time but the first two with the right token."""
    url = json.loads((node.directory / "rpc.json").read_text())["url"]
    usual = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked: dict[str, tuple[str, str, dict[str, str], bytes]] = {
        "no token": ("GET", "/status", {"Authorization": ""}, b""),
        "another token": ("GET", "/status", {"Authorization": f"Bearer {token}0"}, b""),
        "the host of somebody": ("GET", "/status", {"Host": "evil.example"}, b""),
        "the page of somebody": ("GET", "/status", {"Origin": "http://evil.example"}, b""),
        "nowhere": ("GET", "/nowhere", {}, b""),
        "no task": ("GET", f"/tasks/{'00' * 32}", {}, b""),
        "a wrong method": ("DELETE", "/tasks", {}, b""),
        "too much": ("POST", "/tasks", {}, LARGE),
        "a form": ("POST", "/tasks", {"Content-Type": "text/plain"}, TASK),
        "no JSON": ("POST", "/tasks", {}, b"{"),
        "not a task": ("POST", "/tasks", {}, b'{"text": 1}'),
        "a task": ("POST", "/tasks", {}, TASK),
        "another by its name": ("POST", "/tasks", {}, OTHER_TASK),
    }
    found = {}
    for name, (method, path, more, body) in asked.items():
        # A connection each: the node ends that of whoever sends too much, and tells nobody before.
        with httpx.Client(base_url=url, trust_env=False, verify=False, timeout=30) as client:  # noqa: S501
            found[name] = client.request(method, path, headers={**usual, **more}, content=body)
    return found


def test_token__is_its_owners_alone_under_any_umask_and_in_no_answer_or_log(
    tmp_path: Path,
) -> None:
    left = tmp_path / "token"
    with street(tmp_path, is_forked=False) as town:
        node = town.node("alice", "--log-level", "debug", "--rpc-token-file", str(left))
        with umask(0):
            node.launch()
        node.wait_serving()
        rpc_file = node.directory / "rpc.json"
        found = modes(rpc_file, left, node.directory / "key", node.directory)
        token: str = json.loads(rpc_file.read_text())["token"]
        answers = refusals(node, token)
        shown = [Path(f"/proc/{node.pid}/{what}").read_bytes() for what in ("cmdline", "environ")]
        held = left.read_text().strip()
        assert node.stop() == 0
        words = node.words()
        gone = not rpc_file.exists() and not left.exists()

    statuses = {name: answer.status_code for name, answer in answers.items()}
    print(f"\n{statuses}")
    assert found == [0o600, 0o600, 0o600, 0o700]
    assert held == token
    assert gone
    assert {400, 401, 403, 404, 405, 409, 413, 415} <= set(statuses.values())
    assert [name for name, status in statuses.items() if status < 400] == ["a task"]
    for name, answer in answers.items():
        assert token not in answer.text, name
        assert token not in str(answer.headers), name
    assert "serving the RPC at" in words
    assert token not in words
    assert not any(token.encode() in one for one in shown)


def test_token__is_written_through_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "somebody's"
    left = tmp_path / "token"
    with street(tmp_path) as town:
        node = town.node("alice", "--rpc-token-file", str(left))
        node.launch()
        node.wait_serving()
        assert node.stop() == 0
        for held in ("", "precious", "0" * 64):  # an earlier token may be replaced, but in place
            victim.write_text(held)
            victim.chmod(EVERYBODYS)
            for link in (left, node.directory / "rpc.json"):
                link.unlink(missing_ok=True)  # what the last run, which was refused, has left
                link.symlink_to(victim)

                node.launch()
                code = node.wait_ended(within_s=30)

                words = node.words()
                assert code == 1, words
                assert str(link) in words
                assert "Traceback" not in words
                assert link.is_symlink()
                assert (victim.read_text(), modes(victim)) == (held, [EVERYBODYS])
                link.unlink()
        node.launch()
        node.wait_serving()
        assert modes(left) == [0o600]
