"""The task type `sentiment`: which label a sequence classifier gives a text.

Any classifier of the operator's runs here; the label is passed on as the model spells it. Every
node computes in full precision on one thread: measured, half precision flips a label about once in
46,000 texts, full precision once in a hundred million.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import InferenceFailed, StartError
from node.inference.confidence import best_label, confidence_ppm, margin_ppm
from node.inference.model_digest import listed_files_only
from node.inference.task_type import BAD_INPUT, Runner, encode_text
from protocol.statements import Answer, AnswerKind, Result

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

THREADS = 1  # measured: a second one saves a quarter of the time and costs the neighbours a core
LABELS_MIN = 2


@dataclass(frozen=True, slots=True)
class SentimentTaskType:
    """The label of a text, in UTF-8, as the model names it."""

    name: str = "sentiment"
    needs_model: bool = True
    max_length: int = 256

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack the text as UTF-8."""
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        """Load a sequence classifier from a directory, never from the network.

        Raises:
            StartError: The directory is missing or is not a classifier.
        """
        if model_dir is None:
            raise StartError("the task type sentiment needs a model directory")
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        torch.set_num_threads(THREADS)
        with listed_files_only(model_dir) as files:
            tokenizer = AutoTokenizer.from_pretrained(
                files, local_files_only=True, trust_remote_code=False
            )
            model, loading = AutoModelForSequenceClassification.from_pretrained(
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
                f"{model_dir}/model.safetensors: not a whole sequence classifier; "
                f"{len(lacking)} weights are missing, such as {lacking[0]}"
            )
        if len(_labels(model)) < LABELS_MIN:
            raise StartError(
                f"{model_dir}/config.json: a classifier needs at least {LABELS_MIN} labels"
            )
        model.eval()
        return _SentimentRunner(tokenizer, model, self.max_length)


class _SentimentRunner:
    """A loaded classifier."""

    def __init__(
        self, tokenizer: "PreTrainedTokenizerBase", model: "PreTrainedModel", max_length: int
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._labels = [label.encode() for label in _labels(model)]
        # A classifier may take fewer pieces than the task type allows; both are in the digest.
        places = getattr(model.config, "max_position_embeddings", None)
        self._pieces_max = min(max_length, places) if isinstance(places, int) else max_length

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return the label of each text; what is not text is refused."""
        texts = [_text_of(one) for one in inputs]
        known = [text for text in texts if text is not None]
        rows = iter(self._logits(known))
        return [BAD_INPUT if text is None else self._result(next(rows)) for text in texts]

    def _logits(self, texts: list[str]) -> list[list[float]]:
        """Return one row of raw scores for each text, run as one block."""
        if not texts:
            return []
        if len(texts) > 1 and self._tokenizer.pad_token is None:
            return [row for text in texts for row in self._logits([text])]
        import torch

        block = self._tokenizer(
            texts,
            truncation=True,
            max_length=self._pieces_max,
            padding=len(texts) > 1,
            return_tensors="pt",
        )
        with torch.inference_mode():
            rows: list[list[float]] = self._model(**block).logits.tolist()
        if len(rows) != len(texts):
            raise InferenceFailed(f"the model gave {len(rows)} rows for {len(texts)} texts")
        return rows

    def _result(self, logits: list[float]) -> Result:
        index = best_label(logits)
        return Result(
            Answer(AnswerKind.VALUE, self._labels[index]),
            confidence_ppm=confidence_ppm(logits, index),
            margin_ppm=margin_ppm(logits, index),
        )


def _labels(model: "PreTrainedModel") -> list[str]:
    """Return the names of a model's labels, in the order of its scores."""
    named = {int(index): str(label) for index, label in (model.config.id2label or {}).items()}
    return [named[index] for index in range(len(named))]


def _text_of(packed: bytes) -> str | None:
    """Return the text, or None if it is not UTF-8, or nothing but ASCII white space.

    What other white space there is depends on the release of Python, and nodes must agree.
    """
    if not packed.strip():
        return None
    try:
        return packed.decode()
    except UnicodeDecodeError:
        return None


SENTIMENT = SentimentTaskType()
