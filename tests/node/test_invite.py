"""Invite links: what is written is read, and nothing else is."""

import base64
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.invite import (
    CHARS_MAX,
    SCHEME,
    BadInvite,
    Invite,
    _sum_of,
    make_invite,
    read_invite,
    write_invite,
)
from node.names import peer_id_of
from node.network_limits import RANGES
from protocol.params import Network, NetworkParams, network_of
from tests.builders import key
from tests.node.test_network_file import params

ME = peer_id_of(key("me"))
RELAY = f"/ip4/198.51.100.9/tcp/7460/p2p/{peer_id_of(key('relay'))}/p2p-circuit"
PLACES = (
    "/ip4/192.0.2.7/tcp/7460",
    "/ip6/2001:db8::7/tcp/1",
    "/dns4/node.example.org/tcp/65535",
    "/dns/" + "a" * 60 + "." + "b" * 60 + ".example/tcp/7460",
    RELAY,
)
addresses = st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True).map(
    lambda places: tuple(f"{place}/p2p/{ME}" for place in places)
)
networks = params().map(network_of) | st.just(network_of(NetworkParams()))
LINK = write_invite(make_invite(network_of(NetworkParams()), ME, (f"{PLACES[0]}/p2p/{ME}",)))


@settings(deadline=None)
@given(networks, addresses)
def test_read_invite__reads_what_was_written(network: Network, places: tuple[str, ...]) -> None:
    invite = make_invite(network, ME, places)

    link = write_invite(invite)

    assert read_invite(link) == read_invite(link.upper()) == invite
    assert len(link) <= CHARS_MAX
    assert link.removeprefix(SCHEME).isalnum(), "no shell and no messenger breaks it"
    assert (invite.network is None) == bool(network.params.members)


def test_make_invite__has_room_for_who_is_far_away_and_who_is_near() -> None:
    network = network_of(NetworkParams())
    bridges = [f"/ip4/172.{n}.0.1/tcp/7460/p2p/{ME}" for n in range(17, 22)]
    far, circuit = f"/ip4/203.0.113.5/tcp/7460/p2p/{ME}", f"{RELAY}/p2p/{ME}"

    assert make_invite(network, ME, (*bridges, circuit, far)).addresses == (
        far,
        circuit,
        *bridges[:2],
    )
    few = (*bridges[:3], far)
    assert make_invite(network, ME, few).addresses == few


@settings(deadline=None)
@given(networks, addresses, st.data())
def test_read_invite__refuses_every_mutation_or_reads_the_same(
    network: Network, places: tuple[str, ...], data: st.DataObject
) -> None:
    invite = make_invite(network, ME, places)
    link = write_invite(invite)
    at = data.draw(st.integers(0, len(link)))
    end = data.draw(st.integers(at, min(len(link), at + 3)))
    put = data.draw(st.text(st.sampled_from("abcdefgh234567AB=-/ é\n"), max_size=3))

    changed = link[:at] + put + link[end:]

    assert read_or_none(changed) in (None, invite)


@settings(deadline=None)
@given(st.text() | st.text(max_size=200).map(SCHEME.__add__))
@example("")
@example(SCHEME)
@example(LINK + "\n")
@example(LINK * 30)
@example("\udcff" + LINK)
def test_read_invite__never_raises_anything_else(text: str) -> None:
    assert read_or_none(text) is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_read_invite__refuses_what_has_a_right_sum_and_is_no_invite(raw: bytes) -> None:
    assert read_or_none(summed(raw)) is None


@settings(deadline=None)
@given(st.data())
def test_read_invite__takes_one_encoding_alone_whatever_its_sum(data: st.DataObject) -> None:
    raw = bytearray(unsummed(LINK))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    found = read_or_none(summed(bytes(raw)))

    assert found is None or write_invite(found) == summed(bytes(raw))
    assert found is None or found.network_id == read_invite(LINK).network_id


def read_or_none(text: str) -> Invite | None:
    try:
        return read_invite(text)
    except BadInvite as error:
        return None if "\n" not in str(error) and len(str(error)) < 400 else pytest.fail(str(error))


def summed(packed: bytes) -> str:
    return SCHEME + base64.b32encode(packed + _sum_of(packed)).decode().rstrip("=").lower()


def unsummed(link: str) -> bytes:
    coded = link.removeprefix(SCHEME).upper()
    return base64.b32decode(coded + "=" * (-len(coded) % 8))[:-4]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("http://example.org", "begins with aimarket://join/"),
        (SCHEME + "1", "a-z and 2-7"),
        (LINK[:-1], "mistyped"),
        (LINK[:-4] + "aaaa", "its sum is not"),
        ("aimarket://join/" + "a" * 3_000, "at most 2048"),
    ],
)
def test_read_invite__says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(BadInvite, match=r"^link ") as caught:
        read_invite(text)

    assert complaint in str(caught.value)


def test_read_invite__of_a_network_that_this_program_sees_otherwise_names_both() -> None:
    network = network_of(NetworkParams())
    other = Network(network.params, network_of(replace(network.params, seats_max=3)).network_id)
    link = write_invite(make_invite(other, ME, (f"{PLACES[0]}/p2p/{ME}",)))

    with pytest.raises(BadInvite) as caught:
        read_invite(link)

    assert other.network_id.hex() in str(caught.value)
    assert network.network_id.hex() in str(caught.value)


def test_write_invite__is_short_for_the_public_network() -> None:
    assert len(LINK) <= 160
    assert set(RANGES) == {name for name in NetworkParams.__slots__ if name in RANGES}
