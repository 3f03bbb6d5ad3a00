"""Reads the training texts and cuts them into word pieces."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

Pieces = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

PIECES_VOCABULARY = 16_000
PIECES_TEXT_MAX = 256  # the classifier's limit, [CLS] and [SEP] among them
PIECES_BODY_MAX = PIECES_TEXT_MAX - 2
SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL_PIECES))

SOURCES_LEFT_OUT = frozenset({"uci"})  # its licence could not be verified
SENTENCE_SEPARATOR = "␞"
FILM_SOURCES = frozenset({"rt", "vader_movie"})

# "don't", "do n't" and "do not" must reach the model as the same pieces, or a negation learnt in
# one spelling is lost in another. The order matters: the general rule would leave "ca not" behind.
REPLACEMENTS = (
    ("[‘’ʼ´`]", "'"),
    ("[“”]", '"'),
    (r"-lrb-", "("),
    (r"-rrb-", ")"),
    (r"\bcan ?n?'t\b|\bca n't\b|\bcannot\b", "can not"),
    (r"\bwo ?n't\b", "will not"),
    (r"n't\b", " not"),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One training text and how likely it is positive, 0 to 1."""

    source: str
    positive: float
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """One whole review, as sentences, and its label."""

    positive: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything the training reads."""

    labelled: tuple[Labelled, ...]
    reviews: tuple[Review, ...]
    unlabelled: tuple[str, ...]
    held_out: tuple[Labelled, ...]

    def texts(self) -> Iterator[str]:
        """Yield every text that may shape the vocabulary; never the held-out ones."""
        yield from (line.text for line in self.labelled)
        yield from self.unlabelled
        for review in self.reviews:
            yield from review.sentences


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n").split("\t")


def read_evaluation(path: Path) -> tuple[Labelled, ...]:
    """Read a file of two columns: label 0 or 1, text."""
    return tuple(Labelled(path.stem, float(label), text) for label, text in _rows(path))


def read_corpus(directory: Path) -> Corpus:
    """Read the training files of a directory; its evaluation folder is never opened."""
    labelled = tuple(
        Labelled(source, float(positive), text)
        for source, positive, text in _rows(directory / "train.tsv")
        if source not in SOURCES_LEFT_OUT
    )
    reviews = tuple(
        Review(float(label), tuple(part.strip() for part in text.split(SENTENCE_SEPARATOR)))
        for label, text in _rows(directory / "docs_train.tsv")
    )
    unlabelled = tuple(row[0] for row in _rows(directory / "unlabelled.tsv"))
    return Corpus(labelled, reviews, unlabelled, read_evaluation(directory / "val.tsv"))


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn a lower-cased WordPiece vocabulary whose normaliser spells negation one way."""
    tokenizer = Tokenizer(
        models.WordPiece(unk_token=SPECIAL_PIECES[UNK], max_input_chars_per_word=64)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(lowercase=True, strip_accents=True),
            *(normalizers.Replace(Regex(pattern), plain) for pattern, plain in REPLACEMENTS),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=PIECES_VOCABULARY,
        min_frequency=2,
        special_tokens=list(SPECIAL_PIECES),
        show_progress=False,
        limit_alphabet=200,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Pieces]:
    """Cut texts into piece ids, without [CLS] and [SEP], at most `PIECES_BODY_MAX` each."""
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [np.array(one.ids[:PIECES_BODY_MAX], dtype=np.int32) for one in encoded]


def word_starts(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Say for each piece id whether it begins a word."""
    starts = np.ones(tokenizer.get_vocab_size(), dtype=np.bool_)
    for piece, number in tokenizer.get_vocab().items():
        starts[number] = not piece.startswith("##")
    return starts


def batches(
    lengths: Sequence[int], *, pieces_max: int, texts_max: int, dice: random.Random
) -> Iterator[list[int]]:
    """Yield batches of indexes whose texts are of like length, in random order.

    Args:
        lengths: The length of each text, in pieces.
        pieces_max: How many pieces, padding among them, one batch may hold.
        texts_max: How many texts one batch may hold.
        dice: Where the order comes from.
    """
    order = list(range(len(lengths)))
    dice.shuffle(order)
    found: list[list[int]] = []
    pool_size = 4096
    for start in range(0, len(order), pool_size):
        batch: list[int] = []
        longest = 0
        for index in sorted(order[start : start + pool_size], key=lambda one: lengths[one]):
            longest = max(longest, lengths[index])
            if batch and ((len(batch) + 1) * longest > pieces_max or len(batch) == texts_max):
                found.append(batch)
                batch, longest = [], lengths[index]
            batch.append(index)
        found.append(batch)
    dice.shuffle(found)
    yield from found


def drawn(shares: Floats, dice: random.Random) -> list[int]:
    """Draw the indexes of one epoch: a share of 1.4 means once, and a second time in 4 of 10."""
    return [index for index, share in enumerate(shares) for _ in range(int(share + dice.random()))]


def padded(texts: Sequence[Pieces]) -> npt.NDArray[np.int64]:
    """Stack texts into one block, shape (texts, longest), filled up with [PAD]."""
    block = np.full((len(texts), max(1, *(len(text) for text in texts))), PAD, dtype=np.int64)
    for row, text in enumerate(texts):
        block[row, : len(text)] = text
    return block
