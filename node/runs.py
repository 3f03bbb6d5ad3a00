"""Runs of a model for the machine: how they end, and how long the machine waits for them."""

import logging
import time

from node.core.effects import Infer
from node.core.events import Inferred
from node.errors import InferenceFailed
from node.instruments import Instruments
from node.ports import Inference
from protocol.ids import TaskId
from protocol.statements import Capability, Result

logger = logging.getLogger(__name__)


class Runs:
    """Has inputs run, and counts it."""

    def __init__(self, inference: Inference, instruments: Instruments) -> None:
        self._inference = inference
        self._instruments = instruments

    async def inferred(self, asked: Infer) -> Inferred:
        """Return what comes of an input; without a result if nothing does."""
        return Inferred(
            asked.task_id, await self._result(asked.task_id, asked.capability, asked.input_bytes)
        )

    async def _result(
        self, task_id: TaskId, capability: Capability, input_bytes: bytes
    ) -> Result | None:
        measured, name = self._instruments, capability.task_type
        began_s = time.perf_counter()
        try:
            result = await self._inference.infer(capability, input_bytes)
        except InferenceFailed as error:
            logger.warning("no answer: %s", error, extra={"task": task_id.hex()})
            measured.runs["failed"].add(name)
            return None
        measured.runs["answered"].add(name)
        if name in measured.answers:
            measured.answers[name].note(time.perf_counter() - began_s)
        return result
