"""Runs models for the node in a process that cannot hurt it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from node.errors import InferenceFailed, RequestRefused, StartError
from node.inference.model_digest import check_model_dir, model_digest
from node.inference.models import require_libraries
from node.inference.registry import FoundTaskType
from node.inference.supervised import ModelProcess, ProcessFailed, TypeToLoad, model_process
from node.inference.waiting import WaitingInputs
from node.metering import Histogram
from protocol.statements import Capability, Result

if TYPE_CHECKING:  # the stubs that libp2p brings along hide trio's own
    from trio_typing import TaskStatus

LOAD_TIMEOUT_S = (
    120.0  # measured: 5 s quiet, 11 s busy; a large model from a slow disk takes longer
)
RUN_TIMEOUT_S = 60.0  # measured: 0.8 s for the longest batch of the embedded model
RESTART_WAIT_MIN_S = 0.5
RESTART_WAIT_MAX_S = 60.0

logger = logging.getLogger(__name__)


class WorkerState(Enum):
    """How the worker process is."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True)
class InferenceStatus:
    """What an operator may want to know.

    Attributes:
        state: How the worker process is.
        last_error: Why it was last lost; empty if it never was.
        restarts: How often it was started again.
        worker_pid: Its process id while it runs.
        waiting: How many inputs wait or run.
    """

    state: WorkerState = WorkerState.STARTING
    last_error: str = ""
    restarts: int = 0
    worker_pid: int | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceLimits:
    """The bounds of one service.

    Attributes:
        input_bytes_max: The largest input of the network.
        answer_bytes_max: The largest answer of the network.
        load_timeout_s: How long the worker may take to load.
        run_timeout_s: How long one batch may run.
        restart_wait_min_s: How long the first restart waits; each one after it, twice as long.
    """

    input_bytes_max: int
    answer_bytes_max: int
    load_timeout_s: float = LOAD_TIMEOUT_S
    run_timeout_s: float = RUN_TIMEOUT_S
    restart_wait_min_s: float = RESTART_WAIT_MIN_S


class InferenceService:
    """Keeps one worker process alive and feeds it what waits, a batch at a time.

    One batch is with the worker, the rest waits in one bounded queue. When the worker is lost,
    whatever waits fails at once: another worker of the network answers sooner than a restart.
    `changed` is called, and must not wait, whenever `capabilities` or the state may be new.
    `model_dirs` holds a directory for the name of every task type that needs a model, `batches`
    measures how long batches of a type take.
    """

    def __init__(
        self,
        *,
        task_types: Sequence[FoundTaskType],
        model_dirs: Mapping[str, Path],
        limits: InferenceLimits,
        changed: Callable[[], None] = lambda: None,
        batches: Mapping[str, Histogram] | None = None,
    ) -> None:
        self._found = {one.task_type.name: one for one in task_types}
        self._model_dirs = model_dirs
        self._limits = limits
        self._changed = changed
        self._batches = batches or {}
        self._served: dict[str, Capability] = {}
        self._ready: tuple[Capability, ...] = ()
        self._status = InferenceStatus()
        self._waiting = WaitingInputs(
            {name: one.task_type.batch_inputs_max for name, one in self._found.items()}
        )

    @property
    def status(self) -> InferenceStatus:
        """Return how the worker process is."""
        return replace(self._status, waiting=len(self._waiting))

    def capabilities(self) -> tuple[Capability, ...]:
        """Return what can be asked now, ascending; empty until a model is loaded."""
        return self._ready

    def task_type_names(self) -> tuple[str, ...]:
        """Return the enabled task types, ascending."""
        return tuple(sorted(self._found))

    def encode(self, task_type: str, text: str) -> bytes:
        """Pack what a user typed as the input of a task.

        Raises:
            RequestRefused: The type is not enabled here, or the text is empty or too long.
        """
        found = self._find(task_type)
        return found.task_type.encode(text, input_bytes_max=self._limits.input_bytes_max)

    def default_capability(self, task_type: str) -> Capability:
        """Return a task type with the model this node serves, once `run` has started.

        Raises:
            RequestRefused: The type is not enabled here, or `run` has not started.
        """
        self._find(task_type)
        if task_type not in self._served:
            raise RequestRefused(503, "starting", "the models are not known yet")
        return self._served[task_type]

    async def infer(self, capability: Capability, input_bytes: bytes) -> Result:
        """Run one input; what waits at the same time may run as one batch.

        Raises:
            InferenceFailed: The worker crashed, is busy, or does not serve that capability.
        """
        if capability not in self._ready:
            raise InferenceFailed(f"{capability.task_type} is not served now")
        if len(input_bytes) > self._limits.input_bytes_max:
            raise InferenceFailed(f"an input of {len(input_bytes)} bytes is too large")
        return await self._waiting.wait_result(capability, input_bytes)

    async def run(self, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; start with `await nursery.start(service.run)`.

        Has started once the model's digest is known, long before the model is loaded.

        Raises:
            StartError: A model or its libraries cannot be used.
        """
        self._served = await trio.to_thread.run_sync(self._digest_all)
        task_status.started()
        wait_s = self._limits.restart_wait_min_s
        if not self._found:
            await trio.sleep_forever()
        try:
            while True:
                if await self._serve_until_lost():
                    wait_s = self._limits.restart_wait_min_s
                await trio.sleep(wait_s)
                wait_s = min(2 * wait_s, RESTART_WAIT_MAX_S)
                self._status = replace(self._status, restarts=self._status.restarts + 1)
        finally:
            self._lose("the node stops")

    async def _serve_until_lost(self) -> bool:
        """Start a worker process and feed it; say whether it ran anything before it was lost."""
        batch_count = 0
        try:
            async with (
                model_process(answer_bytes_max=self._limits.answer_bytes_max) as process,
                trio.open_nursery() as nursery,
            ):
                self._status = replace(self._status, worker_pid=process.pid)
                nursery.start_soon(process.wait_lost)
                await self._load(process)
                while True:
                    await self._run_batch(process)
                    batch_count += 1
        except* ProcessFailed as lost:
            why = str(_first(lost))
            logger.warning("the inference worker was lost: %s", why)
            self._lose(why)
            self._changed()
        return batch_count > 0

    async def _load(self, process: ModelProcess) -> None:
        """Have the worker load everything, then say that we serve it."""
        types = [
            TypeToLoad(
                name, found.reference, self._served[name].model_digest, self._model_dirs.get(name)
            )
            for name, found in sorted(self._found.items())
        ]
        with _deadline("loading", self._limits.load_timeout_s):
            await process.hello(types)
        self._ready = tuple(sorted(self._served.values()))
        self._status = replace(self._status, state=WorkerState.READY)
        self._changed()

    async def _run_batch(self, process: ModelProcess) -> None:
        """Wait for inputs, run them, hand out their results."""
        batch = await self._waiting.wait_batch()
        name = batch[0].capability.task_type
        timed = self._batches[name].timed() if name in self._batches else nullcontext()
        with timed, _deadline("a run", self._limits.run_timeout_s):
            outcomes = await process.run(name, [one.input_bytes for one in batch])
        self._waiting.finish_batch(outcomes)

    def _lose(self, why: str) -> None:
        """Fail all that waits, and serve nothing until the next worker is ready."""
        self._ready = ()
        self._status = replace(
            self._status, state=WorkerState.RESTARTING, last_error=why, worker_pid=None
        )
        self._waiting.fail_all(f"the inference worker was lost: {why}")

    def _digest_all(self) -> dict[str, Capability]:
        """Check the models of the task types that need one, and name them."""
        served = {}
        for name, found in self._found.items():
            digest = b""
            if found.task_type.needs_model:
                require_libraries()
                model_dir = self._model_dirs.get(name)
                if model_dir is None:
                    raise StartError(f"the task type {name} needs a model")
                check_model_dir(model_dir)
                digest = model_digest(model_dir, found.task_type.max_length)
            served[name] = Capability(name, digest)
        return served

    def _find(self, task_type: str) -> FoundTaskType:
        if not self._found:
            message = "this node runs nothing; submit to one that does"
            raise RequestRefused(400, "task_type_unknown", message)
        if task_type not in self._found:
            known = ", ".join(sorted(self._found)) or "none"
            message = f"no task type {task_type} here; enabled: {known}"
            raise RequestRefused(400, "task_type_unknown", message)
        return self._found[task_type]


@contextmanager
def _deadline(what: str, seconds: float) -> Iterator[None]:
    """Give a worker so long; a worker that takes longer is lost."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError as error:
        raise ProcessFailed(f"{what} took more than {seconds:g} s") from error


def _first(group: BaseExceptionGroup[ProcessFailed]) -> BaseException:
    """Return one error of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
