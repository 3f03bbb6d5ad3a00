"""Classifiers of random weights, small enough to be made by a test."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedModel,
)

ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("this", "example", "is", "anna", "met", "bob", "in", "paris", "good", "bad", "sport")
LETTERS = "abcdefghijklmnopqrstuvwxyzé.,!'"
PLACES = 64

MOODS = ("Bad", "GOOD ✓", "so-so")
NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
NLI = ("contradiction", "neutral", "Entailment")


def a_text_classifier(
    model_dir: Path, labels: Sequence[str] = MOODS, *, problem_type: ProblemType | None = None
) -> Path:
    """Write a model that gives texts, or pairs of texts, one of some labels."""
    config = _config(labels, problem_type)
    return _saved(model_dir, BertForSequenceClassification(config))


def a_token_classifier(model_dir: Path, labels: Sequence[str] = NAMES) -> Path:
    """Write a model that gives each piece of a text one of some labels."""
    return _saved(model_dir, BertForTokenClassification(_config(labels, None)))


def _config(labels: Sequence[str], problem_type: ProblemType | None) -> BertConfig:
    torch.manual_seed(1)
    return BertConfig(
        vocab_size=len(_pieces()),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=PLACES,
        pad_token_id=0,
        initializer_range=1.0,  # far apart, so that no rounding decides
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type=problem_type,
    )


def _saved(model_dir: Path, model: PreTrainedModel) -> Path:
    model.save_pretrained(model_dir)
    tokenizer = Tokenizer(
        WordPiece({piece: index for index, piece in enumerate(_pieces())}, unk_token="[UNK]")
    )
    tokenizer.normalizer = BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(model_dir / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (model_dir / "tokenizer_config.json").write_text(json.dumps(settings))
    return model_dir


def _pieces() -> list[str]:
    return [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
