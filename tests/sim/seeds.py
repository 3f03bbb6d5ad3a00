"""How many seeds a scenario runs: few by default, more by `AIMARKET_SIM_SHARE`."""

import os


def seeds(listed: int, *, usual: int) -> range:
    """Return the seeds to run.

    Args:
        listed: How many make up the whole scenario; `AIMARKET_SIM_SHARE=1` runs them all.
        usual: How many run if nobody asks for a share.
    """
    share = os.environ.get("AIMARKET_SIM_SHARE")
    count = usual if share is None else max(1, round(listed * float(share)))
    return range(1, count + 1)


def is_share_given() -> bool:
    """Answer whether runs are as long as listed, and not as short as usual."""
    return "AIMARKET_SIM_SHARE" in os.environ
