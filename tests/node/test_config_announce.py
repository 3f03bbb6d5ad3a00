"""Which addresses an operator may name for this node."""

import pytest

from node.config import check_announce
from node.errors import UsageError


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
