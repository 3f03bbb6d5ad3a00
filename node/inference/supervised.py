"""One worker process, seen from the node: started, asked, and always reaped."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from trio.abc import ReceiveStream, SendStream

from node.inference.frames import (
    DONE,
    LENGTH_BYTES,
    READY,
    REFUSED,
    BadFrame,
    frame_length,
    pack_frame,
    unpack_body,
)
from protocol.statements import Answer, AnswerKind, Result

# `-P`: a folder called `node` where the operator happens to stand must not be taken for ours.
COMMAND = (sys.executable, "-P", "-m", "node.inference.worker")
CHUNK_BYTES = 65_536
COMPLAINT_BYTES_MAX = 4096  # how much of the worker's last words is kept
ERROR_KIND_BYTES_MAX = 64
PPM_MAX = 1_000_000


class ProcessFailed(Exception):
    """The worker process ended, cannot load, or does not keep to the frames."""


@dataclass(frozen=True, slots=True)
class TypeToLoad:
    """What the worker is told of one task type.

    Attributes:
        name: Its name in the protocol.
        reference: Where it is imported from.
        model_digest: The model it must find, or empty.
        model_dir: Where it finds it; None without a model.
    """

    name: str
    reference: str
    model_digest: bytes
    model_dir: Path | None


class ModelProcess:
    """A running worker process; made by `model_process` alone.

    `wait_lost` must run beside everything else: it empties the standard error, and it alone says
    that the process has ended.
    """

    def __init__(self, process: trio.Process, *, answer_bytes_max: int) -> None:
        self._process = process
        self._stdin, self._stdout, self._stderr = _pipes(process)
        self._answer_bytes_max = answer_bytes_max
        self._received = bytearray()
        self._complaint = b""

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    async def wait_lost(self) -> None:
        """Wait until the process ends, reading what it complains of meanwhile.

        Raises:
            ProcessFailed: Always; it says how the process ended.
        """
        async for chunk in self._stderr:
            self._complaint = (self._complaint + bytes(chunk))[-COMPLAINT_BYTES_MAX:]
        code = await self._process.wait()
        words = self._complaint.decode(errors="replace").strip().splitlines()
        raise ProcessFailed(f"it ended with code {code}" + (f": {words[-1]}" if words else ""))

    async def hello(self, types: Sequence[TypeToLoad]) -> None:
        """Tell the worker what to load, and wait until it has.

        Raises:
            ProcessFailed: It ended, or refuses to load.
        """
        listed = [
            [one.name, one.reference, one.model_digest, one.model_dir and str(one.model_dir)]
            for one in types
        ]
        match await self._ask(listed):
            case [str(word)] if word == READY:
                return
            case [str(word), str(why)] if word == REFUSED:
                raise ProcessFailed(why)
        raise ProcessFailed("the worker did not say whether it is ready")

    async def run(self, name: str, inputs: Sequence[bytes]) -> list[Result | str]:
        """Run a batch; return a result, or a text saying why there is none, for each input.

        Raises:
            ProcessFailed: The process ended, or answered something else.
        """
        match await self._ask([name, list(inputs)]):
            case [str(word), list(found)] if word == DONE and len(found) == len(inputs):
                return [self._outcome(one) for one in found]
        raise ProcessFailed("the worker did not answer the batch")

    async def _ask(self, value: Any) -> Any:
        try:
            await self._stdin.send_all(pack_frame(value))
            length = frame_length(await self._receive(LENGTH_BYTES))
            return unpack_body(await self._receive(length))
        except BadFrame as error:
            raise ProcessFailed(str(error)) from error
        except (trio.BrokenResourceError, EOFError):
            # `wait_lost` runs beside us; it knows how the process ended and ends us too.
            await trio.sleep_forever()

    async def _receive(self, count: int) -> bytes:
        while len(self._received) < count:
            chunk = await self._stdout.receive_some(CHUNK_BYTES)
            if not chunk:
                raise EOFError
            self._received += chunk
        found = bytes(self._received[:count])
        del self._received[:count]
        return found

    def _outcome(self, packed: Any) -> Result | str:
        """Read one result, which a plug-in made and which must fit into a record."""
        match packed:
            case str():
                return packed
            case [0 | 1 as kind, bytes(value), int(confidence), int(margin)] if _is_ppm(
                confidence
            ) and _is_ppm(margin):
                if kind == AnswerKind.ERROR and not _is_error_kind(value):
                    return "the task type gave an error kind that is not 1 to 64 bytes of text"
                if len(value) > self._answer_bytes_max:
                    return f"an answer of {len(value)} bytes; at most {self._answer_bytes_max} fit"
                return Result(Answer(AnswerKind(kind), value), confidence, margin)
        return "the task type gave something that is not a result"


@asynccontextmanager
async def model_process(*, answer_bytes_max: int) -> AsyncIterator[ModelProcess]:
    """Lend a new worker process; kill and reap it at the end, however that comes."""
    try:
        process = await trio.lowlevel.open_process(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=worker_environment(),
            # Ctrl-C in a terminal is for the node, which then ends the worker itself.
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessFailed(f"it cannot be started: {error}") from error
    try:
        yield ModelProcess(process, answer_bytes_max=answer_bytes_max)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            for pipe in _pipes(process):
                await pipe.aclose()


def worker_environment() -> dict[str, str]:
    """Return our environment, and the folders we import from, so that both import the same."""
    folders = [folder for folder in sys.path if folder]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def _pipes(process: trio.Process) -> tuple[SendStream, ReceiveStream, ReceiveStream]:
    """Return standard input, output and error, which are always pipes here."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ValueError("the worker was started without pipes")
    return process.stdin, process.stdout, process.stderr


def _is_ppm(number: object) -> bool:
    return type(number) is int and 0 <= number <= PPM_MAX


def _is_error_kind(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return 1 <= len(value) <= ERROR_KIND_BYTES_MAX
