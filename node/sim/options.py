"""What an experiment may be asked for, and its limits; with the seed, all that decides a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from node.core.settings import Settings

NODES_MAX = 20_000  # some 3 MB of memory each; more would need hours and another machine
ADVERSARIES_MAX = 20_000
_PPM_PER_PERCENT = 10_000


class BadOption(ValueError):
    """An option is out of its limits; the message has the value and the limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one option may be.

    Attributes:
        flag: What it is called on the command line.
        low: The least.
        high: The most.
        is_share: Whether it counts parts per million, and is shown in percent.
    """

    flag: str
    low: int
    high: int
    is_share: bool = False


LIMITS: Mapping[str, Limit] = {
    "nodes": Limit("nodes", 1, NODES_MAX),
    "tasks": Limit("tasks", 1, 1_000_000),
    "seats": Limit("seats", 1, 31),
    "seed": Limit("seed", 0, 2**63),
    "minutes": Limit("minutes", 0, 24 * 60),
    "loss_ppm": Limit("loss", 0, 500_000, is_share=True),
    "jitter_ms": Limit("jitter", 0, 60_000),
    "delay_least_ms": Limit("delay", 1, 10_000),
    "delay_most_ms": Limit("delay", 1, 10_000),
    "dials": Limit("dials", 1, 64),
    "wrong_ppm": Limit("wrong", 0, 1_000_000, is_share=True),
    "positive_ppm": Limit("positive", 0, 1_000_000, is_share=True),
    "run_ms": Limit("run-ms", 0, 600_000),
    "run_jitter_ms": Limit("run-jitter", 0, 600_000),
    "gap_ms": Limit("gap", 0, 3_600_000),
    "burst": Limit("burst", 1, 10_000),
    "start_ms": Limit("start", 1, 3_600_000),
    "look_ms": Limit("look", 50, 60_000),
}


@dataclass(frozen=True, slots=True)
class Options:
    """One experiment; numbers of time are simulated milliseconds unless named otherwise.

    Attributes:
        nodes: Honest ones; the adversaries come on top.
        tasks: How many their users ask, at random.
        seats: Of each task.
        seed: What every roll follows from.
        minutes: How long it goes on at least; it always goes on until all is settled.
        adversaries: How many of which kind, by kind.
        loss_ppm: Gossip that is lost on a link; streams are held up instead.
        jitter_ms: How much longer than usual a packet may take.
        delay_least_ms: What a packet takes over the fastest link.
        delay_most_ms: Over the slowest.
        dials: How many others each node dials.
        wrong_ppm: How often an honest model errs.
        positive_ppm: For how many inputs "positive" is right.
        run_ms: What a model run takes.
        run_jitter_ms: How much longer it may take.
        gap_ms: Between two bursts of tasks.
        burst: Tasks asked at one moment.
        start_ms: All nodes start within this.
        look_ms: How often a node is asked whether it waits for something.
        has_profiles: Whether nodes say by which name they go.
        has_storm: Whether the network falls apart and nodes crash while tasks are asked.
    """

    nodes: int = 10
    tasks: int = 20
    seats: int = 3
    seed: int = 1
    minutes: int = 0
    adversaries: tuple[tuple[str, int], ...] = ()
    loss_ppm: int = 0
    jitter_ms: int = 20
    delay_least_ms: int = 10
    delay_most_ms: int = 100
    dials: int = 4
    wrong_ppm: int = 0
    positive_ppm: int = 500_000
    run_ms: int = 50
    run_jitter_ms: int = 0
    gap_ms: int = 500
    burst: int = 1
    start_ms: int = 1
    look_ms: int = 500
    has_profiles: bool = True
    has_storm: bool = False

    def __post_init__(self) -> None:
        """Refuse what is out of its limits.

        Raises:
            BadOption: Something is.
        """
        for name, limit in LIMITS.items():
            _check(limit, getattr(self, name))
        if self.delay_least_ms > self.delay_most_ms:
            raise BadOption(
                f"--delay {self.delay_least_ms}-{self.delay_most_ms}: the least is above the most"
            )
        quorum = self.seats // 2 + 1
        if self.nodes - 1 < quorum:
            raise BadOption(
                f"--nodes {self.nodes}: {self.seats} seats need a quorum of {quorum} honest "
                f"workers besides the submitter, so at least {quorum + 1} nodes"
            )
        if self.adversary_count > ADVERSARIES_MAX:
            raise BadOption(
                f"--adversaries: {self.adversary_count} of them, at most {ADVERSARIES_MAX}"
            )

    @property
    def adversary_count(self) -> int:
        """Return how many adversaries there are."""
        return sum(count for _, count in self.adversaries)

    def settings(self) -> Settings:
        """Return what operators choose: the defaults, with room for everybody."""
        usual = Settings()
        # Whoever holds many keys has one of its own besides.
        authors = self.nodes + 2 * self.adversary_count
        if authors <= usual.authors_max:
            return usual
        return replace(usual, authors_max=authors)

    def document(self) -> dict[str, Any]:
        """Return all of it, and what was derived from it."""
        return {
            **asdict(self),
            "adversaries": dict(self.adversaries),
            "authors_max": self.settings().authors_max,
        }


def read_adversaries(text: str, known: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    """Read `liar:20,jury-flooder`; a kind without a number is one, a hyphen stands for a space.

    Raises:
        BadOption: A kind is unknown or named twice, or a number is none.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().replace("-", " ").partition(":")
        if not name:
            continue
        if name not in known:
            raise BadOption(f"--adversaries {name!r}: unknown, there are {', '.join(known)}")
        if name in found:
            raise BadOption(f"--adversaries {name!r}: named twice")
        count = int(number or "1") if (number or "1").isdecimal() else 0
        if not 1 <= count <= ADVERSARIES_MAX:
            raise BadOption(
                f"--adversaries {part.strip()!r}: need a number from 1 to {ADVERSARIES_MAX}"
            )
        found[name] = count
    return tuple(found.items())


def read_percent(flag: str, text: str) -> int:
    """Read a share such as `5`, `5%` or `0.25`, in parts per million.

    Raises:
        BadOption: It is no number.
    """
    try:
        return round(float(text.strip().removesuffix("%")) * _PPM_PER_PERCENT)
    except (ValueError, OverflowError) as error:
        raise BadOption(f"--{flag} {text!r}: need a number, in percent") from error


def read_range(flag: str, text: str) -> tuple[int, int]:
    """Read `10-100`, or `50` for both.

    Raises:
        BadOption: It is neither.
    """
    low, dash, high = text.strip().partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise BadOption(f"--{flag} {text!r}: need two whole numbers, such as 10-100")
    return int(low), int(high if dash else low)


def percent(ppm: int) -> str:
    """Show parts per million in percent, rounded to a hundredth.

    >>> percent(52_500), percent(1_000_000), percent(92_636)
    ('5.25 %', '100 %', '9.26 %')
    """
    return f"{round(ppm / _PPM_PER_PERCENT, 2):g} %"


def _check(limit: Limit, value: int) -> None:
    if limit.low <= value <= limit.high:
        return
    shown = percent if limit.is_share else str
    raise BadOption(
        f"--{limit.flag} {shown(value)}: need {shown(limit.low)} to {shown(limit.high)}"
    )
