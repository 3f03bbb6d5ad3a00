"""What one run of the simulator has to stand: every option, all of it drawn from the seed."""

from dataclasses import dataclass, fields

from node.sim.dice import PPM, Dice
from node.sim.shapes import SHAPES

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
JUMP_MS = 1 << 18  # 262 s; the least jump is 4 ms


@dataclass(frozen=True, slots=True)
class Weather:
    """All options of a run; a fault whose rate or size is 0 does not happen.

    Attributes:
        nodes: Honest hosts.
        equivocators: Hosts beside them that show each part of the network another jury.
        minutes: How long the storm lasts.
        dials: How many others each host dials.
        delay_low_ms: The least that a packet takes over a link.
        delay_high_ms: The most, jitter aside.
        loss_ppm: Gossip lost on a link.
        repeat_ppm: Gossip that comes twice.
        jitter_ms: How much longer a copy may take, which is how they overtake.
        clog_every_ms: How often a link is clogged, on average, as all rates here.
        clog_ms: For how long at most.
        cut_every_ms: How often the network is cut.
        cut_ms: For how long.
        shapes: In which shapes.
        offset_ms: How far a wall clock may be off, either way.
        drift_ppm: How much faster or slower a clock may run; a million is twice or half.
        jump_every_ms: How often some wall clock jumps.
        jump_ms: How far at most.
        kill_every_ms: How often some process is killed at any moment.
        trap_every_ms: How often a host is marked to end between two effects.
        down_ms: How long it stays down at most.
        power_ppm: How many of these ends are cuts of power.
        pause_every_ms: How often some process is stopped, and goes on later.
        pause_ms: For how long at most.
        full_every_ms: How often some disk is full.
        full_ms: For how long at most.
        slow_ppm: How many workers are slow.
        slow_ms: How long their runs take.
        failed_ppm: Model runs that end with nothing.
        wrong_ppm: Model runs that end with the wrong answer.
        task_every_ms: How often some user asks.
        seats: How many jurors users ask for, one of these.
        work_bits: How much work the network asks for each record; never drawn.
    """

    nodes: int = 7
    equivocators: int = 0
    minutes: int = 10
    dials: int = 3
    delay_low_ms: int = 10
    delay_high_ms: int = 100
    loss_ppm: int = 0
    repeat_ppm: int = 0
    jitter_ms: int = 0
    clog_every_ms: int = 0
    clog_ms: int = 0
    cut_every_ms: int = 0
    cut_ms: int = 0
    shapes: tuple[str, ...] = tuple(SHAPES)
    offset_ms: int = 0
    drift_ppm: int = 0
    jump_every_ms: int = 0
    jump_ms: int = JUMP_MS
    kill_every_ms: int = 0
    trap_every_ms: int = 0
    down_ms: int = 10_000
    power_ppm: int = 0
    pause_every_ms: int = 0
    pause_ms: int = 0
    full_every_ms: int = 0
    full_ms: int = 0
    slow_ppm: int = 0
    slow_ms: int = 0
    failed_ppm: int = 0
    wrong_ppm: int = 0
    task_every_ms: int = 5_000
    seats: tuple[int, ...] = (3,)
    work_bits: int = 0

    @property
    def storm_ms(self) -> int:
        """Return how long the storm lasts."""
        return self.minutes * MINUTE_MS

    @classmethod
    def drawn(cls, seed: int, *, nodes: int = 7, minutes: int = 10) -> "Weather":
        """Draw a weather; every kind of fault is on in half of them, so that each is seen alone."""
        dice = Dice(seed, "weather")
        at_times = _AtTimes(dice)
        return cls(
            nodes=nodes,
            equivocators=at_times.pick((1, 1, 2)),
            minutes=minutes,
            dials=dice.between(3, 6),
            delay_low_ms=dice.between(5, 20),
            delay_high_ms=dice.between(50, 500),
            loss_ppm=at_times.between(10_000, 300_000),
            repeat_ppm=at_times.between(10_000, 500_000),
            jitter_ms=at_times.between(10, 1_000),
            clog_every_ms=at_times.between(5_000, 30_000),
            clog_ms=dice.between(1_000, 20_000),
            cut_every_ms=at_times.between(20_000, 90_000),
            cut_ms=dice.between(5_000, MINUTE_MS),
            shapes=tuple(dice.sample(tuple(SHAPES), dice.between(1, len(SHAPES)))),
            offset_ms=at_times.pick((1_000, MINUTE_MS, HOUR_MS, 24 * HOUR_MS)),
            drift_ppm=at_times.pick((200, 10_000, PPM)),
            jump_every_ms=at_times.between(10_000, 60_000),
            kill_every_ms=at_times.between(5_000, 60_000),
            trap_every_ms=at_times.between(5_000, 30_000),
            down_ms=dice.between(100, 20_000),
            power_ppm=at_times.between(200_000, PPM),
            pause_every_ms=at_times.between(10_000, 60_000),
            pause_ms=dice.between(1_000, MINUTE_MS),
            full_every_ms=at_times.between(20_000, 90_000),
            full_ms=dice.between(1_000, 20_000),
            slow_ppm=at_times.between(100_000, 500_000),
            slow_ms=dice.between(2_000, 20_000),
            failed_ppm=at_times.between(10_000, 300_000),
            wrong_ppm=at_times.between(10_000, 250_000),
            task_every_ms=dice.between(3_000, 7_000),
            seats=dice.pick(((3,), (3,), (1, 3), (3, 5), (5,))),
        )

    def lines(self) -> list[str]:
        """Return every option with its value, one a line."""
        return [f"{one.name} = {getattr(self, one.name)}" for one in fields(self)]


class _AtTimes:
    """Draws a number, or 0 every other time."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    def between(self, low: int, high: int) -> int:
        """Draw from a range."""
        drawn = self._dice.between(low, high)
        return drawn if self._dice.chance(PPM // 2) else 0

    def pick(self, items: tuple[int, ...]) -> int:
        """Draw one of some."""
        drawn = self._dice.pick(items)
        return drawn if self._dice.chance(PPM // 2) else 0
