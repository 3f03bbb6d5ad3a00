"""What a simulated host waits for: its machine's alarm, and model runs that go on."""

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from node.core import effects as fx
from node.core import events as ev
from protocol.ids import TaskId
from protocol.work import find_work

if TYPE_CHECKING:
    from node.sim.host import Host

WORK_MS = 200  # some eighteen bits of it
_TRIES = 1_024  # at once
WAKES_AT_ONCE_MAX = 1_000  # a machine that is woken more often in one moment spins


class Timers:
    """The waits of one life; those of an earlier one come to nothing."""

    __slots__ = ("_at_once", "_host", "_wake_ms")

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._wake_ms: int | None = None
        self._at_once = (0, 0)  # a moment, and how often it woke then

    def clear(self) -> None:
        """Forget the alarm."""
        self._wake_ms = None

    def wake_at(self, at_ms: int) -> None:
        """Wake the machine once its monotonic clock shows this; replaces the last alarm."""
        host = self._host
        moment_ms = host.clock.moment(at_ms)
        if self._wake_ms != moment_ms:
            self._wake_ms = moment_ms
            host.world.schedule.at(moment_ms, self._wake, host.life, moment_ms)

    def infer(self, task_id: TaskId, input_bytes: bytes) -> None:
        """Begin a model run."""
        host, models = self._host, self._host.world.models
        models.began(host, task_id)
        wait_ms = models.takes_ms(host, task_id)
        host.world.schedule.after(wait_ms, self._inferred, host.life, task_id, input_bytes)

    def work(self, asked: fx.Work) -> None:
        """Have the work of a record done."""
        lots = (find_work(asked.record, start=at, tries=_TRIES) for at in count(0, _TRIES))
        work = next(one for one in lots if one is not None)
        host = self._host
        host.world.schedule.after(WORK_MS, self._worked, host.life, asked.ticket, work)

    def _worked(self, life: int, ticket: int, work: int) -> None:
        host = self._host
        if life == host.life and not self._postponed(self._worked, life, ticket, work):
            host.tell(ev.Worked(ticket, work))

    def _wake(self, life: int, at_ms: int) -> None:
        host = self._host
        if life != host.life or self._wake_ms != at_ms:
            return
        if self._postponed(self._wake, life, at_ms):
            return
        self._wake_ms = None
        now_ms = host.world.schedule.now_ms
        before_ms, times = self._at_once
        self._at_once = (now_ms, times + 1 if before_ms == now_ms else 1)
        assert self._at_once[1] < WAKES_AT_ONCE_MAX, f"{host.name} spins at {now_ms} ms"
        host.tell(ev.Woke())

    def _inferred(self, life: int, task_id: TaskId, input_bytes: bytes) -> None:
        host = self._host
        if life != host.life or self._postponed(self._inferred, life, task_id, input_bytes):
            return
        host.tell(ev.Inferred(task_id, host.run(task_id, input_bytes)))

    def _postponed(self, happen: Callable[..., object], *args: object) -> bool:
        """Put something off while the process is stopped; answer whether it is."""
        host = self._host
        if host.paused_until_ms <= host.world.schedule.now_ms:
            return False
        host.world.schedule.at(host.paused_until_ms, happen, *args)
        return True
