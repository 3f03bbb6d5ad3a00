"""Who is believed about where we are, and what is made of answers that make no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr

from node.net.observed import (
    OBSERVERS_MAX,
    OBSERVERS_MIN,
    Sighting,
    Sightings,
    Unclear,
    plain_ip,
    read_ip,
)

HOME, PUBLIC, LIE = "192.168.1.2", "203.0.113.5", "198.51.100.99"
IPS = st.sampled_from([PUBLIC, LIE, HOME])
OBSERVERS = st.integers(0, 99).map(lambda number: (f"peer {number}", f"10.0.0.{number % 7}"))


def seen(*voices: tuple[str, str, str]) -> Sightings:
    """Return what observers saw, each given as its name, its address and ours."""
    sightings = Sightings()
    for observer, observer_ip, seen_ip in voices:
        sightings.note(observer, Sighting(seen_ip, local_ip=HOME, observer_ip=observer_ip))
    return sightings


@given(st.lists(st.tuples(OBSERVERS, IPS), max_size=200))
def test_agreed__is_what_enough_observers_at_distinct_addresses_see(
    said: list[tuple[tuple[str, str], str]],
) -> None:
    voices = [(name, observer_ip, ip) for (name, observer_ip), ip in said]
    last = {name: (observer_ip, ip) for name, observer_ip, ip in voices}

    agreed = seen(*voices).agreed()

    if agreed:
        witnesses = {observer_ip for observer_ip, ip in last.values() if ip == agreed}
        assert len(witnesses) >= OBSERVERS_MIN
        for other in {ip for _, ip in last.values()} - {agreed}:
            against = {observer_ip for observer_ip, ip in last.values() if ip == other}
            assert len(against) < len(witnesses) or len(last) > OBSERVERS_MAX


def test_agreed__does_not_hear_one_observer_many_times() -> None:
    crowd = [(f"peer {number}", "10.0.0.1", LIE) for number in range(OBSERVERS_MAX)]
    honest = [(f"honest {number}", f"10.0.1.{number}", PUBLIC) for number in range(OBSERVERS_MIN)]

    assert seen(*crowd).agreed() == ""
    assert seen(*crowd, *honest).agreed() == PUBLIC


def test_agreed__is_nothing_below_enough_and_something_at_it() -> None:
    voices = [(f"peer {number}", f"10.0.0.{number}", PUBLIC) for number in range(OBSERVERS_MIN)]

    assert seen(*voices[1:]).agreed() == ""
    assert seen(*voices).agreed() == PUBLIC


def test_is_translated__goes_by_most_observers() -> None:
    ours, theirs = ("a", "10.0.0.1", HOME), ("b", "10.0.0.2", PUBLIC)

    assert not seen().is_translated()
    assert not seen(ours).is_translated()
    assert seen(theirs).is_translated()
    assert not seen(ours, theirs).is_translated()
    assert seen(ours, theirs, ("c", "10.0.0.3", LIE)).is_translated()


def test_is_translated__stays_as_it_was_where_observers_are_at_odds() -> None:
    sightings = seen(("a", "10.0.0.1", HOME), ("b", "10.0.0.2", PUBLIC))

    assert [sightings.is_translated(was=was) for was in (False, True)] == [False, True]
    sightings.note("c", Sighting(HOME, HOME, "10.0.0.3"))
    assert not sightings.is_translated(was=True)


def test_note__remembers_so_many_observers() -> None:
    first = [("early", "10.0.0.1", PUBLIC)]
    later = [(f"peer {number}", "10.0.0.2", HOME) for number in range(OBSERVERS_MAX)]

    sightings = seen(*first, *later)

    assert len(sightings._by_observer) == OBSERVERS_MAX
    assert "early" not in sightings._by_observer


def test_keep__forgets_what_was_seen_before_we_moved() -> None:
    sightings = seen(*[(f"old {number}", f"10.0.{number}.1", HOME) for number in range(40)])

    sightings.keep({"new"})
    assert sightings.likely() == HOME  # nobody has told anything newer

    sightings.note("new", Sighting(PUBLIC, HOME, "10.1.0.1"))
    sightings.keep({"new", "silent"})
    assert sightings.likely() == PUBLIC
    assert sightings.is_translated()


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("/ip4/203.0.113.5/tcp/4001", "203.0.113.5"),
        ("/ip6/2001:db8:0::1/tcp/4001", "2001:db8::1"),
        ("/ip6/::ffff:203.0.113.5/tcp/4001", "203.0.113.5"),
    ],
)
def test_read_ip__reads_where_a_connection_comes_from(text: str, ip: str) -> None:
    assert read_ip(Multiaddr(text).to_bytes()) == ip


@pytest.mark.parametrize("text", ["/dns4/a.example/tcp/1", "/ip4/203.0.113.5/udp/1"])
def test_read_ip__takes_nothing_but_tcp(text: str) -> None:
    with pytest.raises(Unclear):
        read_ip(Multiaddr(text).to_bytes())


@given(st.binary(max_size=300))
def test_read_ip__raises_nothing_else_on_noise(noise: bytes) -> None:
    try:
        ip = read_ip(noise)
    except Unclear:
        return
    assert plain_ip(ip) == ip
