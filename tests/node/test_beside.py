"""What a node remembers to show others: its states of the last minute, and who told of whom."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import layout
from consensus.log import state_digest
from consensus.state_digest import digest_of
from node.beside import LATELY_MS, STATES_MAX, RecentStates, Tellers
from node.market import NodeMarket
from node.names import peer_id_of
from node.ports import Peer
from protocol.ids import Digest, PeerId
from protocol.record import Verified
from tests.builders import NOON_MS, a_presence, a_record, key
from tests.node.explain.doors import doors_of
from tests.node.sync_bench import a_node

STEPS = st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 5)), max_size=20)
BOB, DAVE = PeerId("bob"), PeerId("dave")


def totals(digest: int) -> dict[bytes, bytes | None]:
    return {layout.TOTALS: layout.pack_totals(layout.read_totals(None)._replace(digest=digest))}


@given(STEPS, st.integers(0, 130_000))
def test_lately__has_each_state_that_was_ours_within_a_minute_and_no_other(
    steps: list[tuple[int, int]], later_ms: int
) -> None:
    states, now_ms = RecentStates(digest_of(0)), 1_000_000
    since = [(0, 0)]
    for pause_ms, number in steps:
        now_ms += pause_ms
        states.note_step([totals(number)], now_ms)
        since.append((now_ms, number))
    now_ms += later_ms

    until = [at_ms for at_ms, _ in since[1:]] + [now_ms + 1]
    ours = {n for (_, n), end_ms in zip(since, until, strict=True) if end_ms > now_ms - LATELY_MS}
    assert states.lately(now_ms) == {digest_of(number) for number in ours}


def test_lately__has_every_state_of_one_step_and_is_bounded() -> None:
    states = RecentStates(digest_of(0))

    states.note_step([totals(1), {}, totals(2)], 1)
    assert states.lately(1) == {digest_of(number) for number in range(3)}

    states.note_step([totals(number) for number in range(2 * STATES_MAX)], 2)
    assert len(states.lately(2)) == STATES_MAX
    assert digest_of(2 * STATES_MAX - 1) in states.lately(2)


def told(author: str, created_ms: int) -> Verified:
    return a_record(author, a_presence(), created_ms=created_ms)


def test_tellers__keep_the_first_that_brought_the_newest() -> None:
    tellers = Tellers()

    tellers.note(told("cleo", 2), BOB)
    tellers.note(told("cleo", 2), DAVE)
    tellers.note(told("cleo", 1), DAVE)

    assert [tellers.find(key("cleo"), at_ms) for at_ms in (1, 2, 3)] == [None, BOB, None]
    tellers.note(told("cleo", 3), DAVE)
    assert [tellers.find(key("cleo"), at_ms) for at_ms in (2, 3)] == [None, DAVE]


def test_tellers__are_bounded() -> None:
    tellers = Tellers(authors_max=2)

    for author, at_ms in (("a", 1), ("b", 1), ("a", 2), ("c", 1)):
        tellers.note(told(author, at_ms), BOB)

    found = [tellers.find(key(author), at_ms) for author, at_ms in (("a", 2), ("b", 1), ("c", 1))]
    assert found == [BOB, None, BOB]


@pytest.mark.parametrize("teller", ["dave", "cleo", None])
async def test_peers__tell_how_each_is_reached_and_whether_it_is_in_step(
    tmp_path: Path, teller: str | None
) -> None:
    node = a_node("alice")
    doors = doors_of(node)
    was, now_ms = state_digest(doors.log), doors.clock.now().ms
    doors.states.note_step([totals(7)], now_ms)
    for author, digest in (("bob", was), ("cleo", digest_of(8)), ("dave", digest_of(7))):
        record = a_record(author, replace(a_presence(), state_digest=Digest(digest)))
        assert doors.machine.presences.hear(record, now_ms)
        if teller is not None:
            doors.tellers.note(record, peer_id_of(key(teller)))
    at = "/ip4/127.0.0.1/tcp/1"
    node.net.silent = [
        Peer(peer_id_of(key("bob")), key("bob"), at, True, (), True, 1.5),
        Peer(peer_id_of(key("erin")), key("erin"), at, False, (), False),
    ]

    shown = {view.peer_id: view for view in NodeMarket(doors).peers(limit=9)}
    bob, cleo, dave, erin = (shown[peer_id_of(key(n))] for n in ("bob", "cleo", "dave", "erin"))

    assert [view.latency_ms for view in (bob, cleo, dave, erin)] == [1.5, None, None, None]
    assert [view.in_mesh for view in (bob, cleo, dave, erin)] == [True, False, False, False]
    assert [view.same_state for view in (bob, cleo, dave, erin)] == [True, False, True, False]
    through = "" if teller is None else peer_id_of(key(teller))
    assert [view.heard_through for view in (bob, erin)] == ["", ""]
    assert cleo.heard_through == ("" if teller == "cleo" else through)
    assert dave.heard_through == ("" if teller == "dave" else through)

    newer = a_record("cleo", a_presence(), created_ms=NOON_MS + 1)
    assert doors.machine.presences.hear(newer, now_ms)
    again = {view.peer_id: view for view in NodeMarket(doors).peers(limit=9)}
    assert again[cleo.peer_id].heard_through == ""
