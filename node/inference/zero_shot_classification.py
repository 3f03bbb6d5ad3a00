"""The task type `zero-shot-classification`: which of the labels in the input fits its text best.

A model of natural language inference reads the text as a premise and, for each label, the
hypothesis "This example is LABEL." What it gives `entailment` is the raw score of LABEL. The
canonical answer is the label with the highest one, in UTF-8; of equals, the first in the input. The
confidence is its softmax share among the labels, the margin its lead over the next one.

`node/inference/labelled_text.py` has the input. Premise and hypothesis together are cut after 256
pieces, the longer of the two first. The wording is part of the type: another would be another name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.errors import StartError
from node.inference.classifier import Classifier, Head, load_classifier, score_texts
from node.inference.confidence import best_label, confidence_ppm, margin_ppm
from node.inference.labelled_text import LabelledText, encode_labelled_text, find_labelled_text
from node.inference.task_type import BAD_INPUT, Runner
from protocol.statements import Answer, AnswerKind, Result

ENTAILMENT = "entailment"


@dataclass(frozen=True, slots=True)
class ZeroShotClassificationTaskType:
    """The label that fits, of those the input offers."""

    name: str = "zero-shot-classification"
    needs_model: bool = True
    max_length: int = 256
    batch_inputs_max: int = 1  # one input is a block of as many runs as it has labels

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack a JSON object with `text` and `labels`."""
        return encode_labelled_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        """Load a model of natural language inference, never from the network.

        Raises:
            StartError: The directory is missing, or its model has no label `entailment`.
        """
        loaded = load_classifier(model_dir, head=Head.SEQUENCE, max_length=self.max_length)
        found = [i for i, label in enumerate(loaded.labels) if label.lower() == ENTAILMENT]
        if len(found) != 1:
            raise StartError(
                f"{model_dir}/config.json: need one label {ENTAILMENT}; "
                f"its labels are {', '.join(loaded.labels)[:200]}"
            )
        return _ZeroShotRunner(loaded, found[0])


class _ZeroShotRunner:
    """A loaded model, and which of its scores counts."""

    def __init__(self, classifier: Classifier, entailment: int) -> None:
        self._classifier = classifier
        self._entailment = entailment

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return the best label of each input; what is no question is refused."""
        questions = [find_labelled_text(one) for one in inputs]
        return [BAD_INPUT if one is None else self._result(one) for one in questions]

    def _result(self, question: LabelledText) -> Result:
        texts = [question.text] * len(question.labels)
        hypotheses = [f"This example is {label}." for label in question.labels]
        rows = score_texts(self._classifier, texts, hypotheses)
        logits = [row[self._entailment] for row in rows]
        index = best_label(logits)
        return Result(
            Answer(AnswerKind.VALUE, question.labels[index].encode()),
            confidence_ppm=confidence_ppm(logits, index),
            margin_ppm=margin_ppm(logits, index),
        )


ZERO_SHOT_CLASSIFICATION = ZeroShotClassificationTaskType()
