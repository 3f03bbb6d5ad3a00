"""The task type `word-count`: how many words a text has, as a decimal number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.inference.task_type import BAD_INPUT, Runner, certain, encode_text, text_of
from protocol.statements import Result


@dataclass(frozen=True, slots=True)
class WordCount:
    """Words are what ASCII white space parts: the same on every Python there is."""

    name: str = "word-count"
    needs_model: bool = False
    max_length: int = 0
    batch_inputs_max: int = 32

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack the text as UTF-8."""
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        """Return what counts; there is nothing to load."""
        return self

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Count the words of each text; what is not text is refused."""
        return [
            BAD_INPUT if text_of(one) is None else certain(b"%d" % len(one.split()))
            for one in inputs
        ]


WORD_COUNT = WordCount()
