"""What a task type promises: the contract of every plug-in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from node.errors import RequestRefused
from protocol.statements import Answer, AnswerKind, Result

CONFIDENCE_PPM_MAX = 1_000_000
BATCH_INPUTS_MAX = 32  # measured: 30 ms for sentences; larger ones answer no faster per text
BAD_INPUT = Result(
    Answer(AnswerKind.ERROR, b"bad-input"),
    confidence_ppm=CONFIDENCE_PPM_MAX,
    margin_ppm=CONFIDENCE_PPM_MAX,
)


class Runner(Protocol):
    """A task type made ready in the worker process, its model loaded if it has one."""

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        """Return one result for each input, in their order.

        An input the type refuses is an answer of kind `ERROR`, equal on every node.

        Raises:
            InferenceFailed: The model gave something that is not an answer.
        """
        ...


class TaskType(Protocol):
    """One kind of question: how it is packed, and what answers it.

    A module of a task type is imported by the node as well as by the worker process. It must not
    import a heavy library before `open` is called.
    """

    @property
    def name(self) -> str:
        """Return the name in the protocol, 1 to 64 bytes of UTF-8."""
        ...

    @property
    def needs_model(self) -> bool:
        """Say whether `open` wants a model directory."""
        ...

    @property
    def max_length(self) -> int:
        """Return where inputs are cut, in pieces; a part of the model digest. 0 without a model."""
        ...

    @property
    def batch_inputs_max(self) -> int:
        """Return how many inputs may run as one batch, 1 to BATCH_INPUTS_MAX.

        A batch has a minute; one that takes longer is taken for hung, and its process is killed.
        """
        ...

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        """Pack what a user typed, as UTF-8 wherever possible: then every node can show it.

        Raises:
            RequestRefused: The text is empty, too long, or not what the type asks for.
        """
        ...

    def open(self, model_dir: Path | None) -> Runner:
        """Make the type ready; called once, in the worker process alone.

        Raises:
            StartError: The model cannot be used.
        """
        ...


def encode_text(text: str, *, input_bytes_max: int) -> bytes:
    """Pack plain text as UTF-8.

    Raises:
        RequestRefused: There is nothing but white space, or too much, or half a character.
    """
    if not text.strip():
        raise RequestRefused(400, "text_empty", "the text is empty")
    try:
        packed = text.encode()
    except UnicodeEncodeError as error:
        raise RequestRefused(400, "text_not_unicode", "the text is not valid Unicode") from error
    if len(packed) > input_bytes_max:
        message = f"the text has {len(packed)} bytes in UTF-8; at most {input_bytes_max} are taken"
        raise RequestRefused(400, "text_too_long", message)
    return packed


def text_of(packed: bytes) -> str | None:
    """Return the text of an input, or None if it is not UTF-8, or nothing but ASCII white space.

    What other white space there is depends on the release of Python, and nodes must agree.
    """
    if not packed.strip():
        return None
    try:
        return packed.decode()
    except UnicodeDecodeError:
        return None


def certain(value: bytes) -> Result:
    """Return an answer that leaves no doubt, as of a type that computes and does not guess."""
    return Result(
        Answer(AnswerKind.VALUE, value),
        confidence_ppm=CONFIDENCE_PPM_MAX,
        margin_ppm=CONFIDENCE_PPM_MAX,
    )
