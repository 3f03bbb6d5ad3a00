"""The sums in rows: those of the set alone, and all questions answered as in memory."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.layout import order_key
from consensus.rows import Draft
from protocol.reconcile import initiate, proceed, respond
from protocol.reconcile_items import Item, Items, PackedItems, SortedItems
from protocol.reconcile_tree import LEAF_MAX, Places, TreeItems, add_one, apply
from protocol.reconcile_wire import INFINITY, START, Bound
from tests.builders import NOON_MS
from tests.fakes_store import MemoryLog

PLACES = Places(order=b"o", sums=b"x")
DAY_MS = 86_400_000


class CountedRows:
    """Rows that count how many of the order are read."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.read = 0

    def get(self, key: bytes) -> bytes | None:
        return self._log.get(key)

    def scan(self, prefix: bytes, *, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._log.scan(prefix, after=after):
            self.read += key.startswith(PLACES.order)
            yield key, value


def fold(log: MemoryLog, *, added: list[Item], removed: list[Item]) -> int:
    """Write one batch, order and sums alike; return how many rows of the sums changed."""
    draft = Draft(log)
    for item in added:
        draft.put(order_key(*item), b"")
    for item in removed:
        draft.delete(order_key(*item))
    apply(draft, PLACES, added=added, removed=removed)
    log.stage(draft.changes)
    return sum(key.startswith(PLACES.sums) for key in draft.changes)


def tree_of(items: list[Item]) -> MemoryLog:
    log = MemoryLog()
    fold(log, added=items, removed=[])
    return log


def sums_in(log: MemoryLog) -> dict[bytes, bytes]:
    return dict(log.scan(PLACES.sums))


def overflows(log: MemoryLog, draft: Draft) -> bool:
    """Answer whether a node had no children before some changes and has them after."""
    sizes = [
        (int.from_bytes((log.get(key) or b"")[:8]), int.from_bytes((value or b"")[:8]))
        for key, value in draft.changes.items()
    ]
    return any(before <= LEAF_MAX < after for before, after in sizes if before)


def some_items(count: int, *, seed: int, span_ms: int, shared_bytes: int = 0) -> list[Item]:
    rng = random.Random(seed)
    return [
        Item(
            NOON_MS + rng.randrange(span_ms),
            bytes(shared_bytes) + rng.randbytes(32 - shared_bytes),
        )
        for _ in range(count)
    ]


@st.composite
def crowds(draw: st.DrawFn) -> list[Item]:
    """Draw items that crowd in time, in their ids, in both or in neither; in no order."""
    seeds = st.integers(0, 2**32)
    spans = st.sampled_from([1, 2, 20, 5_000, DAY_MS, 1000 * DAY_MS])
    drawn: list[Item] = []
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.sampled_from([1, 5, LEAF_MAX, LEAF_MAX + 1, LEAF_MAX + 2, 150, 300]))
        shared_bytes = draw(st.sampled_from([0, 0, 1, 30]))
        drawn += some_items(count, seed=draw(seeds), span_ms=draw(spans), shared_bytes=shared_bytes)
    distinct = sorted(set(drawn))
    random.Random(draw(seeds)).shuffle(distinct)
    return distinct


def assert_equal(tree: Items, model: Items, bounds: list[Bound], rng: random.Random) -> None:
    assert tree.size == model.size
    for bound in [START, INFINITY, *bounds]:
        assert tree.lower_bound(bound) == model.lower_bound(bound)
    for _ in range(10):
        start, end = sorted((rng.randint(0, model.size), rng.randint(0, model.size)))
        assert tree.between(start, end) == model.between(start, end)
        assert tree.fingerprint(start, end) == model.fingerprint(start, end)


@settings(max_examples=40, deadline=None)
@given(crowds(), st.data())
def test_tree__answers_as_the_sorted_items_do(items: list[Item], data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    some = rng.sample(items, min(len(items), 10))
    bounds = [Bound(at, record_id[: rng.randint(0, 32)]) for at, record_id in some]
    bounds += [Bound(at + rng.randint(-2, 2), b"") for at, _ in some]
    start, end = sorted(rng.choices([START, INFINITY, *bounds], k=2))
    log = tree_of(items)

    whole = TreeItems(log, PLACES)
    part = TreeItems(log, PLACES, start=start, end=end)
    packed = PackedItems(b"".join(key[1:] for key, _ in log.scan(PLACES.order)))
    late = [it for it in items if start <= it]

    assert_equal(whole, SortedItems(items), bounds, rng)
    assert_equal(packed, SortedItems(items), bounds, rng)
    assert_equal(packed.since(start), SortedItems(late), bounds, rng)
    assert_equal(
        packed.since(start).since(end), SortedItems([it for it in late if end <= it]), bounds, rng
    )
    assert_equal(part, SortedItems([it for it in items if start <= it < end]), bounds, rng)


@settings(max_examples=40, deadline=None)
@given(crowds(), st.data())
def test_tree__is_that_of_the_set_whatever_its_history(
    items: list[Item], data: st.DataObject
) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    kept = items[: data.draw(st.integers(0, len(items)))]
    gone = items[len(kept) :]
    log = MemoryLog()
    batch = max(1, len(items) // data.draw(st.integers(1, 10)))
    arrivals = rng.sample(items, len(items))

    for at in range(0, len(arrivals), batch):
        fold(log, added=arrivals[at : at + batch], removed=[])
    for at in range(0, len(gone), batch):
        again = rng.sample(gone[:at], min(at, batch))
        fold(log, added=again, removed=gone[at : at + batch])
        fold(log, added=[], removed=again)

    assert sums_in(log) == sums_in(tree_of(sorted(kept)))
    fold(log, added=[], removed=kept)
    assert sums_in(log) == {}


@settings(max_examples=100, deadline=None)
@given(crowds(), st.integers(0, 300))
def test_add_one__changes_what_apply_does(items: list[Item], at: int) -> None:
    item = items.pop(at % len(items))
    log = tree_of(items)
    draft = Draft(log)
    draft.put(order_key(*item), b"")
    apply(draft, PLACES, added=[item])
    del draft.changes[order_key(*item)]

    found = add_one(log, PLACES, item)

    assert found == (None if overflows(log, draft) else draft.changes)


@pytest.mark.parametrize("count", [0, 1, LEAF_MAX - 1, LEAF_MAX, LEAF_MAX + 1])
def test_add_one__leaves_the_first_overflow_to_apply(count: int) -> None:
    *items, item = some_items(count + 1, seed=3, span_ms=DAY_MS)

    found = add_one(tree_of(items), PLACES, item)

    assert (found is None) is (count == LEAF_MAX)


def test_apply__of_what_was_never_counted_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="never counted"):
        apply(Draft(MemoryLog()), PLACES, removed=[Item(NOON_MS, bytes(32))])


def test_comparison__of_large_logs_reads_few_ids_and_writes_few_rows() -> None:
    """5,000 items of one day: equal logs first, then one item more here."""
    items = some_items(5_000, seed=1, span_ms=DAY_MS)
    ours, theirs = tree_of(items), CountedRows(tree_of(items))
    (news,) = some_items(1, seed=2, span_ms=DAY_MS)

    equal = proceed(
        TreeItems(ours, PLACES),
        respond(TreeItems(theirs, PLACES), initiate(TreeItems(ours, PLACES))),
    )
    read_when_equal = theirs.read
    rows_changed = fold(ours, added=[news], removed=[])
    query: bytes | None = initiate(TreeItems(ours, PLACES))
    have: tuple[bytes, ...] = ()
    while query is not None:
        step = proceed(TreeItems(ours, PLACES), respond(TreeItems(theirs, PLACES), query))
        query, have = step.query, have + step.have

    assert equal.query is None
    assert read_when_equal <= 34 * (LEAF_MAX + 1)
    assert have == (news.record_id,)
    assert rows_changed <= 9
