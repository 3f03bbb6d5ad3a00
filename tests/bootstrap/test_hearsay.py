"""What may be dialled from here is taken in of all that a peer says, whatever stands before it."""

from hypothesis import given
from hypothesis import strategies as st

from bootstrap.hearsay import take_in
from bootstrap.neighbours import Neighbours
from bootstrap.peer_book import ADDRESSES_PER_PEER_MAX, PeerBook
from protocol.params import ADDRESSES_MAX
from tests.bootstrap.join_scene import FakeDialer, Link
from tests.bootstrap.peer_names import address, peer

BRIDGES = [f"/ip4/172.{n}.0.1/tcp/7460/p2p/{peer(1)}" for n in range(17, 32)]
PUBLIC = f"/ip4/203.0.113.5/tcp/7460/p2p/{peer(1)}"
NONSENSE = ["", "nonsense", f"/ip4/203.0.113.5/udp/1/p2p/{peer(1)}", f"/p2p/{peer(1)}", address(2)]


def taken_in(said: list[str], *, neighbour: str, is_local: bool = False) -> set[str]:
    dialer = FakeDialer()
    dialer.links[peer(2)] = Link(peer(2), neighbour)
    book = PeerBook(secret=bytes(16))
    is_news = take_in(
        book,
        peer(1),
        said,
        teller=peer(2),
        is_local=is_local,
        neighbours=Neighbours(dialer, lambda: 0),
        now_ms=1,
    )
    found = {place.address for place in book.places()}
    assert is_news == bool(found)
    return found


@given(
    st.lists(st.sampled_from([*BRIDGES, *NONSENSE]), max_size=ADDRESSES_MAX - 1),
    st.integers(0, ADDRESSES_MAX - 1),
)
def test_take_in__finds_what_is_within_reach_wherever_it_stands(others: list[str], at: int) -> None:
    said = [*others[:at], PUBLIC, *others[at:]]

    assert taken_in(said, neighbour="/ip4/198.51.100.1/tcp/1") == {PUBLIC}


@given(st.permutations([*BRIDGES, PUBLIC]))
def test_take_in__leaves_room_for_each_kind_of_address(said: list[str]) -> None:
    near = taken_in(said, neighbour="/ip4/192.168.1.9/tcp/1")

    assert PUBLIC in near
    assert len(near) == ADDRESSES_PER_PEER_MAX
    assert PUBLIC in taken_in(said, neighbour="/ip4/198.51.100.1/tcp/1", is_local=True)


def test_take_in__looks_at_no_more_than_a_presence_may_hold() -> None:
    assert taken_in([*BRIDGES, BRIDGES[0], PUBLIC], neighbour="/ip4/198.51.100.1/tcp/1") == set()
