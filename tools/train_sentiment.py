"""Trains the default sentiment model from scratch: vocabulary, word vectors, teachers, student.

Run it as `python tools/train_sentiment.py --data DIR --out DIR`. What `DIR` must hold is told in
MODEL_CARD.md of the result. One thread, so that the same seed gives the same model.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch

from tools.sentiment_corpus import (
    FILM_SOURCES,
    PIECES_BODY_MAX,
    Corpus,
    Floats,
    Pieces,
    drawn,
    encode,
    read_corpus,
    train_tokenizer,
    word_starts,
)
from tools.sentiment_student import WIDTH, Lesson, new_student, probabilities, save, train
from tools.sentiment_teachers import Teachers
from tools.sentiment_vectors import word_vectors

EPOCHS = 3
TEACHER_SHARE = 0.75  # of a labelled text's goal; the rest is its label
SPANS_PER_EPOCH = 40_000
SPAN_PIECES_MAX = 22
FILM_SENTENCE_CHANCE = 0.55
REVIEW_LEAN = 0.4  # how far, in log odds, a sentence leans towards the label of its review
# How often a labelled text takes part in an epoch. Films are what the model is measured on; the
# lists of pros and cons are many, short and noisy.
SHARES = {
    "rt": 2.0,
    "vader_movie": 2.0,
    "vader_tweet": 0.7,
    "vader_nytEd": 0.3,
    "proscons": 0.35,
    "go": 0.5,
    "lex": 0.5,
    "vlex": 0.3,
}

started_s = time.monotonic()


def say(line: str) -> None:
    """Print progress with the seconds since the start."""
    print(f"[{time.monotonic() - started_s:6.0f} s] {line}", file=sys.stderr, flush=True)


class Teaching:
    """All texts as pieces, what the teachers think of them, and the lessons made of both."""

    def __init__(
        self, corpus: Corpus, pieces: dict[str, list[Pieces]], teachers: Teachers, *, seed: int
    ) -> None:
        self._labelled = pieces["labelled"]
        self._labels, self._shares = _labels_and_shares(corpus)
        self._film = pieces["film"]
        self._reviews = [review.positive for review in corpus.reviews]
        self._review_sentences = np.cumsum([0] + [len(one.sentences) for one in corpus.reviews])
        self._spanned = self._film + [
            text
            for text, line in zip(self._labelled, corpus.labelled, strict=True)
            if line.source in FILM_SOURCES
        ]
        self._dice = random.Random(seed)
        self._teachers = teachers
        self._labelled_goals = teachers.opinion(self._labelled)
        self._film_goals = _lean(teachers.opinion(self._film), corpus)

    def lesson(self, starts: npt.NDArray[np.bool_]) -> Lesson:
        """Draw the texts of one epoch: labelled, film sentences, spans and pieces of reviews."""
        mine = drawn(self._shares, self._dice)
        goals = TEACHER_SHARE * self._labelled_goals[mine] + (1 - TEACHER_SHARE) * np.clip(
            self._labels[mine], 0.03, 0.97
        )
        films = [i for i in range(len(self._film)) if self._dice.random() < FILM_SENTENCE_CHANCE]
        spans = [self._span(starts) for _ in range(SPANS_PER_EPOCH)]
        chunks = [self._chunk(number) for number in range(len(self._reviews))]
        chunk_goals = np.clip(np.array(self._reviews, dtype=np.float32), 0.05, 0.95)
        texts = [*(self._labelled[i] for i in mine), *(self._film[i] for i in films)]
        return Lesson(
            texts=[*texts, *spans, *chunks],
            positive=np.concatenate(
                (goals, self._film_goals[films], self._teachers.opinion(spans), chunk_goals)
            ).astype(np.float32),
        )

    def _span(self, starts: npt.NDArray[np.bool_]) -> Pieces:
        """Cut some words out of a film sentence; phrases are a large part of real questions."""
        while True:
            text = self._spanned[self._dice.randrange(len(self._spanned))]
            edges = [*np.flatnonzero(starts[text]).tolist(), len(text)]
            words = len(edges) - 1
            if words >= 4:
                count = self._dice.randint(2, min(words, SPAN_PIECES_MAX))
                first = self._dice.randint(0, words - count)
                return text[edges[first] : edges[first + count]]

    def _chunk(self, number: int) -> Pieces:
        """Cut as many sentences out of a review as the model can read at once."""
        low, high = self._review_sentences[number], self._review_sentences[number + 1]
        first = low if self._dice.random() < 0.35 else self._dice.randrange(low, high)
        return np.concatenate(self._film[first:high])[:PIECES_BODY_MAX]


def _lean(goals: Floats, corpus: Corpus) -> Floats:
    """Move each review sentence a little towards the label of its whole review."""
    leans = [
        REVIEW_LEAN if review.positive > 0.5 else -REVIEW_LEAN
        for review in corpus.reviews
        for _ in review.sentences
    ]
    leans += [0.0] * len(corpus.unlabelled)
    odds = goals / np.maximum(1.0 - goals, 1e-6) * np.exp(np.array(leans, dtype=np.float32))
    leaning: Floats = (odds / (1.0 + odds)).astype(np.float32)
    return leaning


def _labels_and_shares(corpus: Corpus) -> tuple[Floats, Floats]:
    """Return how positive each labelled text is, and how often an epoch shows it."""
    labels = [line.positive for line in corpus.labelled]
    shares = [SHARES.get(line.source, 1.0) for line in corpus.labelled]
    return np.array(labels, dtype=np.float32), np.array(shares, dtype=np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, train, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the training files")
    parser.add_argument("--out", type=Path, required=True, help="directory the model is written to")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    corpus = read_corpus(options.data)
    say(f"{len(corpus.labelled)} labelled texts, {len(corpus.reviews)} reviews")
    tokenizer = train_tokenizer(corpus.texts())
    # The review sentences come first and in order, so that a chunk of a review is a slice of them.
    sentences = [text for review in corpus.reviews for text in review.sentences]
    pieces = {
        "labelled": encode(tokenizer, [line.text for line in corpus.labelled]),
        "film": encode(tokenizer, [*sentences, *corpus.unlabelled]),
    }
    held_out = encode(tokenizer, [line.text for line in corpus.held_out])
    truth = np.array([line.positive > 0.5 for line in corpus.held_out])
    size = tokenizer.get_vocab_size()
    say(f"{size} pieces of vocabulary, {sum(map(len, pieces['film']))} pieces of film text")
    texts = [*pieces["labelled"], *pieces["film"]]
    vectors = word_vectors(texts, size=size, width=WIDTH, seed=options.seed)
    say("word vectors done")

    labels, shares = _labels_and_shares(corpus)
    teachers = Teachers(vectors, seed=options.seed)
    teachers.fit(pieces["labelled"], labels, shares, say)
    say(f"teachers on held-out: {((teachers.opinion(held_out) > 0.5) == truth).mean():.4f}")
    teaching = Teaching(corpus, pieces, teachers, seed=options.seed)

    student = new_student(vectors, seed=options.seed)
    starts = word_starts(tokenizer)
    train(
        student,
        lambda _: teaching.lesson(starts),
        epochs=EPOCHS,
        seed=options.seed,
        after_epoch=lambda: (
            f"held-out {((probabilities(student, held_out) > 0.5) == truth).mean():.4f}"
        ),
        say=say,
    )
    save(student, tokenizer, options.out)
    say(f"saved {options.out}")


if __name__ == "__main__":
    main()
