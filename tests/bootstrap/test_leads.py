"""What may stand after --bootstrap, and what people are told when it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.addresses import TEXT_BYTES_MAX, BadAddress, PeerAddress, parse_address
from bootstrap.leads import AddressList, OpenPlace, parse_lead
from tests.bootstrap.peer_names import address, peer
from tests.bootstrap.test_addresses import IPS_IN_DISGUISE


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.7:7460", "/ip4/192.0.2.7/tcp/7460"),
        ("[2001:db8::1]:7460", "/ip6/2001:db8::1/tcp/7460"),
        ("bob.example:7460", "/dns/bob.example/tcp/7460"),
        ("localhost:07460", "/dns/localhost/tcp/7460"),
        ("/ip4/192.0.2.7/tcp/7460", "/ip4/192.0.2.7/tcp/7460"),
        ("/ip6/2001:db8:0::1/tcp/7460", "/ip6/2001:db8::1/tcp/7460"),
        ("/dns4/bob.example/tcp/7460", "/dns4/bob.example/tcp/7460"),
        ("/dns6/bob.example/tcp/7460", "/dns6/bob.example/tcp/7460"),
    ],
)
def test_parse_lead__reads_places_without_a_peer_id(text: str, canonical: str) -> None:
    lead = parse_lead(text)

    assert isinstance(lead, OpenPlace)
    assert (lead.text, lead.port) == (canonical, 7460)
    assert parse_address(lead.address_of(peer(1))).peer_id == peer(1)


def test_parse_lead__reads_full_addresses_and_lists_of_addresses() -> None:
    assert parse_lead(address(1)) == parse_address(address(1))
    assert parse_lead("/dnsaddr/Boot.Example.") == AddressList(
        "/dnsaddr/boot.example", "boot.example", None
    )
    assert parse_lead(f"/dnsaddr/boot.example/p2p/{peer(3)}") == AddressList(
        f"/dnsaddr/boot.example/p2p/{peer(3)}", "boot.example", peer(3)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write it as HOST:PORT"),
        ("bob", "write it as HOST:PORT"),
        ("bob.example:", "write it as HOST:PORT"),
        (":7460", "write it as HOST:PORT"),
        ("2001:db8::1:7460", "write it as HOST:PORT"),
        ("http://bob.example:7460", "write it as HOST:PORT"),
        ("bob.example:0", "port 0 is not within 1 to 65535"),
        ("bob.example:65536", "not a multiaddr"),
        ("192.0.2.300:7460", "not a multiaddr"),
        ("0.0.0.0:7460", "means any address"),
        ("[::]:7460", "means any address"),
        ("bob..example:7460", "is no name"),
        ("böb.example:7460", "is no name"),
        ("-bob:7460", "is no name"),
        ("b b:7460", "write it as HOST:PORT"),
        ("ex_ample.org:7460", "no '_' may be in the name of a host: name it otherwise, or write"),
        ("/dns4/_bob/tcp/7460", "no '_' may be in the name of a host"),
        ("/ip4/192.0.2.7", "write it as HOST:PORT"),
        ("/ip4/192.0.2.7/udp/7460", "write it as HOST:PORT"),
        ("/dnsaddr/", "is no name"),
        ("/dnsaddr/a b", "is no name"),
        ("/dnsaddr/boot.example/tcp/7460", "write it as /dnsaddr/NAME"),
        ("/dnsaddr/boot.example/p2p/12D3KooW", "no Ed25519 peer id"),
        (f"{'a' * 300}:7460", "longer than 256 bytes"),
    ],
)
def test_parse_lead__says_what_is_wrong_and_names_the_value(text: str, said: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_lead(text)

    assert said in str(caught.value)
    assert repr(text)[:50] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parse_lead__leaves_room_for_the_peer_id_of_who_will_answer() -> None:
    host = ".".join(["a" * 60] * 3) + ".example"
    most = TEXT_BYTES_MAX - len(f"/dns//tcp/7460/p2p/{peer(1)}")
    longest = ("b" * (most - len(host)) + host)[:most]

    lead = parse_lead(f"{longest}:7460")

    assert isinstance(lead, OpenPlace)
    assert len(parse_address(lead.address_of(peer(1))).text) == TEXT_BYTES_MAX
    for too_long in (f"a{longest}:7460", f"/dns4/{longest}/tcp/7460"):
        with pytest.raises(BadAddress, match="with a peer id it is longer than 256 bytes"):
            parse_lead(too_long)


@pytest.mark.parametrize("host", IPS_IN_DISGUISE)
def test_parse_lead__takes_an_ip_address_in_one_spelling_alone(host: str) -> None:
    forms = [f"/dns4/{host}/tcp/7460", f"/dns/{host}/tcp/7460", f"/dnsaddr/{host}", f"{host}:7460"]
    for text in forms if host != "1.2.3.4" else forms[:-1]:
        with pytest.raises(BadAddress):
            parse_lead(text)


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="/ip46tcdnsaddr0123456789.:[]pDK3-_", max_size=60),
        st.from_regex(r"/dnsaddr/[a-z.]{1,9}(/p2p/[1-9A-Z]{3,50})?", fullmatch=True),
        st.from_regex(r"[a-z0-9.-]{1,12}:[0-9]{1,5}", fullmatch=True),
    )
)
def test_parse_lead__raises_nothing_but_bad_address_and_reads_what_it_says(text: str) -> None:
    try:
        lead = parse_lead(text)
    except BadAddress:
        return
    assert parse_lead(lead.text) == lead
    assert isinstance(lead, PeerAddress | OpenPlace | AddressList)
