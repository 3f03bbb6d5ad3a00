"""What a session costs: messages, bytes and memory, by how much two logs differ."""

import random
import tracemalloc
from typing import NamedTuple

import pytest

from node.exchange import Comparison, pack_comparison
from node.salted import SaltedItems, salted_pairs
from node.sync_limits import ANSWERING, ASKING, PUSHED_MAX
from protocol.ids import sha256
from protocol.reconcile import ROUNDS_MAX, initiate, proceed, respond
from protocol.reconcile_items import PackedItems
from protocol.reconcile_wire import VERSION
from tests.builders import NOON_MS

DAY_MS = 86_400_000
SALT = bytes(range(16))
MESSAGES_MAX = 6
EQUAL_BYTES_MAX = 512
RAM_BYTES_MAX = 64 << 20
# Bytes by (items, differences), as simulated beforehand; a session may cost half as much again.
SIMULATED_BYTES = {
    (10_000, 1): 1_100,
    (10_000, 10): 6_700,
    (10_000, 100): 41_000,
    (10_000, 1_000): 164_000,
    (100_000, 1): 1_800,
    (100_000, 10): 14_000,
    (100_000, 100): 109_000,
    (100_000, 1_000): 796_000,
}


class Cost(NamedTuple):
    messages: int
    sent_bytes: int
    have: int
    need: int
    unnamed: int


def keys_of(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    return [(NOON_MS + rng.randrange(DAY_MS)).to_bytes(8) + rng.randbytes(32) for _ in range(count)]


def packed(keys: list[bytes]) -> PackedItems:
    return PackedItems(b"".join(sorted(keys)))


def compare(asker: PackedItems, asked: PackedItems, *, is_surely_different: bool = False) -> Cost:
    """Compare as a session does, with its limits and framing."""
    have: set[bytes] = set()
    need: set[bytes] = set()
    query: bytes | None = initiate(asker, equal_at_best=not is_surely_different)
    messages = sent_bytes = unnamed = 0
    while query is not None:
        assert messages <= 2 * ROUNDS_MAX
        answer = respond(asked, query, ANSWERING)
        messages += 2
        sent_bytes += len(pack_comparison(Comparison(0, b"", query))) + len(answer)
        if answer == bytes([VERSION]):
            break
        step = proceed(asker, answer, ASKING)
        have.update(step.have)
        need.update(step.need)
        unnamed += step.unnamed
        query = step.query
    return Cost(messages, sent_bytes, len(have), len(need), unnamed)


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_compare__costs_no_more_than_simulated(size: int) -> None:
    shared = keys_of(size, seed=size)
    for differences in (1, 10, 100, 1_000):
        extra = keys_of(differences, seed=differences)
        asker, asked = packed(shared + extra[::2]), packed(shared + extra[1::2])

        cost = compare(asker, asked, is_surely_different=True)

        assert (cost.have, cost.need) == (len(extra[::2]), len(extra[1::2]))
        assert cost.messages <= MESSAGES_MAX
        assert 2 * cost.sent_bytes <= 3 * SIMULATED_BYTES[size, differences]


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_compare__costs_little_more_when_it_first_asks_whether_anything_differs(size: int) -> None:
    shared = keys_of(size, seed=size)
    for differences in (1, 10, 100, 1_000):
        extra = keys_of(differences, seed=differences)

        cost = compare(packed(shared + extra[::2]), packed(shared + extra[1::2]))

        assert cost.messages <= MESSAGES_MAX + 4
        assert cost.sent_bytes <= 2 * SIMULATED_BYTES[size, differences]


@pytest.mark.parametrize("size", [0, 1, 10_000, 100_000])
def test_compare__of_equal_logs_is_one_short_question(size: int) -> None:
    items = packed(keys_of(size, seed=size))

    cost = compare(items, items)

    assert (cost.messages, cost.have, cost.need) == (2, 0, 0)
    assert cost.sent_bytes <= EQUAL_BYTES_MAX


@pytest.mark.parametrize("is_asker_new", [True, False])
def test_compare__of_a_newcomer_fits_in_memory(is_asker_new: bool) -> None:
    """The worst case: one side lacks all of 100,000 records."""
    keys = sorted(keys_of(100_000, seed=1))
    tracemalloc.start()
    try:
        full, empty = PackedItems(b"".join(keys)), PackedItems(b"")

        cost = compare(empty, full) if is_asker_new else compare(full, empty)

        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost.have + cost.need == 100_000
    assert most_bytes <= RAM_BYTES_MAX


def test_salted_items__of_a_large_log_fit_in_memory() -> None:
    keys = sorted(keys_of(25_000, seed=4))  # a quarter, in a quarter of the room: it is slow
    slices = [b"".join(keys[at : at + 10_000]) for at in range(0, len(keys), 10_000)]
    tracemalloc.start()
    try:
        salted = SaltedItems(SALT, salted_pairs(SALT, slices))
        found = salted.resolve([sha256(SALT, key[8:])[:8] for key in keys[::1_000]])

        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sorted(found) == sorted(key[8:] for key in keys[::1_000])
    assert 4 * most_bytes <= RAM_BYTES_MAX


def test_proceed__names_no_more_of_a_large_log_than_a_session_pushes() -> None:
    full, empty = packed(keys_of(PUSHED_MAX + 9, seed=3)), PackedItems(b"")

    cost = compare(full, empty)

    assert (cost.have, cost.unnamed) == (PUSHED_MAX, 9)
