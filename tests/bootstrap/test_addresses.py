"""What is an address one can dial, and what people are told when it is not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.addresses import BadAddress, parse_address

PEER = "12D3KooWRdFFg3yTbTsDq5Z1yCvCWbqznEFro9jeVivo7rkayJ4D"
RELAY = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWGSrXQQXYp31AUbZ64eJMb3hGywN4dmzpaZW3rWW22EfF"
IPS_IN_DISGUISE = [
    "0x01020304",
    "0X1020304",
    "0x001020304",
    "16909060",
    "0100401404",
    "1.2.3.4",
    "1.2.3.4.",
    "1.2.772",
    "01.02.03.04",
    "a.0x7f",
    "a.0x",
    "09",
]
RSA_PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
OTHER_CODEC = "bafyaajaiaejcae4y6ywg2gsfpri3u2sll4632l3j7sutefrbrxejs7sbnpix3e6k"  # dag-pb


@pytest.mark.parametrize(
    "start",
    ["/ip4/192.0.2.7", "/ip6/2001:db8::1", "/dns4/a.example", "/dns/node-1", "/dns6/1.0xg."],
)
def test_parse_address__reads_what_a_node_prints(start: str) -> None:
    text = f"{start}/tcp/4001/p2p/{PEER}"

    parsed = parse_address(text)

    assert (parsed.text, parsed.peer_id, parsed.port) == (text, PEER, 4001)
    assert parsed.host == start.split("/")[2]


def test_parse_address__reads_who_is_behind_a_relay() -> None:
    text = f"{RELAY}/p2p-circuit/p2p/{PEER}"

    parsed = parse_address(text)

    assert (parsed.text, parsed.peer_id, parsed.relay) == (text, PEER, RELAY)
    assert (parsed.host, parsed.port) == ("192.0.2.7", 4001)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.7:4001", "/ip4/192.0.2.7/tcp/4001/p2p/PEER_ID; add /p2p/PEER_ID: the other node"),
        ("a.example:4001", "/dns4/a.example/tcp/4001/p2p/PEER_ID"),
        ("[2001:db8::1]:4001", "/ip6/2001:db8::1/tcp/4001/p2p/PEER_ID"),
        ("nonsense", "write it as /ip4/HOST/tcp/PORT/p2p/PEER_ID"),
        ("", "write it as"),
        ("/ip4/192.0.2.7/tcp/4001", "add /p2p/PEER_ID: the other node prints its full address"),
        (f"/ip4/192.0.2.7/udp/4001/p2p/{PEER}", "write it as"),
        (f"/ip4/192.0.2.7/tcp/4001/ws/p2p/{PEER}", "write it as"),
        (f"/p2p/{PEER}", "write it as"),
        (f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}", "0.0.0.0 means any address"),
        (f"/ip6/::/tcp/4001/p2p/{PEER}", "any address"),
        (f"/ip4/192.0.2.7/tcp/0/p2p/{PEER}", "port 0 is not within 1 to 65535"),
        (f"/ip4/192.0.2.7/tcp/65536/p2p/{PEER}", "not a multiaddr"),
        (f"/ip4/192.0.2.300/tcp/4001/p2p/{PEER}", "not a multiaddr"),
        ("/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW", "not a multiaddr"),
        (f"/ip4/192.0.2.7/tcp/4001/p2p/{RSA_PEER}", "names no Ed25519 key"),
        (f"/ip4/192.0.2.7/tcp/4001/p2p-circuit/p2p/{PEER}", "add /p2p/PEER_ID"),
        (f"{RELAY}/p2p-circuit", "after /p2p-circuit comes /p2p/PEER_ID alone"),
        (f"{RELAY}/p2p-circuit/p2p/{RSA_PEER}", "names no Ed25519 key"),
        (f"{RELAY}/p2p-circuit/p2p/{OTHER_CODEC}", "not a multiaddr"),
        (f"/ip4/192.0.2.7/tcp/4001/p2p/{OTHER_CODEC}", "not a multiaddr"),
        (f"{RELAY}/p2p-circuit/ip4/10.0.0.1/tcp/1/p2p/{PEER}", "PEER_ID alone"),
        (f"{RELAY}/p2p-circuit/p2p/{PEER}/p2p-circuit/p2p/{PEER}", "PEER_ID alone"),
        (f"{RELAY}/p2p-circuit{RELAY[RELAY.index('/p2p/') :]}", "the relay is the peer itself"),
        (f"/dns4/{'a' * 300}/tcp/4001/p2p/{PEER}", "longer than 256 bytes"),
        (f"/dns4/bücher.example/tcp/4001/p2p/{PEER}", "is no name"),
        (f"/dns/１.2.3.4/tcp/4001/p2p/{PEER}", "is no name"),
        (f"/dns4/a+b/tcp/4001/p2p/{PEER}", "not a multiaddr"),
        (f"/dns6/boot_1.example/tcp/4001/p2p/{PEER}", "no '_' may be in the name of a host"),
        *((f"/dns4/{host}/tcp/4001/p2p/{PEER}", "ends in a number") for host in IPS_IN_DISGUISE),
    ],
)
def test_parse_address__says_what_is_wrong_and_names_the_value(text: str, said: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_address(text)

    assert said in str(caught.value)
    assert repr(text)[:50] in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.one_of(st.text(), st.text(alphabet="/ip46tcdns0123456789.:pDK3", max_size=80)))
def test_parse_address__raises_nothing_but_bad_address(text: str) -> None:
    try:
        parsed = parse_address(text)
    except BadAddress:
        return
    assert parse_address(parsed.text) == parsed


@given(st.binary(max_size=40))
def test_parse_address__takes_no_peer_id_made_of_noise(noise: bytes) -> None:
    with pytest.raises(BadAddress):
        parse_address(f"/ip4/192.0.2.7/tcp/1/p2p/{base64.b32encode(noise).decode()}")
