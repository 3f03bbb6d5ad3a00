"""A draft shows its changes over its base, and stays quick however many there are."""

import time

from hypothesis import given
from hypothesis import strategies as st

from consensus.rows import Draft
from tests.fakes import MemoryRows

KEYS = st.binary(max_size=3)
STEPS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=12)


@given(st.dictionaries(KEYS, st.binary(max_size=2)), STEPS, STEPS, KEYS, KEYS)
def test_draft__scans_like_one_sorted_map(
    base: dict[bytes, bytes],
    first: list[tuple[bytes, bytes | None]],
    second: list[tuple[bytes, bytes | None]],
    prefix: bytes,
    after: bytes,
) -> None:
    rows = MemoryRows()
    rows.apply(dict(base))
    draft, model = Draft(rows), dict(base)
    for steps in (first, second):
        for key, value in steps:
            if value is None:
                draft.delete(key)
                model.pop(key, None)
            else:
                draft.put(key, value)
                model[key] = value

        found = list(draft.scan(prefix, after=after))

        wanted = [k for k in sorted(model) if k.startswith(prefix) and k > after]
        assert found == [(k, model[k]) for k in wanted]
        assert [draft.get(k) for k in (prefix, after, *base)] == [
            draft.bottom.get(k) for k in (prefix, after, *base)
        ]


def test_draft__does_not_walk_all_changes_for_each_scan() -> None:
    draft = Draft(MemoryRows())
    draft.update({number.to_bytes(4): b"" for number in range(20_000)})
    began = time.process_time()

    for number in range(2_000):
        assert len(list(draft.scan(number.to_bytes(4)))) == 1

    assert time.process_time() - began < 5  # walking all took more than a minute
