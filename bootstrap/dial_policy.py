"""Which address to dial next, and how long to leave one alone that did not work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from bootstrap.addresses import CIRCUIT
from bootstrap.peer_book import Place
from protocol.ids import PeerId

FIRST_DELAY_MS = 1_000
DELAY_MS_MAX = 60_000  # six tries in the first minute, then one a minute for ever
STEADY_MS = 60_000  # a connection that lasted so long clears the record of its address
OUTBOUND_TARGET = 6  # the gossip degree: a node that dialled so many cannot be surrounded cheaply


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of dialling one address.

    Attributes:
        failures: Attempts since a connection there last lasted.
        due_ms: When it may be dialled again.
        connected_ms: When it last led to a connection; 0 if the last attempt failed.
    """

    failures: int = 0
    due_ms: int = 0
    connected_ms: int = 0


def backoff_ms(failures: int, dice: float) -> int:
    """Return how long to leave an address alone after so many failures in a row.

    Doubles from FIRST_DELAY_MS to DELAY_MS_MAX; the dice, `0 <= dice < 1`, choose between half and
    all of it, so that nodes that lost the same peer do not return together.
    """
    if failures <= 0:
        return 0
    whole = min(FIRST_DELAY_MS << min(failures - 1, 16), DELAY_MS_MAX)
    return whole // 2 + int(dice * (whole - whole // 2))


def after_failure(trial: Trial, now_ms: int, dice: float) -> Trial:
    """Return the record after one more attempt that led to nothing."""
    failures = trial.failures + 1
    return Trial(failures=failures, due_ms=now_ms + backoff_ms(failures, dice))


def after_success(trial: Trial, now_ms: int, dice: float) -> Trial:
    """Return the record after a connection; it clears only once the connection lasted."""
    return replace(after_failure(trial, now_ms, dice), connected_ms=now_ms)


def settle(trial: Trial, now_ms: int) -> Trial:
    """Return the record as it counts now: a connection that lasted clears it."""
    if trial.connected_ms and now_ms - trial.connected_ms >= STEADY_MS:
        return Trial()
    return trial


def choose(
    places: Collection[Place],
    *,
    trials: Mapping[str, Trial],
    connected: Collection[PeerId],
    outbound_count: int,
    now_ms: int,
) -> list[Place]:
    """Return the places to dial now, best first, one for each peer that is not connected.

    Prefers the fewest failures, then what needs no relay, then what worked last, then what the
    operator named, then what was heard of last. None once enough peers were dialled and every
    configured one is connected.
    """
    best: dict[PeerId, Place] = {}
    is_enough = outbound_count >= OUTBOUND_TARGET
    for place in sorted(places, key=lambda place: _rank(place, trials.get(place.address, Trial()))):
        trial = settle(trials.get(place.address, Trial()), now_ms)
        if place.peer_id in connected or trial.due_ms > now_ms:
            continue
        if is_enough and not place.is_configured:
            continue
        best.setdefault(place.peer_id, place)
    return list(best.values())


def next_due_ms(
    places: Collection[Place],
    *,
    trials: Mapping[str, Trial],
    connected: Collection[PeerId],
    now_ms: int,
) -> int | None:
    """Return when an address may next be dialled, `now_ms` at the earliest; None without any."""
    dues = [
        max(now_ms, settle(trials.get(place.address, Trial()), now_ms).due_ms)
        for place in places
        if place.peer_id not in connected
    ]
    return min(dues, default=None)


def _rank(place: Place, trial: Trial) -> tuple[int, bool, int, bool, int, str]:
    return (
        trial.failures,
        CIRCUIT in place.address,
        -place.worked_ms,
        not place.is_configured,
        -place.learned_ms,
        place.address,
    )
