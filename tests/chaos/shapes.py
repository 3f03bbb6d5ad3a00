"""Which wires to cut: the shapes of a partition, as pairs that no longer hear each other."""

from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random

Pairs = list[tuple[str, str]]
Shape = Callable[[Sequence[str], Random], Pairs]


def between(one: Sequence[str], other: Sequence[str]) -> Pairs:
    """Cut everything between two groups."""
    return [(a, b) for a in one for b in other]


def halves(names: Sequence[str], rng: Random) -> Pairs:
    """Cut the crowd in two, as evenly as can be."""
    mixed = rng.sample(names, len(names))
    middle = len(mixed) // 2
    return between(mixed[:middle], mixed[middle:])


def isolate_one(names: Sequence[str], rng: Random) -> Pairs:
    """Cut one off from all others."""
    lonely = rng.choice(names)
    return between([lonely], [name for name in names if name != lonely])


def bridge(names: Sequence[str], rng: Random) -> Pairs:
    """Cut the crowd in two, but for one whom both halves hear."""
    middle = rng.choice(names)
    return halves([name for name in names if name != middle], rng)


def majority_ring(names: Sequence[str], rng: Random) -> Pairs:
    """Let everyone hear a majority, itself included, and no two the same one."""
    ring = rng.sample(names, len(names))
    count = len(ring)
    missing = count // 2  # how many others make a majority with oneself
    heard: set[int] = set()  # how far along the ring one is heard
    while missing > 0:
        far = count // 2 if missing == 1 and count % 2 == 0 else len(heard) + 1
        heard |= {far, count - far}
        missing -= 1 if far == count - far else 2
    return [(ring[a], ring[b]) for a, b in combinations(range(count), 2) if b - a not in heard]


SHAPES: dict[str, Shape] = {
    "halves": halves,
    "majority ring": majority_ring,
    "bridge": bridge,
    "isolate one": isolate_one,
}
