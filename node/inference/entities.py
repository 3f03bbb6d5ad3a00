"""From one label a piece to the entities of a text.

The rule, after the BIO scheme, is that of the strategy `simple` of transformers:

- A label is `B-TYPE`, `I-TYPE`, or else it is all type and reads as `I-`. The type `O` is nothing.
- A piece goes on with the entity of the piece right before it, if both have one type and its own
  label is not `B-`. Any other piece that is something begins an entity.
- An entity reaches from the start of its first piece to the end of its last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.inference.canonical_json import pack_json
from node.inference.confidence import best_label, confidence_ppm, margin_ppm
from node.inference.task_type import certain
from protocol.statements import Answer, AnswerKind, Result

OUTSIDE = "O"
ANSWER_BYTES_MAX = 1024  # a part of the type: what every network of ours can carry
ANSWER_TOO_LONG = Answer(AnswerKind.ERROR, b"answer-too-long")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text with the label a model gave it; places count characters from 0."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of a text that is something; `end` is the first character after it."""

    start: int
    end: int
    label: str


def entities_of(pieces: Sequence[Piece]) -> list[Entity]:
    """Join the pieces of a text, in their order, to entities.

    >>> entities_of([Piece(0, 3, "B-PER"), Piece(3, 5, "I-PER"), Piece(6, 8, "O")])
    [Entity(start=0, end=5, label='PER')]
    """
    found: list[Entity] = []
    before = OUTSIDE
    for piece in pieces:
        begins, label = _read_label(piece.label)
        if label != OUTSIDE and label == before and not begins:
            found[-1] = Entity(found[-1].start, piece.end, label)
        elif label != OUTSIDE:
            found.append(Entity(piece.start, piece.end, label))
        before = label
    return found


def entities_answer(entities: Sequence[Entity]) -> Answer:
    """Pack entities as `[[start,end,"label"],…]`, or say that they do not fit."""
    packed = pack_json([[one.start, one.end, one.label] for one in entities])
    return Answer(AnswerKind.VALUE, packed) if len(packed) <= ANSWER_BYTES_MAX else ANSWER_TOO_LONG


def entities_result(
    labels: Sequence[str], pieces: Sequence[tuple[tuple[int, int], Sequence[float]]]
) -> Result:
    """Turn the raw scores of pieces into the entities of a text.

    An answer is as sure as its least sure piece: confidence and margin are the smallest of all.

    Args:
        labels: The names of the labels.
        pieces: Where each piece lies, and one score for each label.

    Raises:
        InferenceFailed: A score is NaN or infinite.
    """
    if not pieces:
        return certain(entities_answer([]).value)
    named: list[Piece] = []
    confidences: list[int] = []
    margins: list[int] = []
    for (start, end), logits in pieces:
        best = best_label(logits)
        named.append(Piece(start, end, labels[best]))
        confidences.append(confidence_ppm(logits, best))
        margins.append(margin_ppm(logits, best))
    return Result(entities_answer(entities_of(named)), min(confidences), min(margins))


def _read_label(label: str) -> tuple[bool, str]:
    """Return whether a label always begins an entity, and the entity's type."""
    if label.startswith(("B-", "I-")):
        return label.startswith("B-"), label[2:]
    return False, label
