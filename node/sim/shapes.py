"""Which links to cut: the shapes of a partition, among simulated hosts or real nodes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Protocol, TypeVar

T = TypeVar("T")


class Sampler(Protocol):
    """Draws, as `random.Random` and `Dice` both do."""

    def sample(self, items: Sequence[T], count: int, /) -> list[T]:
        """Return `count` different items, in the order drawn."""
        ...


def between(one: Sequence[T], other: Sequence[T]) -> list[tuple[T, T]]:
    """Cut everything between two groups."""
    return [(a, b) for a in one for b in other]


def halves(hosts: Sequence[T], dice: Sampler) -> list[tuple[T, T]]:
    """Cut the crowd in two, as evenly as can be."""
    mixed = dice.sample(hosts, len(hosts))
    middle = len(mixed) // 2
    return between(mixed[:middle], mixed[middle:])


def isolate_one(hosts: Sequence[T], dice: Sampler) -> list[tuple[T, T]]:
    """Cut one off from all others."""
    (lonely,) = dice.sample(hosts, 1)
    return between([lonely], [host for host in hosts if host != lonely])


def bridge(hosts: Sequence[T], dice: Sampler) -> list[tuple[T, T]]:
    """Cut the crowd in two, but for one whom both halves hear."""
    (middle,) = dice.sample(hosts, 1)
    return halves([host for host in hosts if host != middle], dice)


def majority_ring(hosts: Sequence[T], dice: Sampler) -> list[tuple[T, T]]:
    """Let everyone hear a majority, itself included, and no two the same one."""
    ring = dice.sample(hosts, len(hosts))
    count = len(ring)
    missing = count // 2  # how many others make a majority with oneself
    heard: dict[int, None] = {}  # how far along the ring one is heard
    while missing > 0:
        far = count // 2 if missing == 1 and count % 2 == 0 else len(heard) + 1
        heard[far] = heard[count - far] = None
        missing -= 1 if far == count - far else 2
    return [(ring[a], ring[b]) for a, b in combinations(range(count), 2) if b - a not in heard]


def one_way(hosts: Sequence[T], dice: Sampler) -> list[tuple[T, T]]:
    """Let nothing come to one host, which all others still hear."""
    (deaf,) = dice.sample(hosts, 1)
    return [(host, deaf) for host in hosts if host != deaf]


def both_ways(pairs: Iterable[tuple[T, T]]) -> list[tuple[T, T]]:
    """Cut each pair in both directions."""
    return [way for a, b in pairs for way in ((a, b), (b, a))]


Pairs = list[tuple[int, int]]
# As directed pairs of simulated hosts.
SHAPES: dict[str, Callable[[Sequence[int], Sampler], Pairs]] = {
    "halves": lambda hosts, dice: both_ways(halves(hosts, dice)),
    "majority ring": lambda hosts, dice: both_ways(majority_ring(hosts, dice)),
    "bridge": lambda hosts, dice: both_ways(bridge(hosts, dice)),
    "isolate one": lambda hosts, dice: both_ways(isolate_one(hosts, dice)),
    "one way": one_way,
}
