"""Chance that can be repeated, and how much of it a run may cost."""

import os
import random

LONG = os.environ.get("AIMARKET_LONG") == "1"


def seeded() -> random.Random:
    """Return dice thrown from AIMARKET_SEED, or from a seed that is printed for next time.

    Repeats every choice of a scene, not the moments at which processes happen to run.
    """
    chosen = os.environ.get("AIMARKET_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"\nAIMARKET_SEED={chosen}")
    return random.Random(int(chosen))
