"""Who is told to be here, however often a peer says that it comes and goes."""

from hypothesis import given
from hypothesis import strategies as st
from libp2p.peer.id import ID

from node.net.roster import ARRIVALS_MAX, Roster
from protocol.ids import PeerId

STRANGER = ID(b"a stranger")


class Door:
    """A connection and the topics followed on it, as a stranger likes."""

    def __init__(self) -> None:
        self.is_connected = self.follows = False
        self.told: list[bool] = []
        self.roster = Roster(
            watcher=self.watch,
            is_connected=lambda _: self.is_connected,
            follows_all=lambda _: self.is_connected and self.follows,
        )

    def watch(self, peer_id: PeerId, is_here: bool) -> None:
        self.told.append(is_here)

    def turn(self, *, is_connected: bool, follows: bool) -> None:
        self.is_connected, self.follows = is_connected, follows
        self.roster.update(STRANGER)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=100))
def test_roster__tells_of_few_arrivals_for_each_departure(steps: list[tuple[bool, bool]]) -> None:
    door = Door()

    for is_connected, follows in steps:
        door.turn(is_connected=is_connected, follows=follows)

    lives = "".join("+" if is_here else "-" for is_here in door.told).split("-")
    assert all(1 <= len(life) <= ARRIVALS_MAX for life in lives[:-1])
    assert len(lives[-1]) <= ARRIVALS_MAX


def test_roster__takes_a_peer_anew_once_it_left() -> None:
    door = Door()

    for _ in range(2):
        for _ in range(3 * ARRIVALS_MAX):
            door.turn(is_connected=True, follows=True)
            door.turn(is_connected=True, follows=False)
        door.turn(is_connected=False, follows=False)

    assert door.told == ([True] * ARRIVALS_MAX + [False]) * 2
