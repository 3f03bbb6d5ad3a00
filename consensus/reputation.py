"""How far a worker's record can be trusted: a Wilson lower bound in integers.

One submitter's evidence grows only like the logarithm of its length, so two friends who work for
each other all day prove little; many submitters prove much.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import isqrt

from consensus.contributions import Counters
from protocol.params import PPM

Z2_PPM = 3_841_459  # the square of 1.96: 95 % confidence
# 10^6 // i is 0 beyond, so the sum stands still and no counter is too large to look up.
_TERMS_MAX = PPM
_STRIDE = 256
_SUMS_REMEMBERED_MAX = 16_384  # a guess at the distinct lengths one leaderboard meets


def reputation_ppm(pairs: Iterable[Counters], faults: int) -> int:
    """Return a worker's reputation, 0 to 1_000_000; every division rounds down.

    Args:
        pairs: Its counters, one for each submitter it worked for.
        faults: The tasks it voided as a submitter; each halves the reputation.
    """
    agreeing = total = 0
    for pair in pairs:
        runs = pair.agreed + pair.dissented + pair.absent
        if runs == 0:
            continue
        weight = harmonic_ppm(runs)
        agreeing += weight * pair.agreed // runs
        total += weight
    if total == 0:
        return 0
    spread = isqrt(Z2_PPM * (agreeing * (total - agreeing) // total + Z2_PPM // 4))
    bound = PPM * (agreeing + Z2_PPM // 2 - spread) // (total + Z2_PPM)
    return bound >> faults


@lru_cache(maxsize=_SUMS_REMEMBERED_MAX)
def harmonic_ppm(runs: int) -> int:
    """Return the sum of 10^6 // i for i = 1 to `runs`."""
    runs = min(runs, _TERMS_MAX)
    strides = runs // _STRIDE
    return _sums_by_stride(strides.bit_length())[strides] + sum(
        PPM // i for i in range(strides * _STRIDE + 1, runs + 1)
    )


@lru_cache(maxsize=_TERMS_MAX.bit_length())
def _sums_by_stride(bits: int) -> tuple[int, ...]:
    """Return the sums after 0, 1, 2, … strides, for all counts of strides of so many bits.

    Doubling the table on demand keeps small networks small: the last one has 4,096 sums.
    """
    if bits == 0:
        return (0,)
    sums = list(_sums_by_stride(bits - 1))
    while len(sums) < 1 << bits:
        first = (len(sums) - 1) * _STRIDE + 1
        sums.append(sums[-1] + sum(PPM // i for i in range(first, first + _STRIDE)))
    return tuple(sums)
