"""How long records take from the first log that has them to every other one."""

from consensus import layout
from consensus.rows import Changes
from node.core import effects as fx
from node.sim.host import Host
from node.sim.world import World

Times = dict[bytes, dict[int, int]]  # of each record: when it came into which host's log


class Timed(Host):
    """An honest host that notes when each record came into its log."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.came_ms: dict[bytes, int] = {}

    def _do(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Append):
            self._note(effect.changes)
        super()._do(effect)

    def _note(self, changes: Changes) -> None:
        for key, value in changes.items():
            if key[:1] == layout.RECORD and value is not None:
                self.came_ms.setdefault(key[1:], self.world.schedule.now_ms)


def waits_ms(world: World, *, since_ms: int = 0) -> list[int]:
    """Return how long each record took to each host that has it, ascending, the first aside."""
    times: Times = {}
    for host in _honest(world):
        for record_id, at_ms in host.came_ms.items():
            times.setdefault(record_id, {})[host.index] = at_ms
    waits = []
    for came in times.values():
        first_ms = min(came.values())
        if first_ms >= since_ms:
            waits += sorted(at_ms - first_ms for at_ms in came.values())[1:]
    return sorted(waits)


def lacking(world: World, *, since_ms: int = 0, until_ms: int | None = None) -> int:
    """Return how many records of a span are missing, over all hosts; up to now by default."""
    until_ms = world.schedule.now_ms if until_ms is None else until_ms
    times: dict[bytes, int] = {}
    for host in _honest(world):
        for record_id, at_ms in host.came_ms.items():
            times[record_id] = min(at_ms, times.get(record_id, at_ms))
    return sum(
        host.rows.get(layout.RECORD + record_id) is None
        for record_id, at_ms in times.items()
        if since_ms <= at_ms <= until_ms
        for host in _honest(world)
    )


def share(waits: list[int], of_100: int) -> int:
    """Return what so many of a hundred waits, ascending, do not exceed."""
    return waits[min(len(waits) - 1, len(waits) * of_100 // 100)]


def _honest(world: World) -> list[Timed]:
    found = [host for host in world.hosts if host.is_honest]
    timed = [host for host in found if isinstance(host, Timed)]
    assert len(timed) == len(found), "every honest host notes when records come"
    return timed
