"""Turns a model's raw scores into the whole numbers of an answer."""

import math
from collections.abc import Sequence

from node.errors import InferenceFailed
from node.inference.task_type import CONFIDENCE_PPM_MAX


def best_label(logits: Sequence[float]) -> int:
    """Return the index of the highest score; of equals, the first."""
    return max(range(len(logits)), key=lambda index: logits[index])


def confidence_ppm(logits: Sequence[float], label_index: int) -> int:
    """Turn one row of raw scores into the confidence of an answer.

    Rounds down, so a model is never reported surer than it is.

    Args:
        logits: Raw scores, shape (labels,), any finite scale.
        label_index: Which score to report, `0 <= label_index < labels`.

    Returns:
        The softmax share of that label, 0 to 1_000_000 parts per million.

    Raises:
        InferenceFailed: A score is NaN or infinite.

    >>> confidence_ppm([0.0, 0.0, 0.0, 0.0], label_index=2)
    250000
    """
    return math.floor(_shares(logits)[label_index] * CONFIDENCE_PPM_MAX)


def margin_ppm(logits: Sequence[float], label_index: int) -> int:
    """Return how far a label leads the best other one, rounded down.

    Returns:
        The lead in parts per million; 0 if another label leads; 1_000_000 if there is no other.

    Raises:
        InferenceFailed: A score is NaN or infinite.

    >>> margin_ppm([0.0, 0.0], label_index=0)
    0
    """
    shares = _shares(logits)
    others = [share for index, share in enumerate(shares) if index != label_index]
    if not others:
        return CONFIDENCE_PPM_MAX
    return math.floor(max(0.0, shares[label_index] - max(others)) * CONFIDENCE_PPM_MAX)


def _shares(logits: Sequence[float]) -> list[float]:
    """Return the softmax, computed from the highest score down so that nothing overflows."""
    if not all(math.isfinite(score) for score in logits):
        raise InferenceFailed(f"the model gave a score that is no number: {list(logits)[:8]}")
    highest = max(logits)
    weights = [math.exp(score - highest) for score in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
