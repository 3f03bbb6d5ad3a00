"""The rows of a simulated disk are a sorted map that a cut of power takes batches from."""

from hypothesis import given
from hypothesis import strategies as st

from consensus.rows import Changes
from node.sim.disk import SimRows

KEYS = st.lists(st.sampled_from([b"a", b"b", b"x", b"\xff"]), min_size=1, max_size=4).map(b"".join)
BATCHES = st.lists(
    st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=4)), min_size=1, max_size=6),
    max_size=8,
)


def scanned(model: dict[bytes, bytes], prefix: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    return sorted(row for row in model.items() if row[0].startswith(prefix) and row[0] > after)


def after_batches(batches: list[Changes]) -> dict[bytes, bytes]:
    model: dict[bytes, bytes] = {}
    for batch in batches:
        for key, value in batch.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
    return model


@given(BATCHES, KEYS, KEYS)
def test_scan__walks_what_was_staged_in_order(
    batches: list[Changes], prefix: bytes, after: bytes
) -> None:
    rows = SimRows({}, keeps_undo=False)
    for number, batch in enumerate(batches):
        rows.stage(batch)
        model = after_batches(batches[: number + 1])

        assert list(rows.scan(prefix, after=after)) == scanned(model, prefix, after)
        assert all(rows.get(key) == model.get(key) for key in [*batch, prefix, after])
        assert len(rows) == len(model)


@given(BATCHES, st.integers(0, 9), KEYS)
def test_lose__leaves_what_the_batches_before_had_made(
    batches: list[Changes], lost: int, prefix: bytes
) -> None:
    rows = SimRows({}, keeps_undo=True)
    for batch in batches:
        rows.stage(batch)
        list(rows.scan(prefix))

    gone = rows.lose(lost)

    assert gone == min(lost, len(batches))
    model = after_batches(batches[: len(batches) - gone])
    assert list(rows.scan(prefix)) == scanned(model, prefix, b"")
    assert len(rows) == len(model)


@given(BATCHES)
def test_lose__takes_nothing_that_was_synced(batches: list[Changes]) -> None:
    rows = SimRows({}, keeps_undo=True)
    for batch in batches:
        rows.stage(batch)
    rows.flush(sync=True)

    assert rows.lose(9) == 0
    assert len(rows) == len(after_batches(batches))


def test_stage__lets_two_logs_share_one_copy_of_a_key() -> None:
    shared: dict[bytes, bytes] = {}
    logs = [SimRows(shared, keeps_undo=False) for _ in range(2)]
    for log in logs:
        assert log.keys(b"o") == []
        log.stage({bytes(bytearray(b"o key")): b""})

    one, other = (log.keys(b"o")[0] for log in logs)
    assert one is other
