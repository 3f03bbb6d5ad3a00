"""Sees the rare states of a run as they leave honest hosts, and juries that seat out of turn."""

from typing import TYPE_CHECKING

from node.core.assignment import delay_ms, ranked
from node.sim.watch import Watch
from protocol.ids import PublicKey, TaskId
from protocol.record import Verified
from protocol.statements import Jury, Reveal, Task

if TYPE_CHECKING:
    from node.sim.host import Host
    from node.sim.world import World


class Witness(Watch):
    """Looks at everything that leaves an honest host for the first time."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._seated_ms: dict[TaskId, int] = {}
        self._retried: dict[TaskId, None] = {}

    def _take(self, host: "Host", record: Verified) -> None:
        super()._take(host, record)
        counts, now_ms = self._world.counts, self._world.schedule.now_ms
        for statement in record.statements:
            match statement:
                case Task() if statement.retry_of:
                    self._retried[TaskId(statement.retry_of)] = None
                    counts.saw("a task was tried again")
                case Jury(task_id):
                    self._seated_ms[task_id] = now_ms
                    self._see_jury(host, statement)
                case Reveal(task_id):
                    due_ms = self._seated_ms.get(task_id, now_ms) + host.settings.reveal_window_ms
                    if task_id in self._retried or now_ms > due_ms:
                        counts.saw("an answer was opened late")
                case _:
                    pass

    def _see_jury(self, host: "Host", jury: Jury) -> None:
        order = _Order(host, jury.task_id)
        if order.seats is None:
            return
        hosts = self._world.hosts
        capable = [
            key  # of a host that runs models, or held by one beside its own
            for key, index in self._world.index_of.items()
            if key != host.key and (hosts[index].capabilities or key != hosts[index].key)
        ]
        first = ranked(jury.task_id, dict.fromkeys(capable))[: order.seats]
        if any(seat.juror not in first for seat in jury.seats):
            self._world.counts.saw("a stand-by stepped in")
        for seat in jury.seats:
            if not order.is_due(seat.juror):
                index = self._world.index_of.get(seat.juror)
                who = "a stranger" if index is None else self._world.hosts[index].name
                self.violations.append(f"{host.name} seated {who} before its turn")


class _Order:
    """The order in which workers are seated, as the submitter of a task has it."""

    def __init__(self, host: "Host", task_id: TaskId) -> None:
        own = None if host.machine is None else host.machine.submitter.find(task_id)
        self._settings = host.settings
        self._own = own
        self.seats = None if own is None else own.task.seats

    def is_due(self, juror: PublicKey) -> bool:
        """Answer whether a worker's turn had come when the jury was signed.

        A jury of an earlier life that is published only now was signed in an order that is lost.
        """
        own, settings = self._own, self._settings
        if own is None or own.seated_ms is None or own.seated_ms == own.since_ms:
            return True
        outside = ranked(own.task_id, [key for key in own.commits if key not in own.listed])
        order = [*own.listed, *outside]
        if juror not in order:
            return False
        rank = order.index(juror)
        wait_ms = delay_ms(rank, seats=own.task.seats, step_ms=settings.step_ms)
        if rank >= len(own.listed):
            wait_ms = max(settings.commit_window_ms, wait_ms)
        return own.seated_ms - own.since_ms >= wait_ms
