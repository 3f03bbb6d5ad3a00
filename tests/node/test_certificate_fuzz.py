"""No file, however it was made, is taken for proof of anything else, or ends in a traceback."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.certificate_check import NotProven, check
from node.certificate_file import pack_certificate
from node.certificate_reading import Unreadable, read_certificate
from tests.certificates import a_certificate, a_chain

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASK_ID, RECORDS = a_chain()
CERTIFICATE = a_certificate(RECORDS, TASK_ID)
RAW = pack_certificate(CERTIFICATE)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70)
VALUES = st.recursive(
    PLAIN | st.sampled_from(["final", "void", "11" * 32, "11" * 16, {"hex": "ff"}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """List every place of a document as (what holds it, key or index)."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def test_places__finds_them_all() -> None:
    assert len(places({"a": [1, {"b": 2}], "c": 3})) == 5


@quick
@given(st.data(), VALUES)
def test_check__takes_no_other_value_anywhere(data: st.DataObject, value: object) -> None:
    document = json.loads(RAW)
    holder, key = data.draw(st.sampled_from(places(document)))
    holder[key] = value

    with contextlib.suppress(NotProven, Unreadable):
        assert check(read_certificate(json.dumps(document).encode())).certificate == CERTIFICATE


@quick
@given(st.integers(0, len(RAW) - 1), st.integers(1, 255), st.booleans())
def test_check__takes_no_other_byte_anywhere(at: int, flip: int, is_cut: bool) -> None:
    rest = b"" if is_cut else RAW[at + 1 :]
    changed = RAW[:at] + bytes([RAW[at] ^ flip]) + rest

    with contextlib.suppress(NotProven, Unreadable):
        assert check(read_certificate(changed)).certificate == CERTIFICATE


@quick
@given(st.binary(max_size=200) | st.builds(lambda v: json.dumps(v).encode(), VALUES))
def test_read_certificate__refuses_anything_else_in_one_line(raw: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        read_certificate(raw)

    assert "\n" not in str(refused.value)
