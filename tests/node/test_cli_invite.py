"""`aimarket invite`, and joining by what it prints."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from node.commands_invite import QR_BORDER, chosen_addresses, network_of_view, qr_code
from node.errors import StartError, UsageError
from node.invite import make_invite, read_invite, write_invite
from node.names import peer_id_of
from node.network_choice import (
    REMEMBERED_NAME,
    NetworkChoice,
    choose_network,
    follow_links,
    remember_network,
)
from node.network_file import NetworkFile, write_network
from node.show import network_view
from node.views import NetworkView, StatusView
from protocol.params import Network, NetworkParams, network_of
from tests.builders import key
from tests.fakes_market import FakeMarket
from tests.node.cli_bench import served
from tests.node.test_network_file import params

ME = peer_id_of(key("me"))
ADDRESS = f"/ip4/192.0.2.7/tcp/7460/p2p/{ME}"
LOCAL = f"/ip4/127.0.0.1/tcp/7460/p2p/{ME}"
PUBLIC = network_of(NetworkParams())
OPEN = network_of(NetworkParams(genesis=b"\x05" * 16, name="garden", record_work_bits=3))
CLUB = network_of(NetworkParams(genesis=b"\x06" * 16, name="club", members=(key("me"),)))


class Inviting(FakeMarket):
    """Knows where it is, and which network it is of."""

    def __init__(
        self, network: Network = OPEN, addresses: Sequence[str] = (LOCAL, ADDRESS)
    ) -> None:
        super().__init__()
        self.of, self.addresses = network, tuple(addresses)

    def status(self) -> StatusView:
        return replace(super().status(), peer_id=ME, addresses=self.addresses)

    def network(self) -> NetworkView:
        return network_view(self.of)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


async def test_invite__prints_a_link_alone_where_there_is_no_terminal(home: Path) -> None:
    async with served(Inviting(), home) as run:
        plain = await run("invite")
        document = json.loads((await run("invite", "--json")).out)

    made = read_invite(plain.out.strip())
    assert (plain.code, plain.err) == (0, "")
    assert made == make_invite(OPEN, ME, (ADDRESS,)), "not where only this machine is reached"
    assert document["link"] == plain.out.strip()
    assert (document["network_id"], document["needs_file"]) == (OPEN.network_id.hex(), False)


async def test_invite__says_what_else_is_needed(home: Path) -> None:
    async with served(Inviting(CLUB, [LOCAL]), home) as run:
        ended = await run("invite")
        document = json.loads((await run("invite", "--json")).out)

    assert read_invite(ended.out.strip()).network is None
    assert "give its file, too" in ended.err
    assert "only this machine" in ended.err
    assert document["needs_file"]


async def test_invite__takes_addresses_of_this_node_alone(home: Path) -> None:
    other = ADDRESS.replace(ME, peer_id_of(key("other")))
    async with served(Inviting(), home) as run:
        named = await run("invite", "--address", "/dns4/example.org/tcp/7460")
        wrong = await run("invite", "--address", other)
        bad = await run("invite", "--address", "nowhere")

    assert read_invite(named.out.strip()).addresses == (f"/dns4/example.org/tcp/7460/p2p/{ME}",)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "is of another node" in wrong.err
    assert (bad.code, bad.err.count("\n")) == (2, 1)


def test_chosen_addresses__refuse_more_than_a_link_holds() -> None:
    named = tuple(f"/ip4/192.0.2.{number}/tcp/7460" for number in range(5))
    status = {"peer_id": ME, "addresses": []}

    assert len(chosen_addresses((*named[:4], named[0]), status)) == 4
    with pytest.raises(UsageError, match="--address: 5 of them, at most 4"):
        chosen_addresses(named, status)


def test_chosen_addresses__need_a_node_that_listens() -> None:
    with pytest.raises(StartError, match="listens nowhere"):
        chosen_addresses((), {"peer_id": ME, "addresses": []})


@settings(deadline=None)
@given(params())
def test_network_of_view__is_the_network_that_is_shown(one: NetworkParams) -> None:
    from dataclasses import asdict

    network = network_of(one)

    assert network_of_view(asdict(network_view(network))) == network


def test_qr_code__holds_the_link_as_what_it_encodes_best() -> None:
    import segno

    link = write_invite(make_invite(OPEN, ME, (ADDRESS,)))

    drawn = qr_code(link).splitlines()

    code = segno.make(link.upper(), error="l", micro=False)
    side = int(code.symbol_size(border=QR_BORDER)[0])
    assert code.mode == "alphanumeric"
    assert {len(line) for line in drawn} == {side}
    assert len(drawn) == (side + 1) // 2
    # Both halves of a character, read back: full blocks are two light modules.
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows = [[halves[char][half] for char in line] for line in drawn for half in (0, 1)]
    assert [list(row) for row in code.matrix_iter(border=QR_BORDER)] == rows[:side]


def test_qr_code__is_left_out_where_it_would_be_too_wide_or_cannot_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ascii:
        encoding = "ascii"

    assert qr_code("a" * 2_000) == ""
    monkeypatch.setattr("sys.stdout", Ascii())
    assert qr_code("aaaa") == ""


def choose(directory: Path, link: str | None = None, **said: object) -> NetworkChoice:
    named = {"file": None, "genesis": None, "name": None, **said}
    return choose_network(directory, link=link, **named)  # type: ignore[arg-type]


def a_file(folder: Path, network: Network, *bootstrap: str) -> Path:
    path = folder / f"{network.params.name}.toml"
    path.write_text(write_network(NetworkFile(network, bootstrap)))
    return path


def a_link(network: Network) -> str:
    return write_invite(make_invite(network, ME, (ADDRESS,)))


def test_choose_network__joins_by_a_link_alone_where_a_link_can_say_it_all(tmp_path: Path) -> None:
    for network in (PUBLIC, OPEN):
        assert choose(tmp_path, a_link(network)) == NetworkChoice(network, (ADDRESS,))


def test_choose_network__needs_the_file_of_a_network_that_lists_members(tmp_path: Path) -> None:
    other = ADDRESS.replace("192.0.2.7", "192.0.2.8")
    file = a_file(tmp_path, CLUB, other, ADDRESS)

    with pytest.raises(UsageError, match="lists its 1 members, which no link holds; name its file"):
        choose(tmp_path, a_link(CLUB))
    assert choose(tmp_path, a_link(CLUB), file=file) == NetworkChoice(CLUB, (ADDRESS, other))


@pytest.mark.parametrize("network", [OPEN, CLUB])
def test_choose_network__refuses_a_link_for_another_network_and_names_both(
    network: Network, tmp_path: Path
) -> None:
    file = a_file(tmp_path, CLUB if network is OPEN else OPEN)

    for said in ({"file": file}, {"genesis": "07" * 16}):
        with pytest.raises(UsageError, match=r"^--join: the link is for network ") as caught:
            choose(tmp_path, a_link(network), **said)
        ours = choose(tmp_path, **said).network.network_id.hex()
        assert network.network_id.hex() in str(caught.value)
        assert ours in str(caught.value)


def test_choose_network__remembers_what_a_node_was_begun_with(tmp_path: Path) -> None:
    assert choose(tmp_path) == NetworkChoice(PUBLIC)
    for network in (PUBLIC, CLUB):
        remember_network(tmp_path, network)
        assert choose(tmp_path) == NetworkChoice(network)
    assert choose(tmp_path, a_link(CLUB)).network == CLUB, "its members are known by now"
    assert choose(tmp_path, genesis="07" * 16).network not in (CLUB, PUBLIC)
    (tmp_path / REMEMBERED_NAME).write_text("junk")
    with pytest.raises(UsageError, match=REMEMBERED_NAME):
        choose(tmp_path)


def test_follow_links__puts_addresses_in_their_place(tmp_path: Path) -> None:
    assert follow_links(("one", a_link(OPEN), "two"), OPEN) == ("one", ADDRESS, "two")
    both = f"{PUBLIC.network_id.hex()}.*{OPEN.network_id.hex()}"
    with pytest.raises(UsageError, match=f"^--bootstrap: .*{both}"):
        follow_links((a_link(PUBLIC),), OPEN)
    with pytest.raises(UsageError, match=r"^--bootstrap: link .* mistyped"):
        follow_links((a_link(PUBLIC)[:-1],), PUBLIC)
