"""The task type `token-classification`: what a text names, and where.

The canonical answer is the list of entities as compact JSON, `[[start,end,"label"],…]`: places
count characters (code points) of the input, `end` is the first one after the entity, entities stand
in the order of the text, and nothing found is `[]`. `node/inference/entities.py` has the rule that
makes them from the pieces' labels. A list of more than 1024 bytes is the error `answer-too-long`.

The margin is the smallest lead of any piece, the confidence the smallest share: one doubtful piece
makes another answer. Texts are cut after 256 pieces; nothing is found behind that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.errors import StartError
from node.inference.classifier import Classifier, Head, load_classifier, score_pieces
from node.inference.entities import entities_result
from node.inference.task_type import BAD_INPUT, BATCH_INPUTS_MAX, Runner, encode_text, text_of
from protocol.statements import Result


@dataclass(frozen=True, slots=True)
class TokenClassificationTaskType:
    """The entities of a text."""

    name: str = "token-classification"
    needs_model: bool = True
    max_length: int = 256
    batch_inputs_max: int = BATCH_INPUTS_MAX

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack the text as UTF-8."""
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        """Load a token classifier from a directory, never from the network.

        Raises:
            StartError: The directory is missing, is not a classifier, or cannot say where its
                pieces lie.
        """
        loaded = load_classifier(model_dir, head=Head.TOKEN, max_length=self.max_length)
        if not loaded.tokenizer.is_fast:
            raise StartError(f"{model_dir}/tokenizer.json: does not say where its pieces lie")
        return _TokenClassificationRunner(loaded)


class _TokenClassificationRunner:
    """A loaded classifier."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return the entities of each text; what is not text is refused."""
        texts = [text_of(one) for one in inputs]
        known = [text for text in texts if text is not None]
        scored = iter(score_pieces(self._classifier, known))
        labels = self._classifier.labels
        return [
            BAD_INPUT if text is None else entities_result(labels, next(scored)) for text in texts
        ]


TOKEN_CLASSIFICATION = TokenClassificationTaskType()
