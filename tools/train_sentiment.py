"""Trains the default sentiment model from scratch: vocabulary, word vectors, teachers, student.

Run it as `python tools/train_sentiment.py --data DIR --out DIR`. What `DIR` must hold is told in
MODEL_CARD.md of the result. One thread, so that the same seed gives the same model.
"""

import argparse
import copy
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from tools.sentiment_student import (
    WIDTH,
    Course,
    Lesson,
    new_student,
    probabilities,
    save,
    train,
)
from tools.sentiment_teachers import Teachers
from tools.sentiment_vectors import word_vectors

TEACHER_SHARE = 0.8  # of a labelled text's goal; the rest is its label
SPAN_PIECES_MAX = 22
RATED_SOURCE = "vader_movie"  # its numbers are the mean of 20 raters
REVIEW_LEAN = 0.4  # how far, in log odds, a sentence leans towards the label of its review


@dataclass(frozen=True, slots=True)
class Mix:
    """What an epoch shows of each kind of text; a share of 1 shows every text once."""

    labelled: dict[str, float]  # by source
    review_sentences: float
    snippets: float  # unlabelled ones
    reviews: float  # cut to what the model can read at once
    spans: int
    snippet_spans: float  # how many of the spans come from critics' snippets
    rater_share: float = 0.0  # how much raters' own numbers count against the teachers' opinion


# Films are what the model is measured on; the lists of pros and cons are many, short and noisy.
BROAD = Mix(
    labelled={
        "rt": 2.0,
        "vader_movie": 2.0,
        "vader_tweet": 0.7,
        "vader_nytEd": 0.3,
        "vader_amazo": 1.0,
        "cr": 1.0,
        "proscons": 0.35,
        "go": 0.5,
        "lex": 0.5,
        "vlex": 0.3,
    },
    review_sentences=0.6,
    snippets=2.0,
    reviews=1.0,
    spans=70_000,
    snippet_spans=0.5,
)
FILMS = Mix(
    labelled={
        "rt": 1.0,
        "vader_movie": 2.0,
        "vader_tweet": 0.2,
        "vader_nytEd": 0.1,
        "vader_amazo": 0.6,
        "cr": 0.6,
        "proscons": 0.06,
        "go": 0.1,
        "lex": 0.1,
        "vlex": 0.1,
    },
    review_sentences=0.12,
    snippets=1.0,
    reviews=0.25,
    spans=14_000,
    snippet_spans=0.85,
    rater_share=0.5,
)
BROAD_COURSE = Course(epochs=4, rate=1e-3, average_decay=0.999)
FILM_COURSE = Course(epochs=1, rate=4e-4, average_decay=0.995)  # a second epoch learns by heart
STUDENT_SHARE = 0.4  # of the opinion on spans in the film course: both are better than either

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
        self._labels = _labels(corpus)
        self._sources = [line.source for line in corpus.labelled]
        self._rated = np.array([source == RATED_SOURCE for source in self._sources])
        self._film = pieces["film"]
        self._reviews = [review.positive for review in corpus.reviews]
        self._review_sentences = np.cumsum([0] + [len(one.sentences) for one in corpus.reviews])
        self._snippets = self._film[int(self._review_sentences[-1]) :] + [
            text
            for text, source in zip(self._labelled, self._sources, strict=True)
            if source in FILM_SOURCES
        ]
        self._dice = random.Random(seed)
        self._labelled_goals = teachers.opinion(self._labelled)
        self._film_goals = _lean(teachers.opinion(self._film), corpus)

    def lesson(
        self,
        mix: Mix,
        starts: npt.NDArray[np.bool_],
        span_opinion: Callable[[list[Pieces]], Floats],
    ) -> Lesson:
        """Draw the texts of one epoch: labelled, film sentences, spans and pieces of reviews."""
        mine = drawn(shares_of(self._sources, mix), self._dice)
        films = drawn(self._film_shares(mix), self._dice)
        spans = [self._span(mix, starts) for _ in range(mix.spans)]
        reviews = [i for i in range(len(self._reviews)) if self._dice.random() < mix.reviews]
        chunks = [self._chunk(number) for number in reviews]
        texts = [*(self._labelled[i] for i in mine), *(self._film[i] for i in films)]
        goals = (
            self._goals(mix, mine),
            self._film_goals[films],
            span_opinion(spans),
            np.clip(np.array(self._reviews, dtype=np.float32)[reviews], 0.05, 0.95),
        )
        return Lesson(
            texts=[*texts, *spans, *chunks], positive=np.concatenate(goals).astype(np.float32)
        )

    def _goals(self, mix: Mix, mine: list[int]) -> Floats:
        """Mix the teachers' opinion of labelled texts with their labels."""
        labels = self._labels[mine]
        trust = np.where(self._rated[mine], mix.rater_share, 0.0)
        opinion = (1.0 - trust) * self._labelled_goals[mine] + trust * labels
        goals = TEACHER_SHARE * opinion + (1.0 - TEACHER_SHARE) * np.clip(labels, 0.03, 0.97)
        return goals.astype(np.float32)

    def _film_shares(self, mix: Mix) -> Floats:
        shares = np.full(len(self._film), mix.snippets, dtype=np.float32)
        shares[: int(self._review_sentences[-1])] = mix.review_sentences
        return shares

    def _span(self, mix: Mix, starts: npt.NDArray[np.bool_]) -> Pieces:
        """Cut some words out of a film sentence; phrases are a large part of real questions."""
        while True:
            chosen = self._dice.random() < mix.snippet_spans
            text = self._dice.choice(self._snippets if chosen else self._film)
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


def _labels(corpus: Corpus) -> Floats:
    """Return how positive each labelled text is."""
    return np.array([line.positive for line in corpus.labelled], dtype=np.float32)


def shares_of(sources: Sequence[str], mix: Mix) -> Floats:
    """Return how often an epoch shows each labelled text."""
    return np.array([mix.labelled[source] for source in sources], dtype=np.float32)


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

    teachers = Teachers(vectors, seed=options.seed)
    shares = shares_of([line.source for line in corpus.labelled], BROAD)
    teachers.fit(pieces["labelled"], _labels(corpus), shares, say)
    say(f"teachers on held-out: {((teachers.opinion(held_out) > 0.5) == truth).mean():.4f}")
    teaching = Teaching(corpus, pieces, teachers, seed=options.seed)

    student = new_student(teachers.vectors(), seed=options.seed)
    starts = word_starts(tokenizer)

    def progress() -> str:
        return f"held-out {((probabilities(student, held_out) > 0.5) == truth).mean():.4f}"

    train(
        student,
        lambda: teaching.lesson(BROAD, starts, teachers.opinion),
        BROAD_COURSE,
        seed=options.seed,
        after_epoch=progress,
        say=say,
    )
    first = copy.deepcopy(student)

    def two_heads(spans: list[Pieces]) -> Floats:
        mine = STUDENT_SHARE * probabilities(first, spans)
        return mine + (1.0 - STUDENT_SHARE) * teachers.opinion(spans)

    train(
        student,
        lambda: teaching.lesson(FILMS, starts, two_heads),
        FILM_COURSE,
        seed=options.seed + 1,
        after_epoch=progress,
        say=say,
    )
    save(student, tokenizer, options.out)
    say(f"saved {options.out}")


if __name__ == "__main__":
    main()
