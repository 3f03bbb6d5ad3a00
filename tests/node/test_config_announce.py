"""Which addresses an operator may name for this node."""

import re

import pytest

from bootstrap.addresses import TEXT_BYTES_MAX, parse_address
from node.config import check_announce, check_listen
from node.errors import UsageError
from tests.bootstrap.peer_names import peer


@pytest.mark.parametrize(
    "address",
    ["/ip4/203.0.113.5/tcp/7460", "/ip6/2001:db8::1/tcp/1", "/dns4/a.example/tcp/65535"],
)
def test_check_announce__takes_what_others_can_dial(address: str) -> None:
    assert check_announce((address,)) == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "/ip4/0.0.0.0/tcp/7460",
        "/ip6/::/tcp/7460",
        "/ip4/203.0.113.5/tcp/0",
        "/ip4/203.0.113.5/udp/7460",
        "/ip4/203.0.113.5/tcp/7460/p2p/12D3KooWRdFFg3yTbTsDq5Z1yCvCWbqznEFro9jeVivo7rkayJ4D",
        "/dns4/203.0.113.5/tcp/7460",
        "/dns4/0x7f000001/tcp/7460",
        "203.0.113.5:7460",
        "",
    ],
)
def test_check_announce__refuses_what_nobody_can_dial(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_announce(("/ip4/203.0.113.5/tcp/7460", address))

    assert f"--announce {address!r}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_announce__leaves_room_for_our_peer_id() -> None:
    labels = ".".join(["a" * 60] * 3)
    longest = TEXT_BYTES_MAX - len(f"/dns4/.{labels}/tcp/7460/p2p/{peer(1)}")
    fits = f"/dns4/{'b' * longest}.{labels}/tcp/7460"
    too_long = fits.replace("/dns4/", "/dns4/b")

    assert check_announce((fits,)) == (fits,)
    assert len(parse_address(f"{fits}/p2p/{peer(1)}").text) == TEXT_BYTES_MAX
    said = f"--announce {too_long!r}: 257 bytes with its /p2p/PEER_ID, at most 256"
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        check_announce((too_long,))


def test_check_announce__says_that_a_name_has_no_underscore() -> None:
    with pytest.raises(
        UsageError, match=r"^--announce '/dns4/a_b/tcp/1': no '_' may be in the name"
    ):
        check_announce(("/dns4/a_b/tcp/1",))


@pytest.mark.parametrize("again", ["/ip6/::1/tcp/7460", "/ip6/0:0:0:0:0:0:0:1/tcp/7460"])
def test_check_listen__says_that_an_address_is_named_twice(again: str) -> None:
    named = ("/ip6/::1/tcp/7460", "/ip6/::1/tcp/7461")

    assert check_listen(named) == named
    with pytest.raises(UsageError, match=f"^--listen '{again}': is named twice"):
        check_listen((*named, again))
