"""The teachers: larger or simpler classifiers whose opinions the small model learns from."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.sparse
import torch
from torch import nn

from tools.sentiment_average import Average
from tools.sentiment_corpus import MASK, PAD, Floats, Pieces, batches, drawn, padded

NGRAM_MAX = 3
NGRAM_TEXTS_MIN = 2
NGRAM_PENALTY = 6e-5  # of 2e-6 to 6e-4, the best on the held-out texts
CNN_WIDTHS = (1, 2, 3, 4, 5)
CNN_FILTERS = 112
CNN_EPOCHS = 3
CNN_VECTOR_SCALE = 0.3
CNN_RATE = 1e-3  # for the word vectors too: ten times less was 2 points worse on held-out texts
CNN_COUNT = 3
CNN_AVERAGE_DECAY = 0.998
NGRAM_SHARE = 0.15
MASKED_SHARE = 0.12

Say = Callable[[str], None]


class NgramTeacher:
    """A logistic regression over runs of one to three pieces, scaled by their naive Bayes ratio."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys = np.zeros(0, dtype=np.int64)
        self._ratios = np.zeros(0)
        self._weights = np.zeros(1)

    def _occurrences(
        self, texts: Sequence[Pieces]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (text index, run key) of every distinct run of every text."""
        base = self._size + 1
        lengths = np.array([len(text) for text in texts])
        owner = np.repeat(np.arange(len(texts)), lengths)
        line = np.concatenate(texts).astype(np.int64) + 1
        owners, keys = [owner], [line]
        run = line
        for count in range(2, NGRAM_MAX + 1):
            run = run[:-1] * base + line[count - 1 :]
            inside = owner[: len(run)] == owner[count - 1 :]
            owners.append(owner[: len(run)][inside])
            keys.append(run[inside])
        return np.concatenate(owners), np.concatenate(keys)

    def _matrix(self, texts: Sequence[Pieces]) -> scipy.sparse.csr_matrix:
        owners, keys = self._occurrences(texts)
        columns = np.searchsorted(self._keys, keys)
        columns = np.minimum(columns, len(self._keys) - 1)
        known = self._keys[columns] == keys
        owners, columns = owners[known], columns[known]
        matrix = scipy.sparse.csr_matrix(
            (np.ones(len(owners)), (owners, columns)), shape=(len(texts), len(self._keys))
        )
        matrix.data[:] = 1.0
        return matrix

    def fit(self, texts: Sequence[Pieces], positive: Floats) -> None:
        """Learn from texts and how likely each is positive."""
        keys, seen = np.unique(self._occurrences(texts)[1], return_counts=True)
        self._keys = keys[seen >= NGRAM_TEXTS_MIN]
        matrix = self._matrix(texts)
        ups = np.asarray(matrix.T @ positive).ravel() + 1.0
        downs = np.asarray(matrix.T @ (1.0 - positive)).ravel() + 1.0
        self._ratios = np.log(ups / ups.sum()) - np.log(downs / downs.sum())
        scaled = (matrix @ scipy.sparse.diags(self._ratios)).tocsr()

        def cost(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            scores = scaled @ weights[:-1] + weights[-1]
            losses = np.logaddexp(0.0, scores) - positive * scores
            slope = (1.0 / (1.0 + np.exp(-scores)) - positive) / len(scores)
            pull = NGRAM_PENALTY * weights
            gradient = np.append(scaled.T @ slope, slope.sum()) + pull
            return float(losses.mean() + 0.5 * (weights * pull).sum()), gradient

        start = np.zeros(len(self._keys) + 1)
        options = {"maxiter": 60}
        found = scipy.optimize.minimize(cost, start, jac=True, method="L-BFGS-B", options=options)
        self._weights = found.x

    def scores(self, texts: Sequence[Pieces]) -> Floats:
        """Return the log odds of being positive, one for each text."""
        weights = self._ratios * self._weights[:-1]
        return np.asarray(self._matrix(texts) @ weights + self._weights[-1], dtype=np.float32)


class _Cnn(nn.Module):
    """Runs of one to five pieces, the strongest match of each kind, one score."""

    def __init__(self, vectors: Floats) -> None:
        super().__init__()
        width = vectors.shape[1]
        self.embedding = nn.Embedding(vectors.shape[0], vectors.shape[1], padding_idx=PAD)
        self.embedding.weight.data.copy_(torch.from_numpy(vectors))
        self.runs = nn.ModuleList(
            nn.Conv1d(width, CNN_FILTERS, count, padding=count - 1) for count in CNN_WIDTHS
        )
        self.drop_in = nn.Dropout(0.2)
        self.drop_out = nn.Dropout(0.5)
        self.head = nn.Linear(CNN_FILTERS * len(CNN_WIDTHS), 1)

    def forward(self, pieces: torch.Tensor) -> torch.Tensor:
        """Return log odds of being positive, shape (texts,)."""
        inner = self.drop_in(self.embedding(pieces)).transpose(1, 2)
        found = [torch.relu(run(inner)).amax(dim=2) for run in self.runs]
        scores: torch.Tensor = self.head(self.drop_out(torch.cat(found, dim=1)))
        return scores.squeeze(1)


class CnnTeacher:
    """A convolutional network over word vectors of its own."""

    def __init__(self, vectors: Floats, *, seed: int) -> None:
        torch.manual_seed(seed)
        self._net = _Cnn(vectors * CNN_VECTOR_SCALE)
        self._dice = random.Random(seed)
        self._seed = seed

    def fit(self, texts: Sequence[Pieces], positive: Floats, shares: Floats, say: Say) -> None:
        """Learn from texts; each takes part in an epoch as often as its share says."""
        torch.manual_seed(self._seed)
        table = list(self._net.embedding.parameters())
        others = [one for name, one in self._net.named_parameters() if "embedding" not in name]
        optimizer = torch.optim.AdamW(
            [
                {"params": table, "weight_decay": 0.0},
                {"params": others, "weight_decay": 0.02},
            ],
            lr=CNN_RATE,
            fused=True,
        )
        average = Average(self._net, decay=CNN_AVERAGE_DECAY)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: (1.0, 0.5, 0.2)[min(epoch, CNN_EPOCHS - 1)]
        )
        self._net.train()
        for epoch in range(CNN_EPOCHS):
            chosen = drawn(shares, self._dice)
            lengths = [len(texts[i]) for i in chosen]
            total, steps = 0.0, 0
            for batch in batches(lengths, pieces_max=2500, texts_max=96, dice=self._dice):
                rows = [chosen[i] for i in batch]
                pieces = torch.from_numpy(padded([texts[i] for i in rows]))
                pieces[(torch.rand(pieces.shape) < MASKED_SHARE) & (pieces != PAD)] = MASK
                # Labels near 0 and 1 are noisy: a little doubt keeps the scores usable.
                goal = torch.from_numpy(positive[rows]) * 0.94 + 0.03
                loss = nn.functional.binary_cross_entropy_with_logits(self._net(pieces), goal)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimizer.step()
                average.update()
                total, steps = total + float(loss.detach()), steps + 1
            schedule.step()
            say(f"cnn epoch {epoch + 1}/{CNN_EPOCHS}: loss {total / steps:.4f}")
        average.swap()
        self._net.eval()

    def vectors(self) -> Floats:
        """Return its word vectors, bent by training towards what matters for sentiment."""
        table: Floats = self._net.embedding.weight.detach().numpy().copy()
        return table

    def scores(self, texts: Sequence[Pieces]) -> Floats:
        """Return the log odds of being positive, one for each text."""
        found = np.zeros(len(texts), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda one: len(texts[one]))
        with torch.inference_mode():
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                found[rows] = self._net(torch.from_numpy(padded([texts[i] for i in rows]))).numpy()
        return found


class Teachers:
    """One n-gram teacher and several networks, whose opinions are averaged."""

    def __init__(self, vectors: Floats, *, seed: int) -> None:
        self._ngrams = NgramTeacher(len(vectors))
        self._cnns = [CnnTeacher(vectors, seed=seed + number) for number in range(CNN_COUNT)]

    def fit(self, texts: Sequence[Pieces], positive: Floats, shares: Floats, say: Say) -> None:
        """Learn from texts and how likely each is positive."""
        self._ngrams.fit(texts, positive)
        say("n-gram teacher done")
        for teacher in self._cnns:
            teacher.fit(texts, positive, shares, say)

    def vectors(self) -> Floats:
        """Return the mean of the networks' word vectors; all began at the same ones."""
        mean: Floats = np.mean([teacher.vectors() for teacher in self._cnns], axis=0)
        return mean / np.float32(CNN_VECTOR_SCALE)

    def opinion(self, texts: Sequence[Pieces]) -> Floats:
        """Return how likely each text is positive, as the teachers see it together."""
        share = (1.0 - NGRAM_SHARE) / len(self._cnns)
        mixed: Floats = NGRAM_SHARE * _chance(self._ngrams.scores(texts))
        for teacher in self._cnns:
            mixed += share * _chance(teacher.scores(texts))
        return mixed


def _chance(scores: Floats) -> Floats:
    """Turn log odds into probabilities."""
    chances: Floats = (1.0 / (1.0 + np.exp(-np.clip(scores, -30.0, 30.0)))).astype(np.float32)
    return chances
