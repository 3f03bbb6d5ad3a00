"""Who stands where."""

from consensus.contributions import Counters
from consensus.leaderboard import leaderboard
from tests.builders import key

AN, SUE, BO, CY, DI = (key(name) for name in ("an", "sue", "bo", "cy", "di"))


def test_leaderboard__is_by_points_then_reputation_then_key() -> None:
    pairs = {
        (AN, BO): Counters(agreed=2),
        (AN, CY): Counters(agreed=1),
        (SUE, CY): Counters(agreed=1),  # the same points from two submitters are worth more
        (AN, DI): Counters(agreed=3, dissented=1, excused=2, absent=1),
    }

    board = leaderboard(pairs, {})

    assert [standing.key for standing in board] == [DI, CY, BO]
    assert [standing.points for standing in board] == [3, 2, 2]
    assert [standing.submitters for standing in board] == [1, 2, 1]
    assert (board[0].dissented, board[0].excused, board[0].absent) == (1, 2, 1)


def test_leaderboard__breaks_ties_by_key() -> None:
    twins = leaderboard({(AN, key_): Counters(agreed=1) for key_ in (DI, BO, CY)}, {})

    assert [standing.key for standing in twins] == sorted([BO, CY, DI])


def test_leaderboard__lists_every_nonzero_counter_and_no_other() -> None:
    pairs = {(AN, BO): Counters(), (AN, CY): Counters(absent=1)}

    board = leaderboard(pairs, {SUE: 1, AN: 0})

    assert {standing.key: standing.faults for standing in board} == {CY: 0, SUE: 1}


def test_leaderboard__counts_submitters_it_agreed_for() -> None:
    pairs = {(AN, BO): Counters(dissented=5), (SUE, BO): Counters(agreed=1)}

    assert leaderboard(pairs, {})[0].submitters == 1


def test_leaderboard__takes_faults_from_the_reputation_of_the_same_key() -> None:
    pairs = {(AN, BO): Counters(agreed=9)}

    clean, faulty = leaderboard(pairs, {}), leaderboard(pairs, {BO: 2})

    assert faulty[0].reputation_ppm == clean[0].reputation_ppm >> 2
