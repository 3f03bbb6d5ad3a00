"""The inputs that wait for the worker process."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from node.errors import InferenceFailed
from protocol.statements import Capability, Result

WAITING_MAX = 1024  # a guess: half a minute of sentences at the measured pace


@dataclass(slots=True, eq=False)
class Waiter:
    """One input, and the one who waits for its result."""

    capability: Capability
    input_bytes: bytes
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Result | str = "not run"

    def finish(self, outcome: Result | str) -> None:
        """Hand over the result, or a text saying why there is none."""
        self.outcome = outcome
        self.done.set()


class WaitingInputs:
    """A bounded queue that is emptied in batches of one capability.

    Args:
        batch_inputs_max: The largest batch of each task type, by its name.
    """

    def __init__(self, batch_inputs_max: Mapping[str, int]) -> None:
        self._batch_inputs_max = batch_inputs_max
        self._waiters: deque[Waiter] = deque()
        self._running: list[Waiter] = []
        self._added = trio.Event()

    def __len__(self) -> int:
        return len(self._waiters) + len(self._running)

    async def wait_result(self, capability: Capability, input_bytes: bytes) -> Result:
        """Queue one input and wait for its result.

        Raises:
            InferenceFailed: The queue is full, or the input has no result.
        """
        if len(self._waiters) >= WAITING_MAX:
            raise InferenceFailed(f"{WAITING_MAX} inputs wait already")
        waiter = Waiter(capability, input_bytes)
        self._waiters.append(waiter)
        self._added.set()
        try:
            await waiter.done.wait()
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if isinstance(waiter.outcome, str):
            raise InferenceFailed(waiter.outcome)
        return waiter.outcome

    async def wait_batch(self) -> Sequence[Waiter]:
        """Wait for inputs, and take those that ask what the oldest one asks."""
        while not self._waiters:
            self._added = trio.Event()
            await self._added.wait()
        wanted = self._waiters[0].capability
        self._running = [one for one in self._waiters if one.capability == wanted]
        del self._running[self._batch_inputs_max[wanted.task_type] :]
        for waiter in self._running:
            self._waiters.remove(waiter)
        return self._running

    def finish_batch(self, outcomes: Sequence[Result | str]) -> None:
        """Hand out what became of the batch taken last."""
        batch, self._running = self._running, []
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.finish(outcome)

    def fail_all(self, why: str) -> None:
        """Give up on everything that waits or runs."""
        for waiter in [*self._running, *self._waiters]:
            waiter.finish(why)
        self._running = []
        self._waiters.clear()
