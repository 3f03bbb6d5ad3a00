"""The file of a private network: what is written is read, and nothing else is."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import UsageError
from node.names import peer_id_of
from node.network_file import NetworkFile, read_member, read_network, write_network
from node.network_limits import RANGES, check_params
from protocol.errors import Malformed
from protocol.params import NetworkParams, network_of
from tests.builders import key

PATH = Path("club.toml")
ADDRESS = f"/ip4/192.0.2.7/tcp/7460/p2p/{peer_id_of(key('an'))}"
CLUB = NetworkParams(genesis=b"\x07" * 16, name="club", members=tuple(sorted(map(key, "ab"))))
TEXT = write_network(NetworkFile(network_of(CLUB), (ADDRESS,)))

printable = st.text(min_size=1, max_size=16).filter(lambda text: text.isprintable())
members = st.lists(st.sampled_from(list(map(key, "abcdefgh"))), max_size=8, unique=True)


@st.composite
def params(draw: st.DrawFn) -> NetworkParams:
    numbers = {name: draw(st.integers(least, most)) for name, (least, most) in RANGES.items()}
    numbers["seats_max"] |= 1
    numbers["input_bytes_max"] = min(numbers["input_bytes_max"], numbers["record_bytes_max"] - 1024)
    return NetworkParams(
        genesis=draw(st.binary(min_size=16, max_size=16)),
        name=draw(printable),
        members=tuple(sorted(draw(members))),
        **numbers,
    )


@settings(deadline=None)
@given(params(), st.sampled_from([(), (ADDRESS,)]))
def test_read_network__reads_what_was_written(one: NetworkParams, bootstrap: Any) -> None:
    file = NetworkFile(network_of(one), bootstrap)

    assert read_network(write_network(file).encode(), PATH) == file


@settings(deadline=None)
@given(
    st.binary(max_size=64) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_read_network__refuses_whatever_else_it_is_given_in_one_line(raw: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        read_network(raw, PATH)

    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.data())
def test_read_network__takes_a_changed_file_for_no_other_network(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(at, min(len(TEXT), at + 4)))
    changed = TEXT[:at] + data.draw(st.text(max_size=3)) + TEXT[end:]

    try:
        read = read_network(changed.encode("utf-8", "replace"), PATH)
    except UsageError:
        pass
    else:
        same_id = 'id = "' + network_of(CLUB).network_id.hex() in changed
        assert read.network == network_of(CLUB) or not same_id


def document() -> dict[str, Any]:
    return tomllib.loads(TEXT)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("members = [", "memebrs = [", "did you mean members?"),
        ("seats_max = 31", "seat_max = 31", "did you mean seats_max?"),
        ("record_work_bits = 0", "record_work_bits = 21", "from 0 to 20"),
        ("record_work_bits = 0", "record_work_bits = true", "from 0 to 20"),
        ("record_work_bits = 0", "record_work_bits = 3", "makes "),
        ("seats_max = 31", "seats_max = 30", "need an odd number"),
        ("input_bytes_max = 16384", "input_bytes_max = 32768", "need 31744 or less"),
        ('format = "aimarket/network/1"', 'format = "2"', "need 'aimarket/network/1'"),
        ('genesis = "07', 'genesis = "0707', "need 32 hex digits"),
        ('genesis = "', '# "', "genesis is missing"),
        ('name = "club"', 'name = ""', "1 to 64 bytes"),
        ('name = "club"', 'name = "a\\u0007"', "text that can be printed"),
        ('name = "club"', "name = 3", "need a text"),
        ("/tcp/7460", "/udp/7460", "bad address"),
        ("members = [", 'members = ["nobody",', "need a peer id"),
        ("members = [", f'members = ["{key("a").hex()}",', "need each once"),
        ("[limits]", "[limit]", "did you mean limits?"),
    ],
)
def test_read_network__names_what_is_wrong(old: str, new: str, complaint: str) -> None:
    assert TEXT.count(old) == 1

    with pytest.raises(UsageError, match=r"^club\.toml") as caught:
        read_network(TEXT.replace(old, new).encode(), PATH)

    assert complaint in str(caught.value)


def test_read_network__names_the_line() -> None:
    line = TEXT.splitlines().index("seats_max = 31") + 1

    with pytest.raises(
        UsageError, match=f"^club.toml:{line}: limits.seats_max = 'x': need a whole"
    ):
        read_network(TEXT.replace("seats_max = 31", "seats_max = 'x'").encode(), PATH)


def test_read_network__needs_no_id_and_no_limits() -> None:
    short = 'format = "aimarket/network/1"\nname = "club"\ngenesis = "' + "07" * 16 + '"\n'

    read = read_network(short.encode(), PATH)

    assert read.network == network_of(NetworkParams(genesis=b"\x07" * 16, name="club"))


@settings(deadline=None)
@given(st.sampled_from(sorted(RANGES)), st.integers(-5, 2**20))
def test_check_params__refuses_exactly_what_is_out_of_range(name: str, value: int) -> None:
    least, most = RANGES[name]
    numbers: dict[str, Any] = {"record_bytes_max": 59_392, "input_bytes_max": 1, name: value}
    changed = replace(CLUB, **numbers)
    is_even_jury = name == "seats_max" and value % 2 == 0
    is_too_large = name == "input_bytes_max" and value > 59_392 - 1024

    if least <= value <= most and not is_even_jury and not is_too_large:
        assert check_params(changed) is changed
    else:
        with pytest.raises(Malformed, match=f"^{name} = {value}"):
            check_params(changed)


@settings(deadline=None)
@given(st.text(max_size=70) | st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_read_member__never_raises_and_gives_keys_alone(text: str) -> None:
    found = read_member(text)

    assert found is None or len(found) == 32


def test_read_member__takes_both_ways_to_write_a_key() -> None:
    assert read_member(peer_id_of(key("an"))) == key("an")
    assert read_member(key("an").hex()) == key("an")
    assert read_member("00" * 32) is None, "no point of prime order"
