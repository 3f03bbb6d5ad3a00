"""The small parts of the network door that need no network."""

import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.pubsub.pb import rpc_pb2

from node.net.fairness import FairLines, FairQueue
from node.net.penalties import PEERS_MAX, Penalties
from node.net.seen import Seen, content_id


def test_blame__bans_at_the_last_fault_within_the_window_and_not_before() -> None:
    penalties = Penalties(faults_max=3, window_s=60, ban_s=10)

    verdicts = [penalties.blame("p", now_s) for now_s in (0.0, 30.0, 60.0)]

    assert verdicts == [False, False, True]
    assert penalties.is_banned("p", 69.9)
    assert not penalties.is_banned("p", 70.0)


def test_blame__forgives_faults_that_are_far_apart() -> None:
    penalties = Penalties(faults_max=3, window_s=60, ban_s=10)

    verdicts = [penalties.blame("p", 31.0 * step) for step in range(10)]

    assert not any(verdicts)


def test_blame__remembers_a_bounded_number_of_peers() -> None:
    penalties = Penalties(faults_max=2, window_s=60, ban_s=10)

    for number in range(3 * PEERS_MAX):
        penalties.blame(str(number), 0.0)

    assert len(penalties._faults) == PEERS_MAX


def test_seen__forgets_after_a_lifetime_and_beyond_its_size() -> None:
    now_s = 0.0
    seen = Seen(lifetime_s=10, ids_max=2, clock=lambda: now_s)

    assert [seen.add(b"a"), seen.add(b"a"), seen.add(b"b"), seen.add(b"c")] == [
        True,
        False,
        True,
        True,
    ]
    assert not seen.has(b"a")
    assert seen.has(b"c")
    now_s = 10.0
    assert not seen.has(b"c")
    assert len(seen) == 0


async def test_fair_queue__takes_peers_in_turn() -> None:
    queue: FairQueue[int] = FairQueue(per_peer_max=3, total_max=10)
    for item in range(5):
        queue.put("loud", item)
    queue.put("quiet", 100)

    taken = [(await queue.get())[1] for _ in range(4)]

    assert taken == [0, 100, 1, 2]
    assert len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=40))
def test_fair_queue__keeps_the_order_of_each_peer_within_its_bounds(
    puts: list[tuple[str, int]],
) -> None:
    async def drain() -> None:
        queue: FairQueue[int] = FairQueue(per_peer_max=5, total_max=12)
        kept = [(peer, item) for peer, item in puts if queue.put(peer, item)]

        taken = [await queue.get() for _ in range(len(queue))]

        assert len(taken) == len(kept) <= 12
        for peer in "abc":
            assert [i for p, i in taken if p == peer] == [i for p, i in kept if p == peer]

    trio.run(drain)


@given(st.integers(1, 60), st.integers(2, 5), st.integers(1, 300))
def test_fair_lines__leave_room_for_one_more_however_many_take_all_they_can(
    crowd: int, share: int, rounds: int
) -> None:
    items_max = share * (crowd + 1)
    lines: FairLines[int] = FairLines(items_max=items_max, bytes_max=0)
    for _ in range(rounds):
        for number in range(crowd):
            lines.put(f"flooder {number}", 0)

    room = 0
    while lines.put("a friend", room):
        room += 1

    assert room >= share // 2
    assert len(lines) <= items_max


def test_content_id__is_another_one_on_another_topic() -> None:
    """Else whoever says it first where it is refused keeps it from being heard where it belongs."""
    here, there, again = (
        content_id(rpc_pb2.Message(data=b"a record", topicIDs=[topic], seqno=seqno))
        for topic, seqno in (("log", b"1"), ("presence", b"2"), ("log", b"3"))
    )

    assert here == again
    assert here != there
