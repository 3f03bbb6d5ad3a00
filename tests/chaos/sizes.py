"""How large a scenario is run: small by default, as large as was promised with AIMARKET_LONG.

AIMARKET_LONG=1 runs everything as often and as long as the reliability plan lists it;
AIMARKET_LONG=0.1 a tenth of the runs, each as long as listed. AIMARKET_SEED replays one seed.
"""

import math
import os
import secrets
from random import Random


def share() -> float:
    """Return the share of the listed runs that is asked for; 0 for the small size."""
    return float(os.environ.get("AIMARKET_LONG") or 0)


def is_long() -> bool:
    """Answer whether spans are as long as listed."""
    return share() > 0


def times(*, small: int, listed: int) -> int:
    """Return how often something is done."""
    return max(1, math.ceil(share() * listed)) if is_long() else small


def lasting(*, small: float, listed: float) -> float:
    """Return how long something lasts."""
    return listed if is_long() else small


def new_seed() -> int:
    """Return the seed of this run."""
    given = os.environ.get("AIMARKET_SEED")
    return int(given) if given else secrets.randbelow(2**32)


def rng_of(seed: int, what: str) -> Random:
    """Return a source of chance for one part of a run, independent of the other parts."""
    return Random(f"{seed} {what}")
