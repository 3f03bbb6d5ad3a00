"""A text with the labels that may be given to it, as one input.

The canonical bytes are `{"labels":[…],"text":"…"}` as RFC 8785 has it. Labels ascend by their UTF-8
bytes and none comes twice, so that equal questions are equal bytes. Anything else is refused.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from node.errors import RequestRefused
from node.inference.canonical_json import pack_json
from node.inference.task_type import encode_text, text_of

LABELS_MIN = 2
LABELS_MAX = 32  # each costs a run of the model: as many as texts in a batch of other types
LABEL_BYTES_MAX = 64  # a guess: some words; a longer one would push the text out of the model


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A question.

    Attributes:
        text: What is asked about.
        labels: What may be answered, ascending.
    """

    text: str
    labels: tuple[str, ...]


def encode_labelled_text(typed: str, *, input_bytes_max: int) -> bytes:
    """Pack what a user typed: a JSON object with `text` and `labels`, in any layout and order.

    Raises:
        RequestRefused: It is not that, or its text or one of its labels is out of bounds.
    """
    text, labels = _read_typed(typed)
    encode_text(text, input_bytes_max=input_bytes_max)
    try:
        ordered = sorted(labels, key=str.encode)
        packed = pack_json({"labels": ordered, "text": text})
    except UnicodeEncodeError as error:
        message = "a label is not valid Unicode"
        raise RequestRefused(400, "text_not_unicode", message) from error
    problem = _problem(ordered)
    if problem:
        raise RequestRefused(400, "bad_labels", problem)
    if len(packed) > input_bytes_max:
        message = f"text and labels have {len(packed)} bytes; at most {input_bytes_max} are taken"
        raise RequestRefused(400, "text_too_long", message)
    return packed


def find_labelled_text(packed: bytes) -> LabelledText | None:
    """Return the question of an input, or None unless it is one in its canonical form."""
    try:
        match json.loads(packed.decode()):
            case {"labels": [*labels], "text": str(text)} if _are_texts(labels):
                found = LabelledText(text, tuple(labels))
                again = pack_json({"labels": labels, "text": text})
            case _:
                return None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, half a character, or a bomb
        return None
    if again != packed or text_of(text.encode()) is None or _problem(labels):
        return None
    return found


def _read_typed(typed: str) -> tuple[str, list[str]]:
    try:
        match json.loads(typed):
            case {"text": str(text), "labels": [*labels], **rest} if not rest and _are_texts(
                labels
            ):
                return text, labels
    except (ValueError, RecursionError):
        pass
    need = 'this task type takes JSON: {"text": "…", "labels": ["…", "…"]}'
    raise RequestRefused(400, "bad_labels", need)


def _are_texts(labels: list[Any]) -> bool:
    return all(isinstance(label, str) for label in labels)


def _problem(labels: list[str]) -> str:
    """Say what is wrong with labels that should ascend; nothing if all is well."""
    if not LABELS_MIN <= len(labels) <= LABELS_MAX:
        return f"labels: {len(labels)}, need {LABELS_MIN} to {LABELS_MAX}"
    for label in labels:
        size = len(label.encode())
        if not label.strip(" \t\n\r\v\f") or size > LABEL_BYTES_MAX:
            shown = repr(label[:LABEL_BYTES_MAX])
            return f"label {shown}: {size} bytes, need 1 to {LABEL_BYTES_MAX}, not all blank"
    for label, following in pairwise(labels):
        if label.encode() >= following.encode():
            return f"label {following!r}: given twice"
    return ""
