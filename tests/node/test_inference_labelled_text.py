"""The input of zero-shot classification: one question, one row of bytes."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import RequestRefused
from node.inference.labelled_text import (
    LABEL_BYTES_MAX,
    LABELS_MAX,
    encode_labelled_text,
    find_labelled_text,
)

INPUT_BYTES_MAX = 16_384
TEXTS = st.text(min_size=1, max_size=40).filter(str.strip)
LABELS = st.text(min_size=1, max_size=12).filter(str.strip)
QUESTIONS = st.tuples(TEXTS, st.lists(LABELS, min_size=2, max_size=LABELS_MAX, unique=True))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(("text", "labels", "x")), inner)
    ),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Draw a question with some bytes too many."""
    packed = encode(*draw(QUESTIONS))
    place = draw(st.integers(0, len(packed)))
    return packed[:place] + draw(st.binary(min_size=1, max_size=2)) + packed[place:]


def encode(text: object, labels: object, **more: object) -> bytes:
    typed = json.dumps({"text": text, "labels": labels, **more})
    return encode_labelled_text(typed, input_bytes_max=INPUT_BYTES_MAX)


@given(QUESTIONS)
def test_encode__reads_back_as_what_was_asked(question: tuple[str, list[str]]) -> None:
    text, labels = question

    found = find_labelled_text(encode(text, labels))

    assert found is not None
    assert found.text == text
    assert list(found.labels) == sorted(labels)


@given(QUESTIONS, st.randoms(use_true_random=False), st.sampled_from([None, 2]), st.booleans())
def test_encode__gives_equal_questions_equal_bytes(
    question: tuple[str, list[str]], dice: random.Random, indent: int | None, ascii_only: bool
) -> None:
    text, labels = question
    shuffled = dice.sample(labels, len(labels))
    typed = json.dumps({"labels": shuffled, "text": text}, indent=indent, ensure_ascii=ascii_only)

    assert encode_labelled_text(typed, input_bytes_max=INPUT_BYTES_MAX) == encode(text, labels)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | spoilt())
def test_find_labelled_text__never_fails_and_takes_one_form_alone(packed: bytes) -> None:
    found = find_labelled_text(packed)

    if found is not None:
        assert encode(found.text, found.labels) == packed


@pytest.mark.parametrize(
    "packed",
    [
        b'{"labels":["b","a"],"text":"t"}',
        b'{"labels":["a","a"],"text":"t"}',
        b'{"text":"t","labels":["a","b"]}',
        b'{"labels":["a","b"],"text":" \\n"}',
        b'{"labels":["a","\\ud800"],"text":"t"}',
        b'{"labels":["a","b"],"labels":["a","b"],"text":"t"}',
        b'{"labels":["a","b"],"text":"t","x":1}',
        b'\xef\xbb\xbf{"labels":["a","b"],"text":"t"}',
        b'{\n"labels":["a","b"],"text":"t"}',
        b'{"labels":["a","\\u0062"],"text":"t"}',
        b"[" * 16_000,
        b"9" * 16_000,
    ],
)
def test_find_labelled_text__refuses(packed: bytes) -> None:
    assert find_labelled_text(b'{"labels":["a","b"],"text":"t"}') is not None
    assert find_labelled_text(packed) is None


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("just words", "bad_labels", "takes JSON"),
        ('{"text": "t"}', "bad_labels", "takes JSON"),
        ('{"text": "t", "labels": ["a", 1]}', "bad_labels", "takes JSON"),
        ('{"text": "t", "labels": ["a", "b"], "x": 1}', "bad_labels", "takes JSON"),
        ("[" * 9_000, "bad_labels", "takes JSON"),
        ('{"text": "t", "labels": ["a"]}', "bad_labels", "labels: 1, need 2 to 32"),
        (json.dumps({"text": "t", "labels": [f"{i:02}" for i in range(LABELS_MAX + 1)]}),
         "bad_labels", "labels: 33, need 2 to 32"),
        ('{"text": "t", "labels": ["a", "b", "a"]}', "bad_labels", "label 'a': given twice"),
        ('{"text": "t", "labels": ["a", ""]}', "bad_labels", "label '': 0 bytes, need 1 to 64"),
        (json.dumps({"text": "t", "labels": ["a", "b" * (LABEL_BYTES_MAX + 1)]}),
         "bad_labels", "65 bytes, need 1 to 64"),
        ('{"text": " ", "labels": ["a", "b"]}', "text_empty", "empty"),
        ('{"text": "\\ud800", "labels": ["a", "b"]}', "text_not_unicode", "Unicode"),
        ('{"text": "t", "labels": ["a", "\\ud800"]}', "text_not_unicode", "label"),
        (json.dumps({"text": "x" * 16_380, "labels": ["a", "b"]}), "text_too_long",
         "at most 16384"),
    ],
)  # fmt: skip
def test_encode__says_what_is_wrong(typed: str, code: str, words: str) -> None:
    with pytest.raises(RequestRefused, match=words) as caught:
        encode_labelled_text(typed, input_bytes_max=INPUT_BYTES_MAX)

    assert (caught.value.status, caught.value.code) == (400, code)
    assert "\n" not in str(caught.value)


def test_encode__takes_labels_and_their_number_to_the_last() -> None:
    labels = [f"{i:02}" + "x" * (LABEL_BYTES_MAX - 2) for i in range(LABELS_MAX)]

    assert find_labelled_text(encode("t", labels)) is not None
