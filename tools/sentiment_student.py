"""The student: a small DistilBERT classifier that learns from labels and from its teachers."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from tools.sentiment_average import Average
from tools.sentiment_corpus import (
    CLS,
    MASK,
    PAD,
    PIECES_TEXT_MAX,
    SEP,
    SPECIAL_PIECES,
    UNK,
    Floats,
    Pieces,
    batches,
    padded,
)

LAYERS = 3
WIDTH = 128
HEADS = 4
HIDDEN = 256
WARM_SHARE = 0.06
MASKED_SHARE = 0.08
BATCH_PIECES_MAX = 2400
BATCH_TEXTS_MAX = 96
FILE_MODE = 0o644

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one epoch teaches: texts, and how likely each is positive."""

    texts: list[Pieces]
    positive: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how boldly the student learns."""

    epochs: int
    rate: float
    average_decay: float  # of a step: 0.999 looks back over a thousand steps


def new_student(vectors: Floats, *, seed: int) -> DistilBertForSequenceClassification:
    """Return an untrained student whose word vectors are already known."""
    torch.manual_seed(seed)
    config = DistilBertConfig(
        vocab_size=vectors.shape[0],
        max_position_embeddings=PIECES_TEXT_MAX,
        n_layers=LAYERS,
        dim=WIDTH,
        n_heads=HEADS,
        hidden_dim=HIDDEN,
        dropout=0.12,
        attention_dropout=0.0,  # costs a fifth of the time
        seq_classif_dropout=0.2,
        pad_token_id=PAD,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    student = DistilBertForSequenceClassification(config)
    with torch.no_grad():
        student.distilbert.embeddings.word_embeddings.weight.copy_(torch.from_numpy(vectors * 0.1))
    return student


def _block(texts: Sequence[Pieces]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return piece ids with [CLS] and [SEP], and where they are not padding."""
    ends = np.array([SEP], dtype=np.int32)
    starts = np.array([CLS], dtype=np.int32)
    pieces = torch.from_numpy(padded([np.concatenate((starts, one, ends)) for one in texts]))
    return pieces, (pieces != PAD).long()


def train(
    student: DistilBertForSequenceClassification,
    next_lesson: Callable[[], Lesson],
    course: Course,
    *,
    seed: int,
    after_epoch: Callable[[], str],
    say: Say,
) -> None:
    """Train the student, with one lesson for each epoch and a rate that falls to nothing.

    What it ends with are not the weights of the last step but their running average.
    """
    torch.manual_seed(seed)
    dice = random.Random(seed)
    epochs = course.epochs
    decayed = [one for one in student.parameters() if one.ndim > 1]
    plain = [one for one in student.parameters() if one.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
        lr=course.rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = Average(student, decay=course.average_decay)
    student.train()
    for epoch in range(epochs):
        lesson = next_lesson()
        plan = _plan(lesson, dice)
        total = 0.0
        for number, rows in enumerate(plan):
            done = (epoch + number / len(plan)) / epochs
            for group in optimizer.param_groups:
                group["lr"] = course.rate * min(
                    done / WARM_SHARE, (1.0 - done) / (1.0 - WARM_SHARE)
                )
            pieces, mask = _block([lesson.texts[row] for row in rows])
            hidden = (torch.rand(pieces.shape) < MASKED_SHARE) & (pieces > MASK)
            scores = student(input_ids=pieces.masked_fill(hidden, MASK), attention_mask=mask).logits
            goal = torch.from_numpy(lesson.positive[rows])
            loss = nn.functional.cross_entropy(scores, torch.stack((1 - goal, goal), dim=1))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            average.update()
            total += float(loss.detach())
            if (number + 1) % 400 == 0:
                mean = total / (number + 1)
                say(f"student epoch {epoch + 1}/{epochs} {number + 1}/{len(plan)}: {mean:.4f}")
        average.swap()
        student.train(mode=False)
        say(f"student epoch {epoch + 1}/{epochs}: loss {total / len(plan):.4f}; {after_epoch()}")
        if epoch + 1 < epochs:
            student.train()
            average.swap()


def _plan(lesson: Lesson, dice: random.Random) -> list[list[int]]:
    """Return the batches of an epoch, as rows of its lesson."""
    lengths = [len(text) for text in lesson.texts]
    found = batches(lengths, pieces_max=BATCH_PIECES_MAX, texts_max=BATCH_TEXTS_MAX, dice=dice)
    return list(found)


def probabilities(student: DistilBertForSequenceClassification, texts: Sequence[Pieces]) -> Floats:
    """Return how likely each text is positive, as the student sees it."""
    found = np.zeros(len(texts), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda one: len(texts[one]))
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            pieces, mask = _block([texts[row] for row in rows])
            scores = student(input_ids=pieces, attention_mask=mask).logits
            found[rows] = scores.softmax(dim=1)[:, 1].numpy()
    return found


def save(
    student: DistilBertForSequenceClassification, tokenizer: Tokenizer, directory: Path
) -> None:
    """Write the model as half-precision safetensors, and its tokenizer, into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for parameter in student.parameters():
        parameter.data = parameter.data.to(torch.float16)
    student.save_pretrained(directory)
    wrap: Any = PreTrainedTokenizerFast
    wrapped = wrap(
        tokenizer_object=tokenizer,
        unk_token=SPECIAL_PIECES[UNK],
        pad_token=SPECIAL_PIECES[PAD],
        cls_token=SPECIAL_PIECES[CLS],
        sep_token=SPECIAL_PIECES[SEP],
        mask_token=SPECIAL_PIECES[MASK],
        model_max_length=PIECES_TEXT_MAX,
        model_input_names=["input_ids", "attention_mask"],
    )
    wrapped.save_pretrained(directory)
    # Half precision is for the disk alone: every node must compute in the same, full precision. And
    # the class must be this one, or transformers rebuilds the normaliser and loses ours.
    _amend(directory / "config.json", {"dtype": "float32"})
    _amend(directory / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    for path in directory.iterdir():
        if path.suffix in {".json", ".safetensors"}:
            path.chmod(FILE_MODE)


def _amend(path: Path, changes: dict[str, str]) -> None:
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.update(changes)
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
