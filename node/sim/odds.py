"""What chance alone makes of a vote: the share of wrong verdicts to expect of so many liars."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

from consensus.verdict import quorum_of

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Bloc:
    """Workers that are alike.

    Attributes:
        workers: How many.
        wrong_ppm: How often one of them gives the one wrong answer that is looked at.
    """

    workers: int
    wrong_ppm: int


def binomial_ppm(wrong_ppm: int, *, seats: int) -> int:
    """Return how often a quorum is wrong if every seat is, alone, so often.

    >>> [binomial_ppm(200_000, seats=seats) for seats in (3, 5, 7)]
    [104000, 57920, 33344]
    """
    return round(PPM * _tail(wrong_ppm / PPM, seats))


def drawn_ppm(blocs: Sequence[Bloc], *, seats: int) -> int:
    """Return how often a quorum is wrong if the seats are drawn from these very workers.

    Fewer than binomial, since nobody sits twice. With fewer workers than seats all are drawn.

    >>> drawn_ppm([Bloc(workers=40, wrong_ppm=PPM), Bloc(workers=160, wrong_ppm=0)], seats=3)
    102543
    """
    everyone = sum(bloc.workers for bloc in blocs)
    drawn = min(seats, everyone)
    # ways[chosen][wrong]: in how many ways, weighted by how likely their answers are.
    ways = [[0.0] * (drawn + 1) for _ in range(drawn + 1)]
    ways[0][0] = 1.0
    for bloc in blocs:
        ways = _joined(ways, bloc, drawn)
    return round(PPM * sum(ways[drawn][quorum_of(seats) :]) / comb(everyone, drawn))


def error_ppm(share_ppm: int, *, tasks: int) -> int:
    """Return the standard error of a share that was measured on so many tasks."""
    share = share_ppm / PPM
    return round(PPM * sqrt(share * (1 - share) / tasks))


def _joined(ways: list[list[float]], bloc: Bloc, drawn: int) -> list[list[float]]:
    share = bloc.wrong_ppm / PPM
    after = [[0.0] * (drawn + 1) for _ in range(drawn + 1)]
    for chosen in range(drawn + 1):
        for more in range(min(bloc.workers, drawn - chosen) + 1):
            for wrong in range(more + 1):
                weight = comb(bloc.workers, more) * _exactly(wrong, more, share)
                for before in range(chosen + 1):
                    after[chosen + more][before + wrong] += ways[chosen][before] * weight
    return after


def _tail(share: float, seats: int) -> float:
    return sum(_exactly(wrong, seats, share) for wrong in range(quorum_of(seats), seats + 1))


def _exactly(hits: int, tries: int, share: float) -> float:
    return comb(tries, hits) * float(share**hits) * float((1 - share) ** (tries - hits))
