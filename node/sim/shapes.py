"""Which links to cut: the shapes of a partition, as directed pairs of hosts."""

from collections.abc import Callable, Sequence
from itertools import combinations

from node.sim.dice import Dice

Pairs = list[tuple[int, int]]
Shape = Callable[[Sequence[int], Dice], Pairs]


def between(one: Sequence[int], other: Sequence[int]) -> Pairs:
    """Cut everything between two groups, both ways."""
    return [pair for a in one for b in other for pair in ((a, b), (b, a))]


def halves(hosts: Sequence[int], dice: Dice) -> Pairs:
    """Cut the crowd in two, as evenly as can be."""
    mixed = dice.sample(hosts, len(hosts))
    middle = len(mixed) // 2
    return between(mixed[:middle], mixed[middle:])


def isolate_one(hosts: Sequence[int], dice: Dice) -> Pairs:
    """Cut one off from all others."""
    lonely = dice.pick(hosts)
    return between([lonely], [host for host in hosts if host != lonely])


def bridge(hosts: Sequence[int], dice: Dice) -> Pairs:
    """Cut the crowd in two, but for one whom both halves hear."""
    middle = dice.pick(hosts)
    return halves([host for host in hosts if host != middle], dice)


def majority_ring(hosts: Sequence[int], dice: Dice) -> Pairs:
    """Let everyone hear a majority, itself included, and no two the same one."""
    ring = dice.sample(hosts, len(hosts))
    count = len(ring)
    missing = count // 2  # how many others make a majority with oneself
    heard: dict[int, None] = {}  # how far along the ring one is heard
    while missing > 0:
        far = count // 2 if missing == 1 and count % 2 == 0 else len(heard) + 1
        heard[far] = heard[count - far] = None
        missing -= 1 if far == count - far else 2
    deaf = [(ring[a], ring[b]) for a, b in combinations(range(count), 2) if b - a not in heard]
    return [pair for a, b in deaf for pair in ((a, b), (b, a))]


def one_way(hosts: Sequence[int], dice: Dice) -> Pairs:
    """Let nothing come to one host, which all others still hear."""
    deaf = dice.pick(hosts)
    return [(host, deaf) for host in hosts if host != deaf]


SHAPES: dict[str, Shape] = {
    "halves": halves,
    "majority ring": majority_ring,
    "bridge": bridge,
    "isolate one": isolate_one,
    "one way": one_way,
}
