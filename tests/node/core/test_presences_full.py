"""A full table of who is here: keys that have nothing in the log take nobody's place who has."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from node.core.presences import UNPROVEN_EVERY_MS, Presences
from node.core.settings import Settings
from protocol.ids import PublicKey
from protocol.record import Verified
from tests.builders import NOON_MS, a_presence, a_record, key


def said(author: str, *, created_ms: int = 0, ttl_ms: int = 30_000) -> Verified:
    return a_record(author, a_presence(ttl_ms=ttl_ms), created_ms=NOON_MS + created_ms)


def in_log(*names: str) -> Callable[[PublicKey], bool | None]:
    keys = {key(name) for name in names}
    return lambda author: True if author in keys else None


def known_of(presences: Presences, *names: str) -> list[str]:
    return [name for name in names if presences.find(key(name))]


def test_make_room__takes_who_has_records_though_authors_without_fill_the_table() -> None:
    presences = Presences(Settings(authors_max=8))
    sybils = [f"sybil {number}" for number in range(8)]
    for ms, name in enumerate(sybils):
        presences.hear(said(name, ttl_ms=1_800_000), ms, in_log())
    presences.hear(said(sybils[0], created_ms=1, ttl_ms=1_800_000), 8, in_log())

    honest = [f"honest {number}" for number in range(8)]
    taken = [presences.hear(said(name), 9, in_log(*honest)) for name in honest]

    assert all(taken)
    assert known_of(presences, *honest) == honest
    assert known_of(presences, *sybils) == []


def test_make_room__gives_the_place_of_the_longest_silent_without_records() -> None:
    presences = Presences(Settings(authors_max=8))
    sybils = [f"sybil {number}" for number in range(8)]
    for ms, name in enumerate(sybils):
        presences.hear(said(name), ms, in_log())
    presences.hear(said(sybils[0], created_ms=1), 8, in_log())

    presences.hear(said("honest"), 9, in_log("honest"))

    assert known_of(presences, *sybils) == [sybils[0], *sybils[2:]]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 200), st.booleans()), max_size=60))
def test_make_room__drives_nobody_out_who_has_records(
    strangers: list[tuple[int, int, bool]],
) -> None:
    presences = Presences(Settings(authors_max=8))
    honest = [f"honest {number}" for number in range(6)]
    now_ms = 0
    for name in honest:
        presences.hear(said(name, ttl_ms=1_800_000), now_ms, in_log())  # its records come later

    for number, after_ms, is_presence in strangers:
        now_ms += after_ms
        record = said(f"sybil {number}", created_ms=now_ms)
        if is_presence:
            presences.hear(record, now_ms, in_log(*honest))
        else:
            presences.renew(record.author, record.created_ms, now_ms)

    assert known_of(presences, *honest) == honest
    assert presences.sizes()["authors"][0] <= 8


def test_make_room__lets_a_newcomer_in_whatever_others_without_records_say() -> None:
    presences = Presences(Settings(authors_max=8))
    honest = [f"honest {number}" for number in range(6)]
    for name in honest:
        presences.hear(said(name, ttl_ms=1_800_000), 0, in_log())
    now_ms, taken = 0, []
    for number in range(100):
        now_ms += UNPROVEN_EVERY_MS // 2
        one = said(f"sybil {number}", ttl_ms=1_800_000)
        taken.append(presences.hear(one, now_ms, in_log(*honest)))

    was_taken = presences.hear(said("newcomer"), now_ms + UNPROVEN_EVERY_MS, in_log(*honest))

    assert was_taken
    assert sum(taken[2:]) == 49, "all pass on whom they take in, so the rate has a bound"


def test_make_room__remembers_who_is_gone_rather_than_many_without_records() -> None:
    presences = Presences(Settings(authors_max=8))
    honest = [f"honest {number}" for number in range(6)]
    for name in honest:
        presences.hear(said(name, ttl_ms=0), 0, in_log())

    for number in range(20):
        now_ms = number * UNPROVEN_EVERY_MS
        presences.hear(said(f"sybil {number}", ttl_ms=1_800_000), now_ms, in_log(*honest))
    presences.hear(said("new"), 20 * UNPROVEN_EVERY_MS, in_log("new", *honest))

    assert known_of(presences, *honest) == honest[1:]
    assert known_of(presences, "new", "sybil 18", "sybil 19") == ["new", "sybil 18", "sybil 19"]
