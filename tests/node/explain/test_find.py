"""What was pasted is found, and nothing can hide it."""

from collections.abc import Collection, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.incremental import fold
from consensus.log import newest_tasks, record_ids
from node.errors import RequestRefused
from node.explain.find import WHAT_CHARS_MAX, Found, Kind, find_one
from node.names import key_of, peer_id_end, peer_id_of
from protocol.ids import PublicKey
from protocol.record import Verified
from tests.builders import NETWORK, a_market_day, a_profile, a_record, a_task, id_of, key
from tests.fakes import MemoryRows
from tests.strategies import histories

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASK = a_task()
TASK_ID = id_of("an", TASK)
DAY = a_market_day("an", TASK, {"bo": "positive", "cy": "positive", "di": "negative"})


def rows_of(records: Sequence[Verified]) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return rows


def find(what: str, records: Sequence[Verified] = DAY, known: Collection[PublicKey] = ()) -> Found:
    return find_one(what, rows_of(records), known, kinds=set(Kind))


def refused(what: str, records: Sequence[Verified] = DAY) -> RequestRefused:
    with pytest.raises(RequestRefused) as refusal:
        find(what, records)
    assert str(refusal.value).isprintable()
    return refusal.value


@quick
@given(histories())
def test_find__knows_every_task_and_record_by_its_id(history: list[Verified]) -> None:
    rows = rows_of(history)

    for task_id in newest_tasks(rows, limit=100):
        found = find_one(task_id.hex(), rows, (), kinds=set(Kind))
        assert found == Found(Kind.TASK, task_id)
    for _, record_id in record_ids(rows):
        found = find_one(record_id.hex()[:20], rows, (), kinds=set(Kind))
        assert found == Found(Kind.RECORD, record_id)


@given(st.binary(min_size=32, max_size=32))
def test_key_of__undoes_peer_id_of(raw: bytes) -> None:
    assert key_of(peer_id_of(PublicKey(raw))) == raw


@given(st.binary(min_size=32, max_size=32), st.integers(1, 12), st.text(max_size=6))
def test_peer_id_end__knows_the_end_without_the_rest(raw: bytes, size: int, other: str) -> None:
    peer_id = peer_id_of(PublicKey(raw))

    assert peer_id_end(peer_id[-size:])(PublicKey(raw))
    if other:
        assert peer_id_end(other)(PublicKey(raw)) == peer_id.endswith(other)


@given(st.text(max_size=80))
def test_find__answers_any_text_with_one_thing_or_one_line(text: str) -> None:
    refusal = None
    try:
        found = find(text)
    except RequestRefused as error:
        refusal = error

    if refusal is None:
        assert found.name
    else:
        assert refusal.status in (400, 404)
        assert str(refusal).isprintable()


@pytest.mark.parametrize("digits", [8, 9, 17, 64])
def test_find__takes_the_first_digits_of_an_id_in_either_case(digits: int) -> None:
    assert find(TASK_ID.hex()[:digits].upper()) == Found(Kind.TASK, TASK_ID)
    assert find(DAY[3].record_id.hex()[:digits]) == Found(Kind.RECORD, DAY[3].record_id)
    told = [*DAY, a_record("bo", a_profile("bob"))]
    assert find(key("bo").hex()[:digits], told) == Found(Kind.WORKER, key("bo"))


def test_find__takes_a_worker_in_every_way_it_is_shown() -> None:
    told = [*DAY, a_record("bo", a_profile("bob"))]
    peer_id = peer_id_of(key("bo"))
    ways = ["bob", " bob ", peer_id, f"bob~{peer_id[-6:]}", f"~{peer_id[-6:]}"]

    found = [find(way, told) for way in (*ways, f"/ip4/192.0.2.7/tcp/7460/p2p/{peer_id}")]

    assert found == [Found(Kind.WORKER, key("bo"))] * 6


def test_find__knows_workers_that_never_said_how_to_be_called() -> None:
    cy = key("cy")

    assert find(peer_id_of(cy), known=[cy]) == Found(Kind.WORKER, cy)
    assert find(cy.hex()[:8], known=[cy]) == Found(Kind.WORKER, cy)
    assert refused(peer_id_of(cy)).status == 404


def test_find__lists_at_most_five_candidates() -> None:
    told = [a_record(f"bob {n}", a_profile("bob")) for n in range(7)]

    two, many = refused("bob", told[:2]), refused("bob", told)

    assert (two.status, many.status) == (409, 409)
    assert str(two).count("worker bob~") == 2
    assert peer_id_of(key("bob 0")) in str(two)
    assert str(many).count("worker bob~") == 5
    assert str(many).endswith("; and more")


def test_find__prefers_an_id_to_whoever_is_called_like_it() -> None:
    digits = TASK_ID.hex()[:8]

    assert find(digits, [*DAY, a_record("mallory", a_profile(digits))]).kind is Kind.TASK


def test_find__says_what_was_tried() -> None:
    assert "no worker is called so, and it is no peer id" in str(refused("nobody"))
    assert "no task or record or key begins so" in str(refused("00000000"))
    assert "an id needs 8 to 64 hex digits" in str(refused("abcdef0"))
    assert refused("x" * WHAT_CHARS_MAX).status == 404
    assert refused("x" * (WHAT_CHARS_MAX + 1)).status == 400
    assert refused("  ").status == 400


def test_find__makes_hostile_names_fit_for_a_terminal() -> None:
    hostile = "\x1b[31m\u202ebob"
    told = [a_record(f"bob {n}", a_profile(hostile)) for n in range(2)]

    several, nobody = refused(hostile, told), refused(hostile)

    assert (several.status, nobody.status) == (409, 404)
    assert str(several).count("worker \\x1b[31m\\u202ebob~") == 2


def test_find__looks_only_for_what_is_wanted() -> None:
    with pytest.raises(RequestRefused) as refusal:
        find_one(TASK_ID.hex(), rows_of(DAY), (), kinds={Kind.WORKER})

    assert "no key begins so" in str(refusal.value)
