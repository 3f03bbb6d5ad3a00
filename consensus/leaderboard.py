"""Everybody's standing, best first."""

from collections.abc import Mapping
from dataclasses import dataclass

from consensus.contributions import Counters, Pair
from consensus.reputation import reputation_ppm
from protocol.ids import PublicKey


@dataclass(frozen=True, slots=True)
class Standing:
    """One key's line on the board.

    Attributes:
        key: Whose line it is.
        points: One for each agreed answer.
        agreed: Summed over submitters, like the next three.
        dissented: Answers that lost.
        excused: Answers that lost on inputs where the winners were nearly tied.
        absent: Sealed answers never opened.
        faults: Tasks it voided as a submitter.
        submitters: Distinct submitters for whom it agreed at least once.
        reputation_ppm: See `consensus.reputation`.
    """

    key: PublicKey
    points: int
    agreed: int
    dissented: int
    excused: int
    absent: int
    faults: int
    submitters: int
    reputation_ppm: int


def leaderboard(
    pairs: Mapping[Pair, Counters], faults: Mapping[PublicKey, int]
) -> tuple[Standing, ...]:
    """Rank every key with a nonzero counter, faults included.

    Points descending, then reputation descending, then key ascending.
    """
    by_worker: dict[PublicKey, list[Counters]] = {key: [] for key in faults if faults[key]}
    for (_, worker), counters in pairs.items():
        if any(counters):
            by_worker.setdefault(worker, []).append(counters)
    standings = [
        _standing(key, counters, faults.get(key, 0)) for key, counters in by_worker.items()
    ]
    standings.sort(key=lambda standing: standing.key)
    standings.sort(key=lambda standing: (standing.points, standing.reputation_ppm), reverse=True)
    return tuple(standings)


def _standing(key: PublicKey, pairs: list[Counters], faults: int) -> Standing:
    agreed = sum(pair.agreed for pair in pairs)
    return Standing(
        key=key,
        points=agreed,
        agreed=agreed,
        dissented=sum(pair.dissented for pair in pairs),
        excused=sum(pair.excused for pair in pairs),
        absent=sum(pair.absent for pair in pairs),
        faults=faults,
        submitters=sum(1 for pair in pairs if pair.agreed),
        reputation_ppm=reputation_ppm(pairs, faults),
    )
