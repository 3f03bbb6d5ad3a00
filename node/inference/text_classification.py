"""The task type `text-classification`: which label a sequence classifier gives a text.

Any classifier of the operator's runs here. The canonical answer is the label as the model spells
it, in UTF-8. The confidence is its softmax share, the margin its lead over the next label. Texts
are cut after 256 pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.inference.classifier import Classifier, Head, load_classifier, score_texts
from node.inference.confidence import best_label, confidence_ppm, margin_ppm
from node.inference.task_type import BAD_INPUT, BATCH_INPUTS_MAX, Runner, encode_text, text_of
from protocol.statements import Answer, AnswerKind, Result


@dataclass(frozen=True, slots=True)
class TextClassificationTaskType:
    """The label of a text."""

    name: str = "text-classification"
    needs_model: bool = True
    max_length: int = 256
    batch_inputs_max: int = BATCH_INPUTS_MAX

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack the text as UTF-8."""
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        """Load a sequence classifier from a directory, never from the network.

        Raises:
            StartError: The directory is missing or is not a classifier.
        """
        loaded = load_classifier(model_dir, head=Head.SEQUENCE, max_length=self.max_length)
        return _TextClassificationRunner(loaded)


class _TextClassificationRunner:
    """A loaded classifier."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._answers = [label.encode() for label in classifier.labels]

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return the label of each text; what is not text is refused."""
        texts = [text_of(one) for one in inputs]
        known = [text for text in texts if text is not None]
        rows = iter(score_texts(self._classifier, known))
        return [BAD_INPUT if text is None else self._result(next(rows)) for text in texts]

    def _result(self, logits: list[float]) -> Result:
        index = best_label(logits)
        return Result(
            Answer(AnswerKind.VALUE, self._answers[index]),
            confidence_ppm=confidence_ppm(logits, index),
            margin_ppm=margin_ppm(logits, index),
        )


TEXT_CLASSIFICATION = TextClassificationTaskType()
