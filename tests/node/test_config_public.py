"""Where an operator may have the dashboard shown to everybody."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.bootstrap_main import bootstrap
from node.config import PORT_MAX, check_dashboard_public
from node.errors import StartError, UsageError
from node.rpc.public_server import serve_public
from tests.fakes_market import FakeMarket, services


@given(st.ip_addresses(), st.integers(0, PORT_MAX))
def test_check_dashboard_public__takes_every_ip_address_with_a_port(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)

    assert check_dashboard_public(f"{host}:{port}") == (str(address), port)


def test_check_dashboard_public__takes_nothing_for_nowhere() -> None:
    assert check_dashboard_public(None) is None


BAD = ["", ":8080", "8080", "192.0.2.1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:-1",
       "192.0.2.1:65536", "192.0.2.1:٣", "192.0.2.1: 80", "localhost:80", "a.example:80", "::1:80",
       "::", "[::1]", "[::1]:", "[192.0.2.1]:80", "[::1:80", "::1]:80", "[[::1]]:80",
       "[fe80::1%lo]:80", "256.0.0.1:80", "http://192.0.2.1:80", "192.0.2.1:80/",
       "192.0.2.1:000080", "\n192.0.2.1:80", "192.0.2.1:80\n", "x" * 10_000 + ":1"]  # fmt: skip


@pytest.mark.parametrize("place", BAD)
def test_check_dashboard_public__refuses_what_is_none_in_one_line(place: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_dashboard_public(place)

    assert re.match(r"--dashboard-public '.*': write it as IP:PORT, such as", str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_bootstrap__can_show_its_dashboard_as_well() -> None:
    assert "dashboard_public" in {option.name for option in bootstrap.params}


async def test_public__says_what_to_do_where_the_address_is_not_of_this_machine() -> None:
    with pytest.raises(StartError, match=r"; name an address of this machine$"):
        await serve_public(services(FakeMarket()), host="192.0.2.1", port=0)
