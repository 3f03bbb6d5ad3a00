"""Who is here: newer words win, time runs out, and memory has a bound."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.presences import CROWDS_MAX, SWEPT_WITHIN_MS, Presences
from node.core.settings import Settings
from protocol.record import Verified
from protocol.statements import Capability
from tests.builders import NOON_MS, a_presence, a_record, key
from tests.core_world import SENTIMENT

ECHO = Capability("echo", b"")


def said(author: str, *, created_ms: int = 0, ttl_ms: int = 30_000) -> Verified:
    return a_record(author, a_presence(ttl_ms=ttl_ms), created_ms=NOON_MS + created_ms)


@pytest.fixture
def presences() -> Presences:
    return Presences(Settings(authors_max=3, renewal_ms=30_000, author_memory_ms=100_000))


@pytest.mark.parametrize(("created_ms", "news"), [(9, False), (10, False), (11, True)])
def test_hear__takes_only_what_is_newer(presences: Presences, created_ms: int, news: bool) -> None:
    presences.hear(said("bo", created_ms=10), 0)

    taken = presences.hear(said("bo", created_ms=created_ms, ttl_ms=60_000), 0)

    assert taken is news
    assert presences.is_live(key("bo"), 40_000) is news


@pytest.mark.parametrize(("ms", "live"), [(29_999, True), (30_000, False)])
def test_is_live__ends_with_the_ttl(presences: Presences, ms: int, live: bool) -> None:
    presences.hear(said("bo"), 0)

    assert presences.is_live(key("bo"), ms) is live
    assert (presences.capable(SENTIMENT, ms) == [key("bo")]) is live
    assert (key("bo") in presences.live(ms)) is live


def test_hear__counts_from_receipt_whatever_the_date(presences: Presences) -> None:
    presences.hear(said("bo", created_ms=-NOON_MS), 0)
    presences.hear(said("cy", created_ms=NOON_MS), 0)

    assert set(presences.live(29_999)) == {key("bo"), key("cy")}


def test_hear__takes_a_goodbye_at_its_word(presences: Presences) -> None:
    presences.hear(said("bo", created_ms=1), 0)

    news = presences.hear(said("bo", created_ms=2, ttl_ms=0), 0)

    assert news
    assert not presences.is_live(key("bo"), 0)
    assert presences.capable(SENTIMENT, 0) == []


def test_hear__remembers_the_date_of_whoever_is_gone(presences: Presences) -> None:
    presences.hear(said("bo", created_ms=2, ttl_ms=0), 0)

    replayed = presences.hear(said("bo", created_ms=1), 50_000)

    assert not replayed
    assert not presences.is_live(key("bo"), 50_000)


def test_capable__asks_for_equal_bytes(presences: Presences) -> None:
    presence = replace(a_presence(), capabilities=(ECHO,))
    presences.hear(a_record("bo", presence), 0)
    presences.hear(said("cy"), 0)

    assert presences.capable(ECHO, 1) == [key("bo")]
    assert presences.capable(SENTIMENT, 1) == [key("cy")]
    assert presences.capable(replace(SENTIMENT, model_digest=b""), 1) == []


@st.composite
def words(draw: st.DrawFn) -> tuple[str, int, Verified]:
    """Draw what is heard, and how long after the last of it: a presence, or another record."""
    author = draw(st.sampled_from("abcdef"))
    runs = draw(st.sets(st.sampled_from((ECHO, SENTIMENT))))
    presence = replace(
        a_presence(ttl_ms=draw(st.sampled_from((0, 10_000, 60_000)))),
        capabilities=tuple(sorted(runs)),
    )
    record = a_record(author, presence, created_ms=NOON_MS + draw(st.integers(0, 20)))
    return draw(st.sampled_from(("hear", "renew", "ask"))), draw(st.integers(0, 20_000)), record


@given(st.lists(words(), max_size=40))
def test_capable__are_those_live_who_said_so_last(said: list[tuple[str, int, Verified]]) -> None:
    presences = Presences(Settings(authors_max=4, renewal_ms=30_000, author_memory_ms=100_000))
    now_ms = 0
    for what, after_ms, record in said:
        now_ms += after_ms
        if what == "hear":
            presences.hear(record, now_ms)
        elif what == "renew":
            presences.renew(record.author, record.created_ms, now_ms)
        else:
            for capability in (ECHO, SENTIMENT):
                found = presences.capable(capability, now_ms)
                listed, _ = presences.sizes()["listed authors"]

                assert listed <= 2 * 4
                assert len(found) == len(set(found))
                assert set(found) == {
                    author
                    for author, known in presences.live(now_ms).items()
                    if known.presence and capability in known.presence.capabilities
                }


@pytest.mark.parametrize("runs", [(SENTIMENT,), ()])
def test_hear__lists_an_author_once_however_often_it_changes_its_mind(
    presences: Presences, runs: tuple[Capability, ...]
) -> None:
    presences.capable(SENTIMENT, 0)
    for number in range(100):
        presences.hear(said("bo", created_ms=2 * number, ttl_ms=300_000 - 1_000 * number), 0)
        changed = replace(a_presence(ttl_ms=300_000), capabilities=runs)
        presences.hear(a_record("bo", changed, created_ms=NOON_MS + 2 * number + 1), 0)

    listed, _ = presences.sizes()["listed authors"]

    assert listed == len(runs)


def test_hear__forgets_the_seconds_of_those_who_went_though_nobody_asks(
    presences: Presences,
) -> None:
    presences.capable(SENTIMENT, 0)
    kept = []
    for second in range(0, 2_000, 2):
        can = a_presence(ttl_ms=300_000)
        cannot = replace(can, capabilities=())
        for after, presence in enumerate((can, cannot)):
            date_ms = (second + after) * 1_000
            presences.hear(a_record("bo", presence, created_ms=NOON_MS + date_ms), date_ms)
        kept.append(len(presences._crowds[SENTIMENT]._ends))

    assert max(kept) <= (300_000 + SWEPT_WITHIN_MS) // 1_000
    assert len(presences._crowds[SENTIMENT]._seconds) <= kept[-1]


def test_capable__is_right_for_more_capabilities_than_it_lists(presences: Presences) -> None:
    many = [Capability(f"type {number}", b"") for number in range(CROWDS_MAX + 1)]
    for one in many:
        presences.capable(one, 0)

    presences.hear(a_record("bo", replace(a_presence(), capabilities=tuple(many))), 0)

    assert all(presences.capable(one, 1) == [key("bo")] for one in many)


def test_renew__keeps_an_author_for_its_last_ttl(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=10_000), 0)

    was_back = presences.renew(key("bo"), NOON_MS + 1, 9_000)

    assert not was_back
    assert presences.is_live(key("bo"), 18_999)
    assert not presences.is_live(key("bo"), 19_000)


def test_renew__brings_back_whoever_had_run_out(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=10_000), 0)

    was_back = presences.renew(key("bo"), NOON_MS + 1, 20_000)

    assert was_back
    assert presences.capable(SENTIMENT, 29_999) == [key("bo")]


@pytest.mark.parametrize("created_ms", [-1, 0])
def test_renew__ignores_records_no_newer_than_the_last_word(
    presences: Presences, created_ms: int
) -> None:
    presences.hear(said("bo", ttl_ms=10_000), 0)

    presences.renew(key("bo"), NOON_MS + created_ms, 9_000)

    assert not presences.is_live(key("bo"), 10_000)


def test_renew__never_shortens(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=0), 0)
    presences.renew(key("bo"), NOON_MS + 1, 0)
    presences.renew(key("bo"), NOON_MS + 2, 0)

    assert presences.is_live(key("bo"), 29_999)


def test_renew__knows_nothing_of_what_a_stranger_can_run(presences: Presences) -> None:
    was_new = presences.renew(key("bo"), NOON_MS, 0)

    assert was_new
    assert presences.is_live(key("bo"), 29_999)
    assert not presences.is_live(key("bo"), 30_000)
    assert presences.capable(SENTIMENT, 1) == []
    assert presences.live(1) == {}


def test_hear__takes_a_presence_older_than_a_record(presences: Presences) -> None:
    presences.renew(key("bo"), NOON_MS + 5, 0)

    assert presences.hear(said("bo", created_ms=1), 0)
    assert presences.capable(SENTIMENT, 1) == [key("bo")]


def test_make_room__forgets_the_longest_silent_that_is_gone(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=60_000), 0)
    presences.hear(said("cy", ttl_ms=0), 10)
    presences.hear(said("di", ttl_ms=0), 20)

    presences.hear(said("ed"), 30)

    known = [name for name in ("bo", "cy", "di", "ed") if presences.find(key(name))]
    assert known == ["bo", "di", "ed"]


def test_make_room__forgets_all_that_were_silent_for_the_memory(presences: Presences) -> None:
    presences.hear(said("bo"), 0)
    presences.hear(said("cy"), 1)
    presences.hear(said("di"), 50_000)

    presences.renew(key("ed"), NOON_MS, 100_002)

    known = [name for name in ("bo", "cy", "di", "ed") if presences.find(key(name))]
    assert known == ["di", "ed"]


def test_make_room__gives_the_place_of_who_is_only_known_by_a_record(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=60_000), 0)
    presences.hear(said("cy", ttl_ms=60_000), 0)
    for number in range(9):
        presences.renew(key(f"author {number}"), NOON_MS, number)

    was_news = presences.hear(said("di"), 10)

    assert was_news
    assert not any(presences.find(key(f"author {number}")) for number in range(9))
    assert all(presences.has_spoken(key(name)) for name in ("bo", "cy", "di"))


def test_make_room__keeps_most_of_the_table_for_those_who_said_that_they_are_here() -> None:
    presences = Presences(Settings(authors_max=8))
    for number in range(20):
        presences.renew(key(f"author {number}"), NOON_MS, number)

    known = [number for number in range(20) if presences.find(key(f"author {number}"))]

    assert known == [18, 19]
    assert not presences.has_spoken(key("author 19"))


def test_make_room__looks_for_the_gone_again_after_a_second(presences: Presences) -> None:
    presences.hear(said("bo", ttl_ms=500), 0)
    for name in ("cy", "di"):
        presences.hear(said(name, ttl_ms=60_000), 0)

    taken = [presences.hear(said("ed"), ms) for ms in (10, 999, 1_010)]

    assert taken == [False, False, True]


def test_make_room__never_holds_more_than_its_bound(presences: Presences) -> None:
    for number in range(20):
        presences.hear(said(f"worker {number}"), number)
        presences.renew(key(f"author {number}"), NOON_MS, number)

    assert len(presences.live(20)) <= 3
