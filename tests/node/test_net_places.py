"""How places at the door are shared, whoever comes in whatever order."""

from collections import Counter

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.net.doorkeeper import who_is_at
from node.net.places import Client, Places

PER_CLIENT, TOTAL = 5, 12
CLIENTS = [Client(part, f"{part}.{number}") for part in "abc" for number in range(3)]
Held = list[tuple[Client, trio.CancelScope]]


def places(*, is_oldest_first: bool = False) -> Places:
    return Places(per_client_max=PER_CLIENT, total_max=TOTAL, is_oldest_first=is_oldest_first)


def come(shared: Places, clients: list[Client]) -> Held:
    """Let clients come in, and return who was let in, and in which scope."""
    came = [(client, shared.enter(client)) for client in clients]
    return [(client, scope) for client, scope in came if scope is not None]


def staying(held: Held) -> Counter[Client]:
    return Counter(client for client, scope in held if not scope.cancel_called)


@given(coming=st.lists(st.sampled_from(CLIENTS), max_size=80), leaving=st.data())
async def test_places__are_bounded_and_none_is_lost(
    coming: list[Client], leaving: st.DataObject
) -> None:
    shared = places()
    held: Held = []
    for client in coming:
        was = staying(held).total()
        held += come(shared, [client])
        now = staying(held)
        assert was <= now.total() <= TOTAL  # somebody gives way only to a newcomer
        assert len(shared) == now.total()
        assert all(count <= PER_CLIENT for count in now.values())
        if held and leaving.draw(st.integers(0, 3)) == 0:
            shared.leave(*held.pop(leaving.draw(st.integers(0, len(held) - 1))))
    for one in held:
        shared.leave(*one)
    assert len(shared) == 0 == len(shared._held)


@given(
    first=st.lists(st.sampled_from(CLIENTS), max_size=40),
    crowd=st.sets(st.sampled_from(CLIENTS), min_size=1),
)
async def test_places__are_shared_alike_by_whoever_comes_again_and_again(
    first: list[Client], crowd: set[Client]
) -> None:
    """Among parts of the internet first, and then within each."""
    shared = places()
    held = come(shared, [*first, *sorted(crowd) * 2 * TOTAL])
    now = staying(held)
    parts: Counter[str] = Counter()
    for client, count in now.items():
        parts[client.part] += count
    for client in crowd:
        if now[client] < PER_CLIENT:
            assert now.total() == TOTAL
            assert parts[client.part] >= max(parts.values()) - 1
            assert now[client] >= max(now[c] for c in CLIENTS if c.part == client.part) - 1


async def test_places__taken_by_a_few_leave_one_for_somebody_else() -> None:
    for crowd in (CLIENTS[:3], CLIENTS[:8], CLIENTS[:2]):
        shared = places()
        held = come(shared, crowd * TOTAL)
        stranger = Client("elsewhere", "elsewhere.1")
        assert shared.enter(stranger) is not None, crowd
        assert max(staying(held).values()) < PER_CLIENT or staying(held).total() < TOTAL


async def test_places__of_a_handshake_the_oldest_leaves_and_of_a_peer_the_newest() -> None:
    for is_oldest_first, leaving in ((True, 0), (False, -1)):
        shared = places(is_oldest_first=is_oldest_first)
        held = come(shared, [*CLIENTS[:1] * 5, *CLIENTS[1:2] * 4, *CLIENTS[2:3] * 3])
        assert shared.enter(CLIENTS[3]) is not None
        gone = [one for one in held if one[1].cancel_called]
        assert gone == [held[:5][leaving]]


@given(
    st.lists(st.sampled_from(CLIENTS), min_size=TOTAL, max_size=60),
    st.booleans(),
)
async def test_places__of_whoever_holds_most_the_first_or_last_leaves(
    coming: list[Client], is_oldest_first: bool
) -> None:
    """Also where many hold equally much: one each in a part, or as much in many parts."""
    shared = places(is_oldest_first=is_oldest_first)
    held = come(shared, coming)
    here = [one for one in held if not one[1].cancel_called]
    stranger = Client("elsewhere", "elsewhere.1")
    if shared.enter(stranger) is None or len(here) < TOTAL:
        return

    ((gone, _),) = leaving = [one for one in here if one[1].cancel_called]
    parts = Counter(client.part for client, _ in here)
    by_client = Counter(client for client, _ in here)
    assert parts[gone.part] == max(parts.values())

    def is_largest(client: Client) -> bool:
        within = [by_client[one] for one in CLIENTS if one.part == client.part]
        return parts[client.part] == max(parts.values()) and by_client[client] == max(within)

    might = [one for one in here if is_largest(one[0])]
    assert leaving == [might[0 if is_oldest_first else -1]]


async def test_places__of_those_who_have_been_here_long_are_kept() -> None:
    """Forty of a part with one each, and then as many others of it as there are places."""
    shared = Places(per_client_max=64, total_max=96, is_oldest_first=False)
    honest = come(shared, [Client("a", f"a.{number}") for number in range(40)])
    crowd = [Client("a", f"a.{number}") for number in range(40, 200)]
    for turn in range(200):
        come(shared, crowd)
        for one in come(shared, [Client("b", f"b.{turn}")]):
            shared.leave(*one)
    assert staying(honest).total() == 40


@pytest.mark.parametrize(
    ("one", "other", "is_same_part", "is_same"),
    [
        ("fe80::1", "fe80::2", True, True),
        ("fd00::1", "fd00::ffff", True, True),
        ("fd00::1", "fd00:0:0:1::1", False, False),
        ("10.0.0.1", "10.0.0.2", False, False),
        ("192.0.2.1", "192.0.9.9", True, False),
        ("2001:db8::1", "2001:db8:0:1::1", True, False),
        ("2001:db8::1", "2001:db8::2", True, True),
    ],
)
def test_who_is_at__tells_apart_what_costs_something(
    one: str, other: str, is_same_part: bool, is_same: bool
) -> None:
    first, second = who_is_at(one), who_is_at(other)
    assert (first.part == second.part, first == second) == (is_same_part, is_same)


async def test_places__of_equals_stay_theirs() -> None:
    shared = places()
    held = come(shared, [CLIENTS[0], CLIENTS[3]] * TOTAL + [CLIENTS[6]] * TOTAL)
    assert staying(held) == {CLIENTS[0]: 4, CLIENTS[3]: 4, CLIENTS[6]: 4}
    assert come(shared, CLIENTS[0:7:3] * 5) == []


async def test_places__count_what_is_taken_beside_them() -> None:
    shared = places()
    assert shared.enter(CLIENTS[0], beside=TOTAL) is None
    come(shared, CLIENTS[:1] * 3)
    assert shared.has_room(CLIENTS[3], beside=TOTAL)  # in the place of one of three
    assert not shared.has_room(CLIENTS[0], beside=TOTAL)
