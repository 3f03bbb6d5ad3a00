"""The worker process: `python -m node.inference.worker`, models behind two pipes.

It ends as soon as its standard input does, even in the middle of a run, so it never outlives the
node. The kernel's parent-death signal would not do: it fires when the *thread* that started the
process ends, and trio starts processes from threads that come and go.
"""

import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from node.errors import InferenceFailed, StartError
from node.inference.frames import DONE, READY, REFUSED, BadFrame, pack_frame, read_frame
from node.inference.model_digest import check_model_dir, model_digest
from node.inference.registry import BrokenTaskType, load_task_type
from node.inference.task_type import Runner
from protocol.statements import Result

BATCHES_WAITING_MAX = 2  # the node sends one at a time
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def main() -> None:
    """Load what the first frame names, then run batches until the node hangs up."""
    os.environ.update(QUIET)
    source, sink = _own_pipes()
    frames: queue.Queue[Any] = queue.Queue(BATCHES_WAITING_MAX)
    threading.Thread(target=_read_forever, args=(source, frames), daemon=True).start()
    try:
        runners = _open(frames.get())
    except (StartError, BrokenTaskType) as error:
        _say(sink, [REFUSED, str(error)])
        return
    _say(sink, [READY])
    while True:
        name, inputs = frames.get()
        _say(sink, [DONE, _run_batch(runners[name], inputs)])


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for ourselves; what a library prints goes to the standard error."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _read_forever(source: BinaryIO, frames: "queue.Queue[Any]") -> None:
    """Hand frames over; leave at once, with the whole process, where they end."""
    try:
        while True:
            frames.put(read_frame(source))
    except (EOFError, OSError, BadFrame):
        os._exit(0)


def _open(hello: Any) -> dict[str, Runner]:
    """Load every task type of the hello frame, its model only if it is the expected one.

    Raises:
        StartError: A model is not safe, is not the expected one, or cannot be loaded.
        BrokenTaskType: A task type cannot be imported.
    """
    runners: dict[str, Runner] = {}
    for name, reference, digest, model_path in hello:
        task_type = load_task_type(name, reference).task_type
        if not task_type.needs_model:
            runners[name] = task_type.open(None)
            continue
        if model_path is None:
            raise StartError(f"the task type {name} needs a model")
        model_dir = Path(model_path)
        check_model_dir(model_dir)
        if model_digest(model_dir, task_type.max_length) != digest:
            raise StartError(f"{model_dir}: its files have changed since the node started")
        runners[name] = _open_model(task_type.open, model_dir)
    return runners


def _open_model(open_: Any, model_dir: Path) -> Runner:
    try:
        runner: Runner = open_(model_dir)
    except StartError:
        raise
    # A model library fails in ways it does not list; each means the directory cannot be used.
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise StartError(f"{model_dir}: {type(error).__name__}: {lines[0]}") from error
    return runner


def _run_batch(runner: Runner, inputs: Sequence[bytes]) -> list[Any]:
    """Return a packed result, or a text saying why there is none, for each input.

    One input that breaks a batch must not take the others with it: they run again, alone.
    """
    found = _run(runner, inputs)
    if isinstance(found, list):
        return found
    if len(inputs) == 1:
        return [found]
    return [packed for one in inputs for packed in _run_batch(runner, [one])]


def _run(runner: Runner, inputs: Sequence[bytes]) -> list[Any] | str:
    try:
        results = runner.run(inputs)
    except InferenceFailed as error:
        return str(error)
    # A model library fails in ways it does not list; none may end the process.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if len(results) != len(inputs):
        return f"{len(results)} results for {len(inputs)} inputs"
    return [_packed(result) for result in results]


def _packed(result: Result) -> list[Any]:
    answer = result.answer
    return [int(answer.kind), answer.value, result.confidence_ppm, result.margin_ppm]


def _say(sink: BinaryIO, value: Any) -> None:
    sink.write(pack_frame(value))
    sink.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
