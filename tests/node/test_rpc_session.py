"""A page that was open before a restart gets the new token, and nobody else does."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import RequestRefused, StartError
from node.rpc.session import FILE_NAME, LIFE_MS, RenewedView, Sessions, SessionView, read_key
from node.rpc.token import new_token
from tests.fakes_market import FakeMarket
from tests.node.test_rpc_routes import TOKEN, served

NOW_MS = 1_800_000_000_000
HERE = "http://127.0.0.1:7461"
keys = st.binary(min_size=32, max_size=32)


def opened(secret: str, nonce: str, answer: RenewedView, *, origin: str = HERE) -> str | None:
    """Take an answer apart as a page of that address does; None if its proof is not the node's."""
    nonces = bytes.fromhex(nonce) + bytes.fromhex(answer.nonce)
    sealed = bytes.fromhex(answer.token)
    key = bytes.fromhex(secret)
    told = b"aimarket/proof/2" + nonces + sealed + origin.encode()
    if hmac.digest(key, told, hashlib.sha256).hex() != answer.proof:
        return None
    return decrypted(secret, nonce, answer, origin=origin)


def decrypted(secret: str, nonce: str, answer: RenewedView, *, origin: str) -> str:
    nonces = bytes.fromhex(nonce) + bytes.fromhex(answer.nonce)
    sealed = bytes.fromhex(answer.token)
    told = b"aimarket/pad/2" + nonces + origin.encode()
    pad = hmac.digest(bytes.fromhex(secret), told, hashlib.sha256)
    return bytes(one ^ other for one, other in zip(sealed, pad, strict=True)).hex()


def run(key: bytes, token: str | None = None, *, origin: str = HERE) -> Sessions:
    return Sessions(key, token or new_token(), origin=origin)


def renewed(sessions: Sessions, page: SessionView, nonce: str, *, now_ms: int) -> RenewedView:
    return sessions.renew(page.session_id, page.expires_ms, nonce, now_ms)


@given(key=keys, nonce=keys, later_ms=st.integers(0, LIFE_MS))
def test_renew__gives_a_page_of_an_earlier_run_the_token_of_this_one(
    key: bytes, nonce: bytes, later_ms: int
) -> None:
    token = new_token()
    page = run(key).begin(NOW_MS)

    answer = renewed(run(key, token), page, nonce.hex(), now_ms=NOW_MS + later_ms)

    assert opened(page.secret, nonce.hex(), answer) == token


@given(key=keys, other=keys, nonce=keys)
def test_renew__is_of_no_use_without_the_secret(key: bytes, other: bytes, nonce: bytes) -> None:
    """Neither one who made up a session, nor one with that of another page, nor a false node."""
    token = new_token()
    sessions = run(key, token)
    mine, theirs = sessions.begin(NOW_MS), sessions.begin(NOW_MS)
    answer = renewed(sessions, mine, nonce.hex(), now_ms=NOW_MS)

    assert opened(theirs.secret, nonce.hex(), answer) is None
    assert token not in repr(answer)
    if other != key:
        false = renewed(run(other), mine, nonce.hex(), now_ms=NOW_MS)
        assert opened(mine.secret, nonce.hex(), false) is None


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:7462", "http://localhost:7461", "http://[::1]:7461"]
)
def test_renew__is_of_no_use_to_a_page_of_another_address(origin: str) -> None:
    """A program that holds the old port may pass on what the node answers at its new one."""
    key, token, nonce = os.urandom(32), new_token(), os.urandom(32).hex()
    page = run(key, origin=origin).begin(NOW_MS)

    answer = renewed(run(key, token), page, nonce, now_ms=NOW_MS)

    assert opened(page.secret, nonce, answer, origin=origin) is None
    assert decrypted(page.secret, nonce, answer, origin=origin) != token
    assert opened(page.secret, nonce, answer) == token


def test_renew__never_answers_twice_alike() -> None:
    sessions, nonce = run(bytes(32)), bytes(32).hex()
    page = sessions.begin(NOW_MS)

    answers = {renewed(sessions, page, nonce, now_ms=NOW_MS).token for _ in range(20)}

    assert len(answers) == 20


@pytest.mark.parametrize("at_ms", [NOW_MS - 1, NOW_MS + LIFE_MS + 1, -(2**80), 2**80])
def test_renew__refuses_what_is_too_old_or_from_the_future(at_ms: int) -> None:
    sessions = run(bytes(32))
    page = sessions.begin(NOW_MS)

    with pytest.raises(RequestRefused) as caught:
        sessions.renew(page.session_id, at_ms, bytes(32).hex(), NOW_MS)

    assert caught.value.status == 401


@given(text=st.text(max_size=70))
def test_renew__refuses_what_is_no_hex(text: str) -> None:
    sessions = run(bytes(32))
    page = sessions.begin(NOW_MS)

    for session_id, nonce in ((text, bytes(32).hex()), (page.session_id, text)):
        with pytest.raises(RequestRefused) as caught:
            sessions.renew(session_id, page.expires_ms, nonce, NOW_MS)
        assert caught.value.status == 400


def test_read_key__makes_one_once_for_its_owner_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        made = read_key(tmp_path)
    finally:
        os.umask(umask)

    assert read_key(tmp_path) == made
    assert len(made) == 32
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_read_key__refuses_what_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"short")

    with pytest.raises(StartError, match="5 bytes, not 32"):
        read_key(tmp_path)


async def test_session__is_given_with_the_token_and_renewed_without() -> None:
    nonce = bytes(32).hex()
    async with served(FakeMarket()) as client:
        page = (await client.post("/session", json={})).json()
        del client.headers["Authorization"]
        refused = await client.post("/session", json={})
        asked = {"session_id": page["session_id"], "expires_ms": page["expires_ms"]}
        answer = await client.post("/session/renew", json={**asked, "nonce": nonce})
        origin = str(client.base_url)  # with the port that it really got

    assert refused.status_code == 401
    assert opened(page["secret"], nonce, RenewedView(**answer.json()), origin=origin) == TOKEN


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({}, 400),
    ],
)
async def test_renew__is_closed_to_other_web_pages(headers: dict[str, str], status: int) -> None:
    async with served(FakeMarket()) as client:
        del client.headers["Authorization"]
        sent = {"Content-Type": "application/json", **headers}
        answer = await client.post("/session/renew", content=b"{}", headers=sent)

    assert answer.status_code == status
