"""Which wires to cut, as pairs of real nodes that no longer hear each other."""

from collections.abc import Callable, Sequence
from random import Random

from node.sim import shapes

Pairs = list[tuple[str, str]]
Shape = Callable[[Sequence[str], Random], Pairs]

SHAPES: dict[str, Shape] = {
    "halves": shapes.halves,
    "majority ring": shapes.majority_ring,
    "bridge": shapes.bridge,
    "isolate one": shapes.isolate_one,
}
