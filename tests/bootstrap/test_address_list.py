"""Following TXT records, which whoever owns the name may fill with anything."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.address_list import (
    ADDRESSES_MAX,
    DEPTH_MAX,
    LOOKUPS_MAX,
    PREFIX,
    NoAddressThere,
    follow_list,
)
from bootstrap.addresses import parse_address
from bootstrap.leads import AddressList
from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.peer_names import address, peer

NAMES = ("a.example", "b.example", "c.example")


class Zone:
    """A DNS server in a dictionary; a name that is not there fails."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self.records = records
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.records:
            raise MarketError(f"cannot look up {name}")
        return self.records[name]


def a_list(name: str, peer_id: PeerId | None = None) -> AddressList:
    return AddressList(f"/dnsaddr/{name}", name, peer_id)


async def test_follow_list__reads_addresses_and_those_behind_further_names() -> None:
    zone = Zone(
        {
            f"{PREFIX}a.example": ["v=spf1", f"dnsaddr={address(1)}", "dnsaddr=/dnsaddr/b.example"],
            f"{PREFIX}b.example": [f"dnsaddr={address(2)}", "dnsaddr=nonsense", "dnsaddr="],
        }
    )

    assert await follow_list(a_list("a.example"), zone) == (address(1), address(2))


async def test_follow_list__takes_only_the_peer_that_was_asked_for() -> None:
    zone = Zone(
        {
            f"{PREFIX}a.example": [
                f"dnsaddr={address(1)}",
                f"dnsaddr=/dnsaddr/b.example/p2p/{peer(1)}",
                "dnsaddr=/dnsaddr/c.example",
            ],
            f"{PREFIX}b.example": [f"dnsaddr={address(2, 9)}"],
            f"{PREFIX}c.example": [f"dnsaddr={address(2)}", f"dnsaddr={address(3)}"],
        }
    )

    assert await follow_list(a_list("a.example", peer(2)), zone) == (address(2),)
    assert f"{PREFIX}b.example" not in zone.asked


async def test_follow_list__ends_where_names_go_round_or_on_for_ever() -> None:
    class Endless(Zone):
        async def __call__(self, name: str) -> Sequence[str]:
            self.asked.append(name)
            branches = [f"dnsaddr=/dnsaddr/x{n}.{name.removeprefix(PREFIX)}" for n in range(9)]
            return [*branches, f"dnsaddr=/dnsaddr/{name.removeprefix(PREFIX)}"]

    zone = Endless({})

    with pytest.raises(NoAddressThere, match=r"/dnsaddr/a\.example"):
        await follow_list(a_list("a.example"), zone)

    assert len(zone.asked) == len(set(zone.asked)) <= LOOKUPS_MAX
    assert max(name.count("x") - 1 for name in zone.asked) < DEPTH_MAX


async def test_follow_list__goes_on_where_a_further_name_fails_but_not_without_the_first() -> None:
    records = ["dnsaddr=/dnsaddr/gone.example", f"dnsaddr={address(1)}"]

    found = await follow_list(a_list("a.example"), Zone({f"{PREFIX}a.example": records}))

    assert found == (address(1),)
    with pytest.raises(MarketError, match="cannot look up"):
        await follow_list(a_list("a.example"), Zone({}))


RECORDS = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.integers(1, 40).map(lambda n: f"dnsaddr={address(n)}"),
        st.sampled_from(NAMES).map(lambda name: f"dnsaddr=/dnsaddr/{name}"),
        st.text(max_size=20).map(lambda text: f"dnsaddr={text}"),
    ),
    max_size=80,
)


@given(st.fixed_dictionaries({f"{PREFIX}{name}": RECORDS for name in NAMES}))
async def test_follow_list__stays_within_its_bounds_whatever_is_written_there(
    records: dict[str, list[str]],
) -> None:
    zone = Zone(records)

    try:
        found: tuple[str, ...] = await follow_list(a_list("a.example"), zone)
    except NoAddressThere:
        found = ()

    assert len(found) == len(set(found)) <= ADDRESSES_MAX
    assert all(parse_address(text).text == text for text in found)
    assert len(zone.asked) <= len(NAMES)
