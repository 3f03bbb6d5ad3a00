"""What the inference tests are made of: model directories, services, and task types that fail."""

import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from node.errors import InferenceFailed
from node.inference.registry import FoundTaskType, load_task_type
from node.inference.service import InferenceLimits, InferenceService
from node.inference.task_type import BATCH_INPUTS_MAX, Runner, encode_text
from protocol.statements import Answer, AnswerKind, Result

ECHO_REFERENCE = "node.inference.echo:ECHO"
SENTIMENT_REFERENCE = "node.inference.sentiment:SENTIMENT"
MODULE = "tests.node.inference_builders"

CONFIG = json.dumps({"model_type": "distilbert"}).encode()
WEIGHTS = (2).to_bytes(8, "little") + b"{}"
LIMITS = InferenceLimits(
    input_bytes_max=16_384, answer_bytes_max=1024, run_timeout_s=30.0, restart_wait_min_s=0.01
)


def a_model_dir(parent: Path, **files: bytes) -> Path:
    """Write the least that looks like a model, with some files added or replaced."""
    model_dir = parent / "model"
    model_dir.mkdir()
    content = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"}
    for name, body in {**content, **files}.items():
        (model_dir / name).write_bytes(body)
    return model_dir


def echo() -> FoundTaskType:
    return load_task_type("echo", ECHO_REFERENCE)


def sentiment() -> FoundTaskType:
    return load_task_type("sentiment", SENTIMENT_REFERENCE)


def tricky() -> FoundTaskType:
    return load_task_type("tricky", f"{MODULE}:TRICKY")


def tricky_model() -> FoundTaskType:
    """Return a type that needs a model and never reads it."""
    return load_task_type("tricky-model", f"{MODULE}:TRICKY_MODEL")


class Watched:
    """A running service, and how to wait for what it becomes."""

    def __init__(
        self,
        task_types: Sequence[FoundTaskType],
        model_dirs: Mapping[str, Path],
        limits: InferenceLimits = LIMITS,
    ) -> None:
        self._changed = trio.Event()
        self.service = InferenceService(
            task_types=task_types,
            model_dirs=model_dirs,
            limits=limits,
            changed=self._tell,
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_ready(self) -> None:
        while not self.service.capabilities():
            await self._changed.wait()

    async def wait_error(self, words: str) -> None:
        while words not in self.service.status.last_error:
            await self._changed.wait()

    async def ask(self, task_type: str, text: str) -> Result:
        capability = self.service.default_capability(task_type)
        return await self.service.infer(capability, self.service.encode(task_type, text))


@asynccontextmanager
async def a_running_service(
    *task_types: FoundTaskType,
    model_dirs: Mapping[str, Path] | None = None,
    limits: InferenceLimits = LIMITS,
) -> AsyncIterator[Watched]:
    watched = Watched(task_types, model_dirs or {}, limits)
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            await nursery.start(watched.service.run)
            await watched.wait_ready()
            yield watched
            nursery.cancel_scope.cancel()


class _TrickyRunner:
    """Does what the input says."""

    def run(self, inputs: Sequence[bytes]) -> list[Result]:
        return [self._one(packed, len(inputs)) for packed in inputs]

    def _one(self, packed: bytes, batch_size: int) -> Result:
        value = packed
        match packed:
            case b"crash":
                os._exit(7)
            case b"hang":
                time.sleep(3600)
            case b"nan":
                raise InferenceFailed("a score is NaN")
            case b"bug":
                raise ZeroDivisionError("inside the model")
            case b"print":
                print("noise on the standard output", flush=True)
            case b"long":
                value = b"x" * 5000
            case b"batch size":
                value = str(batch_size).encode()
            case b"too sure":
                return Result(Answer(AnswerKind.VALUE, value), 1_000_001, 0)
            case b"modules":
                value = b" ".join(
                    name.encode() for name in ("torch", "transformers", "numpy") if _imported(name)
                )
        return Result(Answer(AnswerKind.VALUE, value), 500_000, 500_000)


def _imported(name: str) -> bool:
    import sys

    return name in sys.modules


@dataclass(frozen=True, slots=True)
class TrickyTaskType:
    name: str = "tricky"
    needs_model: bool = False
    max_length: int = 0
    batch_inputs_max: int = BATCH_INPUTS_MAX

    def encode(self, text: str, *, input_bytes_max: int) -> bytes:
        return encode_text(text, input_bytes_max=input_bytes_max)

    def open(self, model_dir: Path | None) -> Runner:
        return _TrickyRunner()


TRICKY = TrickyTaskType()
TOO_MANY_AT_ONCE = TrickyTaskType(batch_inputs_max=BATCH_INPUTS_MAX + 1)
ONE_AT_A_TIME = TrickyTaskType(name="one-at-a-time", batch_inputs_max=1)
TRICKY_MODEL = TrickyTaskType(name="tricky-model", needs_model=True, max_length=256)
