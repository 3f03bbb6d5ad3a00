"""A task type without a model: answers the SHA-256 of the input.

It lets a network be tried, and tested, without a single heavy library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.inference.task_type import BATCH_INPUTS_MAX, certain, encode_text
from protocol.ids import sha256
from protocol.statements import Result


@dataclass(frozen=True, slots=True)
class _EchoRunner:
    """Needs nothing and remembers nothing."""

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return the digest of each input, always sure."""
        return [certain(sha256(one)) for one in inputs]


@dataclass(frozen=True, slots=True)
class EchoTaskType:
    """The SHA-256 of the input, 32 raw bytes."""

    name: str = "echo"
    needs_model: bool = False
    max_length: int = 0
    batch_inputs_max: int = BATCH_INPUTS_MAX

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack the text as UTF-8."""
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> _EchoRunner:
        """Return a runner at once; there is nothing to load."""
        return _EchoRunner()


ECHO = EchoTaskType()
