"""Loads a classifier from a directory and asks it for raw scores.

Every node computes in full precision on one thread: measured, half precision flips a label about
once in 46,000 texts, full precision once in a hundred million. Nothing is ever fetched, and
nothing but safetensors is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.errors import InferenceFailed, StartError
from node.inference.model_digest import listed_files_only

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

THREADS = 1  # measured: a second one saves a quarter of the time and costs the neighbours a core
LABELS_MIN = 2
Offsets = tuple[int, int]


class Head(Enum):
    """What a classifier gives labels to; the value is the class of transformers."""

    SEQUENCE = "AutoModelForSequenceClassification"
    TOKEN = "AutoModelForTokenClassification"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded model.

    Attributes:
        tokenizer: Cuts texts into the pieces the model reads.
        model: Gives each text, or each piece, one raw score a label.
        labels: The names of the labels, in the order of the scores, as the model spells them.
        pieces_max: Where texts are cut.
    """

    tokenizer: "PreTrainedTokenizerBase"
    model: "PreTrainedModel"
    labels: tuple[str, ...]
    pieces_max: int


def load_classifier(model_dir: Path | None, *, head: Head, max_length: int) -> Classifier:
    """Load a model that gives each text, or each piece, exactly one label.

    Raises:
        StartError: The directory is missing, or holds no such model.
    """
    if model_dir is None:
        raise StartError("a classifier needs a model directory")
    import torch
    import transformers

    torch.set_num_threads(THREADS)
    with listed_files_only(model_dir) as files:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            files, local_files_only=True, trust_remote_code=False
        )
        model, loading = getattr(transformers, head.value).from_pretrained(
            files,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    # What a file lacks is filled with dice, and no two nodes would agree on anything.
    lacking = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))
    if lacking:
        raise StartError(
            f"{model_dir}/model.safetensors: not a whole {head.name.lower()} classifier; "
            f"{len(lacking)} weights are missing, such as {lacking[0]}"
        )
    labels = _labels(model)
    _check_kind(model_dir, head, getattr(model.config, "architectures", None) or [])
    _check_one_label(model_dir, labels, getattr(model.config, "problem_type", None))
    model.eval()
    # A classifier may take fewer pieces than the task type allows; both are in the digest.
    places = getattr(model.config, "max_position_embeddings", None)
    pieces_max = min(max_length, places) if isinstance(places, int) else max_length
    return Classifier(tokenizer, model, labels, pieces_max)


def score_texts(
    classifier: Classifier, texts: Sequence[str], seconds: Sequence[str] | None = None
) -> list[list[float]]:
    """Return one row of raw scores for each text, run as one block.

    Args:
        classifier: One with a head for sequences.
        texts: What is scored.
        seconds: The second half of each text, for models that compare two.

    Raises:
        InferenceFailed: The model did not give one row for each text.
    """
    if _must_run_alone(classifier, texts):
        halves = [None] * len(texts) if seconds is None else [[second] for second in seconds]
        pairs = zip(texts, halves, strict=True)
        return [row for text, half in pairs for row in score_texts(classifier, [text], half)]
    if not texts:
        return []
    rows: list[list[float]] = _logits(classifier, _encode(classifier, texts, seconds))
    if len(rows) != len(texts):
        raise InferenceFailed(f"the model gave {len(rows)} rows for {len(texts)} texts")
    return rows


def score_pieces(
    classifier: Classifier, texts: Sequence[str]
) -> list[list[tuple[Offsets, list[float]]]]:
    """Return, for each text, where each of its pieces lies, and the piece's raw scores.

    A piece of no characters (marks that frame a text, and what fills up a block) is left out.

    Args:
        classifier: One with a head for tokens.
        texts: What is scored, run as one block.
    """
    if _must_run_alone(classifier, texts):
        return [one for text in texts for one in score_pieces(classifier, [text])]
    if not texts:
        return []
    block = _encode(classifier, texts, None, return_offsets_mapping=True)
    places: list[list[list[int]]] = block.pop("offset_mapping").tolist()
    rows = _logits(classifier, block) if block["input_ids"].numel() else [[] for _ in texts]
    return [
        [((s, e), row) for (s, e), row in zip(offsets, scores, strict=True) if s < e]
        for offsets, scores in zip(places, rows, strict=True)
    ]


def _must_run_alone(classifier: Classifier, texts: Sequence[str]) -> bool:
    """Say whether texts cannot be run as one block, for want of a piece to fill it up with."""
    return len(texts) > 1 and classifier.tokenizer.pad_token is None


def _encode(
    classifier: Classifier,
    texts: Sequence[str],
    seconds: Sequence[str] | None,
    *,
    return_offsets_mapping: bool = False,
) -> "BatchEncoding":
    block: BatchEncoding = classifier.tokenizer(
        list(texts),
        None if seconds is None else list(seconds),
        truncation=True,
        max_length=classifier.pieces_max,
        padding=len(texts) > 1,
        return_tensors="pt",
        return_offsets_mapping=return_offsets_mapping,
    )
    return block


def _logits(classifier: Classifier, block: "BatchEncoding") -> Any:
    """Return the raw scores as nested lists of floats."""
    import torch

    with torch.inference_mode():
        return classifier.model(**block).logits.tolist()


def _labels(model: "PreTrainedModel") -> tuple[str, ...]:
    named = {int(index): str(label) for index, label in (model.config.id2label or {}).items()}
    return tuple(named[index] for index in range(len(named)))


def _check_kind(model_dir: Path, head: Head, made_as: Sequence[str]) -> None:
    """Refuse a model made with another head; the weights of two heads may look alike."""
    wanted = head.value.removeprefix("Auto").removeprefix("Model")
    if made_as and not any(str(name).endswith(wanted) for name in made_as):
        raise StartError(
            f"{model_dir}/config.json: not a {head.name.lower()} classifier; it is {made_as[0]}"
        )


def _check_one_label(model_dir: Path, labels: Sequence[str], problem: str | None) -> None:
    if len(labels) < LABELS_MIN:
        raise StartError(
            f"{model_dir}/config.json: a classifier needs at least {LABELS_MIN} labels; "
            f"this one has {len(labels)}"
        )
    if problem not in (None, "single_label_classification"):
        raise StartError(
            f"{model_dir}/config.json: problem_type is {problem}; "
            "only models that choose one label are run"
        )
