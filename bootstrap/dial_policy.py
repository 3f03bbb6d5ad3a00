"""Which address to dial next, and how long to leave one alone that did not work."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bootstrap.addresses import CIRCUIT
from bootstrap.place import FAILURES_MAX, Place
from protocol.ids import PeerId

FIRST_DELAY_MS = 1_000
DELAY_MS_MAX = 60_000  # six tries in the first minute, then one a minute for ever
STEADY_MS = 60_000  # a connection that lasted so long clears the record of its address
FOREIGN_MS = 600_000  # before a node of another network is dialled again
OUTBOUND_TARGET = 6  # the gossip degree: a node that dialled so many cannot be surrounded cheaply
OUTBOUND_PER_GROUP_MAX = 2  # while others can be had: two groups leave room for two honest peers
PEER_DIALS_MAX = 8  # of one peer in PEER_WINDOW_MS, over all its addresses
PEER_WINDOW_MS = 60_000
DIALS_AT_ONCE_MAX = 16  # of all peers after a quiet time ...
DIAL_EVERY_MS = 1_000  # ... and one in so long from then on


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


NEVER = Trial()  # of what was not dialled yet


@dataclass(frozen=True, slots=True)
class Pace:
    """How many dials are left, whoever is dialled; a network that comes back is not stormed.

    Attributes:
        since_ms: When `left` was true; it grows by one every DIAL_EVERY_MS up to the bound.
        left: Dials.
    """

    since_ms: int = 0
    left: int = DIALS_AT_ONCE_MAX

    def at(self, now_ms: int) -> "Pace":
        """Return the pace as it counts now."""
        more = max(0, now_ms - self.since_ms) // DIAL_EVERY_MS
        left = min(self.left + more, DIALS_AT_ONCE_MAX)
        is_full = left == DIALS_AT_ONCE_MAX
        return Pace(now_ms if is_full else self.since_ms + more * DIAL_EVERY_MS, left)

    def less_one(self) -> "Pace":
        """Return the pace after one dial."""
        assert self.left > 0, "asked before"
        return replace(self, left=self.left - 1)


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


def after_foreigner(trial: Trial, now_ms: int, is_configured: bool) -> Trial:
    """Return the record after a connection to a node that is not of our network."""
    delay_ms = DELAY_MS_MAX if is_configured else FOREIGN_MS
    return Trial(failures=trial.failures + 1, due_ms=now_ms + delay_ms)


def after_move(trial: Trial, now_ms: int, dice: float) -> Trial:
    """Return the record once our own address changed: what failed from the old one may work now."""
    soon_ms = now_ms + backoff_ms(1, dice)
    return trial if trial.connected_ms else Trial(due_ms=min(trial.due_ms, soon_ms))


def settle(trial: Trial, now_ms: int) -> Trial:
    """Return the record as it counts now: a connection that lasted clears it."""
    if trial.connected_ms and now_ms - trial.connected_ms >= STEADY_MS:
        return Trial()
    return trial


def may_dial(dials_ms: Iterable[int], now_ms: int) -> bool:
    """Return whether a peer that was dialled at these moments may be dialled once more."""
    return sum(now_ms - dial_ms < PEER_WINDOW_MS for dial_ms in dials_ms) < PEER_DIALS_MAX


def choose(
    places: Collection[Place],
    *,
    trials: Mapping[str, Trial],
    connected: Collection[PeerId],
    outbound: Collection[Collection[str]],
    now_ms: int,
    most: int,
    dice: Callable[[], float],
) -> list[Place]:
    """Return the places to dial now, best first, one for each peer that is not connected.

    Anchors come first; then what is proven or configured and what was only heard of take turns:
    neither a poisoned table nor a flood of rumours has all of our dials. Spreads over the groups,
    and goes on in one that has OUTBOUND_PER_GROUP_MAX only while there is no other. None but
    configured ones once OUTBOUND_TARGET peers were dialled. Among peers that never worked chance
    decides: in any order he knows, whoever speaks up again and again would come before all others.

    Args:
        places: All that is known.
        trials: What came of dialling, by address.
        connected: Who is connected or being dialled.
        outbound: The groups that each peer counts in which we dialled, or are dialling.
        now_ms: The moment.
        most: How many may be dialled.
        dice: A number from 0 up to but not including 1, thrown once for each peer that may be
            dialled.
    """
    if most <= 0:
        return []
    has_enough = len(outbound) >= OUTBOUND_TARGET
    free = [
        place
        for place in places
        if place.peer_id not in connected and (place.is_configured or not has_enough)
    ]
    groups = Counter(group for each in outbound for group in each)
    lots = {peer_id: dice() for peer_id in dict.fromkeys(place.peer_id for place in free)}
    alone = {place.address: _rank(place, trials, {}, lots, now_ms) for place in free}
    count = len(outbound)
    turn = 0
    chosen: list[Place] = []
    while len(chosen) < most:
        best: dict[PeerId, Place] = {}
        proven: set[PeerId] = set()
        for place in _fit(free, groups, trials, now_ms, is_enough=count >= OUTBOUND_TARGET):
            if place.worked_ms or place.is_configured or place.is_anchor:
                proven.add(place.peer_id)
            if settle(trials.get(place.address, NEVER), now_ms).due_ms <= now_ms:
                rival = best.setdefault(place.peer_id, place)
                best[place.peer_id] = min(rival, place, key=lambda one: alone[one.address])
        queues: tuple[list[Place], list[Place]] = ([], [])
        for place in best.values():
            queues[place.peer_id not in proven].append(place)
        anchors = [place for place in queues[0] if place.is_anchor]
        pool = anchors or queues[turn] or queues[1 - turn]
        if not pool:
            break
        place = min(pool, key=lambda one: _rank(one, trials, groups, lots, now_ms))
        chosen.append(place)
        free = [one for one in free if one.peer_id != place.peer_id]
        groups.update(place.groups)
        count += 1
        turn = 1 - turn
    return chosen


def _fit(
    free: Sequence[Place],
    groups: Mapping[str, int],
    trials: Mapping[str, Trial],
    now_ms: int,
    *,
    is_enough: bool,
) -> list[Place]:
    """Return what may be dialled: what is configured, and the rest where it is not crowded.

    A place in a crowded group may be dialled, too, once there is none in another that may answer.
    """

    def is_crowded(place: Place) -> bool:
        return any(groups.get(group, 0) >= OUTBOUND_PER_GROUP_MAX for group in place.groups)

    if is_enough:
        return [place for place in free if place.is_configured]
    roomy = [place for place in free if not is_crowded(place)]
    may_answer = (
        settle(trials.get(place.address, NEVER), now_ms).failures < FAILURES_MAX for place in roomy
    )
    if not any(may_answer):
        return list(free)
    return [place for place in free if place.is_configured or not is_crowded(place)]


def choose_feeler(
    places: Iterable[Place],
    *,
    trials: Mapping[str, Trial],
    connected: Collection[PeerId],
    challenged: Collection[str],
    is_rumours_turn: bool,
    now_ms: int,
    dice: Callable[[], float],
) -> Place | None:
    """Return a place to dial only to learn whether somebody is there.

    Args:
        places: All that is known.
        trials: What came of dialling, by address.
        connected: Who is connected, being dialled, or left alone.
        challenged: The addresses to be tested.
        is_rumours_turn: Whether these come last; nobody has all the turns by what he leaves open.
        now_ms: The moment.
        dice: A number from 0 up to but not including 1.
    """
    due = [
        place
        for place in places
        if place.peer_id not in connected
        and settle(trials.get(place.address, NEVER), now_ms).due_ms <= now_ms
    ]
    tested = [place for place in due if place.address in challenged]
    rumours = [place for place in due if not place.worked_ms and not place.is_configured]
    pool = (rumours or tested) if is_rumours_turn else (tested or rumours)
    return pool[int(dice() * len(pool))] if pool else None


def next_due_ms(
    addresses: Iterable[str], *, trials: Mapping[str, Trial], now_ms: int
) -> int | None:
    """Return when an address may next be dialled, `now_ms` at the earliest; None without any."""
    dues = [max(now_ms, settle(trials.get(address, NEVER), now_ms).due_ms) for address in addresses]
    return min(dues, default=None)


def _rank(
    place: Place,
    trials: Mapping[str, Trial],
    groups: Mapping[str, int],
    lots: Mapping[PeerId, float],
    now_ms: int,
) -> tuple[int, bool, int, bool, bool, int, float, int, str]:
    trial = settle(trials.get(place.address, NEVER), now_ms)
    return (
        trial.failures,
        CIRCUIT in place.address,
        sum(groups.get(group, 0) for group in place.groups),
        not place.is_anchor,
        not place.is_configured,
        -place.worked_ms,
        lots[place.peer_id],
        -place.heard_ms,
        place.address,
    )
