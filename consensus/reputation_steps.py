"""The reputation of one worker, line by line as docs/spec/scores.md writes it.

Slower than `consensus.reputation` and equal to it on every input: for whoever asks why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from consensus.contributions import Counters
from consensus.reputation import Z2_PPM, harmonic_ppm
from protocol.ids import PublicKey
from protocol.params import PPM


@dataclass(frozen=True, slots=True)
class PairStep:
    """What one submitter's tasks add.

    Attributes:
        submitter: Whose.
        counters: How the worker did for it.
        runs: n, which leaves the excused out; a pair without runs adds nothing.
        weight_ppm: H(n), the sum of 10^6 // i for i = 1 to n.
        agreeing_ppm: H(n) · agreed // n, its part of A.
    """

    submitter: PublicKey
    counters: Counters
    runs: int
    weight_ppm: int
    agreeing_ppm: int


@dataclass(frozen=True, slots=True)
class ReputationSteps:
    """How a reputation comes about.

    Attributes:
        pairs: In the order given.
        agreeing_ppm: A, the sum of what agrees.
        total_ppm: N, the sum of the weights.
        spread_ppm: S, by which the bound lies below the rate; 0 if N is 0.
        bound_ppm: The Wilson bound before faults.
        faults: How often it is halved.
        reputation_ppm: The result, 0 to 1_000_000.
    """

    pairs: tuple[PairStep, ...]
    agreeing_ppm: int
    total_ppm: int
    spread_ppm: int
    bound_ppm: int
    faults: int
    reputation_ppm: int


def reputation_steps(pairs: Mapping[PublicKey, Counters], faults: int) -> ReputationSteps:
    """Compute a worker's reputation, and keep every number on the way.

    Args:
        pairs: Its counters by submitter.
        faults: The tasks it voided as a submitter.
    """
    steps = tuple([_pair_step(submitter, counters) for submitter, counters in pairs.items()])
    agreeing = sum(step.agreeing_ppm for step in steps)
    total = sum(step.weight_ppm for step in steps)
    spread = bound = 0
    if total:
        spread = isqrt(Z2_PPM * (agreeing * (total - agreeing) // total + Z2_PPM // 4))
        bound = PPM * (agreeing + Z2_PPM // 2 - spread) // (total + Z2_PPM)
    return ReputationSteps(
        pairs=steps,
        agreeing_ppm=agreeing,
        total_ppm=total,
        spread_ppm=spread,
        bound_ppm=bound,
        faults=faults,
        reputation_ppm=bound >> faults,
    )


def _pair_step(submitter: PublicKey, counters: Counters) -> PairStep:
    runs = counters.agreed + counters.dissented + counters.absent
    weight = harmonic_ppm(runs)
    agreeing = weight * counters.agreed // runs if runs else 0
    return PairStep(submitter, counters, runs, weight, agreeing)
