"""Learns one vector for each word piece from which pieces stand near each other."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from tools.sentiment_corpus import Floats, Pieces

WINDOW = 5  # measured by others to suit small corpora; nearer pieces count more
SMOOTHING = 0.75  # raises rare contexts, which raw PPMI overrates


def _counts(texts: Sequence[Pieces], size: int) -> scipy.sparse.csr_matrix:
    """Count neighbours within the window, weighted by one over their distance."""
    separator = -1
    parts: list[Pieces] = []
    gap = np.full(WINDOW, separator, dtype=np.int32)
    for text in texts:
        parts.extend((text, gap))
    line = np.concatenate(parts)
    total = scipy.sparse.csr_matrix((size, size), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        left, right = line[:-distance], line[distance:]
        kept = (left >= 0) & (right >= 0)
        weights = np.full(int(kept.sum()), 1.0 / distance, dtype=np.float32)
        pairs = scipy.sparse.coo_matrix((weights, (left[kept], right[kept])), shape=(size, size))
        total = total + pairs.tocsr()
    return (total + total.T).tocsr()


def word_vectors(texts: Sequence[Pieces], *, size: int, width: int, seed: int) -> Floats:
    """Factor the positive pointwise mutual information of neighbours.

    Args:
        texts: Piece ids of all training text.
        size: How many pieces there are.
        width: How many numbers a vector has.
        seed: Where the factoring starts.

    Returns:
        One row for each piece, shape (size, width), every row of unit variance.
    """
    counts = _counts(texts, size).tocoo()
    rows = np.asarray(counts.sum(axis=1)).ravel()
    contexts = rows**SMOOTHING
    contexts /= contexts.sum()
    share = counts.data / np.maximum(rows[counts.row], 1e-9)
    information = np.log(np.maximum(share / np.maximum(contexts[counts.col], 1e-12), 1e-12))
    positive = information > 0
    matrix = scipy.sparse.csr_matrix(
        (information[positive].astype(np.float32), (counts.row[positive], counts.col[positive])),
        shape=(size, size),
    )
    start = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    left, strengths, _ = scipy.sparse.linalg.svds(matrix, k=width, v0=start)
    vectors = (left * np.sqrt(strengths)).astype(np.float32)
    # Pieces never seen next to anything get a random vector, so that they can still learn.
    empty = np.abs(vectors).sum(axis=1) < 1e-6
    vectors[empty] = np.random.default_rng(seed).standard_normal((int(empty.sum()), width))
    # Equal lengths: otherwise frequent pieces drown rare ones, which carry more of the sentiment.
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit * np.float32(np.sqrt(width))
