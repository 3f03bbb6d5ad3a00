"""Every roll of the simulator: streams of numbers that follow from a seed and a name alone."""

import random
from collections.abc import MutableSequence, Sequence
from typing import TypeVar

from protocol.ids import sha256

PPM = 1_000_000
T = TypeVar("T")


class Dice:
    """One stream of rolls.

    Only `random()` and `getrandbits()` of the Mersenne Twister are used: Python promises that the
    first never changes for a seed, and the second is the generator's raw output.
    """

    __slots__ = ("_name", "_random", "roll")

    def __init__(self, *name: object) -> None:
        """Name the stream, e.g. `Dice(seed, "weather")`; equal names roll alike."""
        self._name = "/".join(str(part) for part in name)
        self._random = random.Random(int.from_bytes(sha256(self._name.encode())))  # noqa: S311
        self.roll = self._random.random  # from 0 up to but not 1

    def child(self, *name: object) -> "Dice":
        """Return another stream, which rolls do not depend on how often this one rolled."""
        return Dice(self._name, *name)

    def below(self, end: int) -> int:
        """Return a number from 0 up to but not `end`."""
        return int(self.roll() * end)

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` up to `high`, both possible."""
        return low + int(self.roll() * (high - low + 1))

    def chance(self, ppm: int) -> bool:
        """Answer yes so many times in a million."""
        return self.roll() * PPM < ppm

    def pick(self, items: Sequence[T]) -> T:
        """Return one of some items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Return `count` different items, in the order drawn."""
        left = list(items)
        self.shuffle(left)
        return left[:count]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Put items into another order."""
        for at in range(len(items) - 1, 0, -1):
            other = self.below(at + 1)
            items[at], items[other] = items[other], items[at]

    def bytes(self, count: int) -> bytes:
        """Return so many bytes."""
        return self._random.getrandbits(8 * count).to_bytes(count)
