"""The faults of a run as they happen: the weather decides how often, dice when and to whom."""

from collections.abc import Callable
from typing import Any

from consensus import layout
from node.core import effects as fx
from node.core.worker import RUNS_PER_JOB_MAX
from node.sim.dice import PPM, Dice
from node.sim.host import Host
from node.sim.message import Message
from node.sim.shapes import SHAPES
from node.sim.trap import POINTS, Trap
from node.sim.weather import Weather
from node.sim.world import World
from protocol.ids import TaskId
from protocol.statements import Result

_CLOGGED_TOGETHER_MAX = 4  # links
_LOST_MAX = 16  # batches of rows that a cut of power takes


class Exposed(Host):
    """An honest host whose model runs may fail."""

    failed_ppm = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._failed: dict[TaskId, int] = {}

    def run(self, task_id: TaskId, input_bytes: bytes) -> Result | None:
        """Return what its model says; None if the run fails."""
        if self.failed_ppm and self.dice.chance(self.failed_ppm):
            self.world.counts.saw("a model run failed")
            self._failed[task_id] = self._failed.get(task_id, 0) + 1
            return None
        return super().run(task_id, input_bytes)

    def gave_up(self, task_id: TaskId) -> bool:
        """Answer whether so many runs failed that it may not try again in this life."""
        return self._failed.get(task_id, 0) >= RUNS_PER_JOB_MAX

    def hear(self, message: Message, sender: int) -> None:
        """Take a message from a neighbour; note whether it was of the future, and not relayed."""
        is_early = self._is_early(message)
        super().hear(message, sender)
        if is_early and self._has(message):
            self.world.counts.saw("a record of the future was stored")

    def _is_early(self, message: Message) -> bool:
        if message.channel is not fx.Channel.RECORDS or not message.records:
            return False
        record = message.records[0]
        wall_ms = self.now().wall_ms + self.settings.clock_skew_ms
        return record.created_ms > wall_ms and not self._has(message)

    def _has(self, message: Message) -> bool:
        return self.rows.get(layout.RECORD + message.record_ids[0]) is not None


class Storm:
    """All that goes wrong in one world until it is told to be calm."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.world = world
        self.weather = weather
        self.is_over = False
        self._dice = Dice(world.seed, "storm")
        self._until_ms = 0

    def begin(self) -> None:
        """Set the clocks, spoil the air, and let faults happen from now on."""
        world, weather = self.world, self.weather
        self._until_ms = world.schedule.now_ms + weather.storm_ms
        world.net.air.loss_ppm = weather.loss_ppm
        world.net.air.repeat_ppm = weather.repeat_ppm
        world.net.air.jitter_ms = weather.jitter_ms
        for host in world.hosts:
            host.clock.offset_ms = self._either_way(weather.offset_ms)
            host.clock.rate_ppm = self._rate_ppm(weather.drift_ppm)
        self._every(weather.clog_every_ms, self._clog)
        self._every(weather.cut_every_ms, self._cut)
        self._every(weather.jump_every_ms, self._jump)
        self._every(weather.kill_every_ms, self._kill)
        self._every(weather.trap_every_ms, self._set_trap)
        self._every(weather.pause_every_ms, self._pause)
        self._every(weather.full_every_ms, self._fill)

    def calm(self) -> None:
        """End all faults; clocks stay as they are."""
        self.is_over = True
        world = self.world
        air = world.net.air
        air.loss_ppm = air.repeat_ppm = air.jitter_ms = 0
        world.models.jitter_ms = 0
        world.net.mend()
        for host in world.hosts:
            host.trap = None
            host.disk_full = False
            if isinstance(host, Exposed):
                host.failed_ppm = 0
            host.boot()

    def ends(self, host: Host) -> None:
        """See to it that a host that ends now starts again, perhaps without its last rows."""
        self.world.schedule.at(self.world.schedule.now_ms, self._ended, host)

    # What goes wrong.

    def _kill(self) -> None:
        host = self._any_up()
        if host is not None:
            self.world.counts.saw("a process was killed")
            host.crash()
            self._ended(host)

    def _set_trap(self) -> None:
        host = self._any_up()
        if host is not None and host.trap is None:
            host.trap = self._trap(host)

    def _pause(self) -> None:
        host = self._any_up()
        if host is not None:
            self.world.counts.saw("a process was stopped for a while")
            host.paused_until_ms = self._until(self.weather.pause_ms)

    def _fill(self) -> None:
        host = self._any_up()
        if host is not None and not host.disk_full:
            host.disk_full = True
            self.world.schedule.at(self._until(self.weather.full_ms), self._empty, host)

    def _empty(self, host: Host) -> None:
        host.disk_full = False

    def _jump(self) -> None:
        host = self._dice.pick(self.world.hosts)
        far_ms = max(4, self.weather.jump_ms >> self._dice.below(17))
        host.clock.offset_ms += far_ms if self._dice.chance(PPM // 2) else -far_ms
        self.world.counts.saw("a clock jumped")

    def _clog(self) -> None:
        """Hold links up one by one; each is free again at a moment of its own."""
        air = self.world.net.air
        for _ in range(self._dice.between(1, _CLOGGED_TOGETHER_MAX)):
            one = self._dice.below(len(self.world.hosts))
            neighbours = list(self.world.net.delays[one])
            if not neighbours:
                continue
            pair = (one, self._dice.pick(neighbours))
            air.clogged[pair] = self._until(self.weather.clog_ms)
            self.world.schedule.at(air.clogged[pair], self._free, pair)
        self.world.counts.saw("links were clogged")

    def _free(self, pair: tuple[int, int]) -> None:
        clogged = self.world.net.air.clogged
        if clogged.get(pair, self._until_ms) <= self.world.schedule.now_ms:
            clogged.pop(pair, None)

    def _cut(self) -> None:
        if self.world.net.air.cut:
            return
        shape = self._dice.pick(self.weather.shapes)
        hosts = range(len(self.world.hosts))
        self.world.net.cut(SHAPES[shape](hosts, self._dice))
        self.world.schedule.after(self.weather.cut_ms, self._mend)
        self.world.counts.saw(f"the network was cut: {shape}")

    def _mend(self) -> None:
        if not self.is_over:
            self.world.net.mend()

    # How.

    def _every(self, every_ms: int, happen: Callable[[], None]) -> None:
        if every_ms:
            wait_ms = self._dice.between(every_ms // 2, every_ms + every_ms // 2)
            self.world.schedule.after(wait_ms, self._happen, every_ms, happen)

    def _happen(self, every_ms: int, happen: Callable[[], None]) -> None:
        if not self.is_over:
            happen()
            self._every(every_ms, happen)

    def _ended(self, host: Host) -> None:
        if host.is_up or host.halted:
            return
        host.paused_until_ms = 0
        if self._dice.chance(self.weather.power_ppm):
            lost = host.rows.lose(self._dice.below(_LOST_MAX))
            if lost:
                self.world.counts.saw("a cut of power took rows")
        self.world.schedule.after(self._dice.between(1, self.weather.down_ms), self._start, host)

    def _start(self, host: Host) -> None:
        if host.is_up:
            return
        if self.weather.trap_every_ms and not self.is_over and self._dice.chance(PPM // 8):
            host.trap = self._trap(host)
        host.boot()
        if host.machine is None and not host.disk_full:
            self.world.counts.saw("a crash while starting")

    def _trap(self, host: Host) -> Trap:
        point = self._dice.pick(POINTS)
        return Trap(host, point, skips=self._dice.below(4), ends=self.ends)

    def _any_up(self) -> Host | None:
        up = [host for host in self.world.hosts if host.machine is not None]
        return self._dice.pick(up) if up else None

    def _until(self, most_ms: int) -> int:
        now_ms = self.world.schedule.now_ms
        return min(now_ms + self._dice.between(1, max(1, most_ms)), self._until_ms)

    def _rate_ppm(self, drift_ppm: int) -> int:
        faster_ppm = PPM + self._dice.between(0, drift_ppm)
        return faster_ppm if self._dice.chance(PPM // 2) else PPM * PPM // faster_ppm

    def _either_way(self, most: int) -> int:
        return self._dice.between(-most, most)
