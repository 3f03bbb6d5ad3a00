"""The peers we remember, so that the network is found again after a restart without anybody's list.

Two tables, as in Bitcoin Core: what was only heard of, and what worked. A rumour never pushes out
what worked, what worked gives way only once it fails to prove itself again, and two parts of the
internet never make up more than a quarter of what worked.
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bootstrap.addresses import parse_address
from bootstrap.buckets import (
    NEW_PER_BUCKET,
    SECRET_BYTES,
    TRIED_PER_BUCKET,
    Buckets,
    new_bucket,
    tried_bucket,
)
from bootstrap.place import Place, makes_room, most_proven_first, place_at
from protocol.ids import PeerId

ADDRESSES_PER_PEER_MAX = 4
TRIED_PER_GROUP_MIN = 2  # however few others there are; the rest of its places stay rumours
TRIED_SHARE_OF_GROUP = 8  # a group has at most one in so many of what worked
CHALLENGES_MAX = 16  # newcomers that wait until an incumbent has been tested
TESTS_MAX = 3  # after which an incumbent gives way that answers and does not prove itself ...
TERM_MS = 40 * 60_000  # ... and after which one gives way that could not be tested, as in Core
ANCHORS_MAX = 2
PINS_MAX = 64
HEARD_AGAIN_MS = 3_600_000  # a place heard of again sooner is no reason to write the book


@dataclass(slots=True)
class Challenge:
    """A newcomer that waits for the place of an incumbent.

    Attributes:
        newcomer: The address of who would take it.
        tests: How often the incumbent answered and did not prove to be one of us.
        waited_ms: For how long it could have been tested.
    """

    newcomer: str
    tests: int = 0
    waited_ms: int = 0


class PeerBook:
    """Places by address, within the bounds of two tables; configured ones and anchors on top.

    Args:
        configured: Full addresses the operator named.
        secret: Decides what shares a bucket; None makes one up.

    Raises:
        BadAddress: A configured address cannot be dialled.
    """

    def __init__(self, configured: Iterable[str] = (), secret: bytes | None = None) -> None:
        self.secret = secrets.token_bytes(SECRET_BYTES) if secret is None else secret
        self._tried = Buckets(TRIED_PER_BUCKET)
        self._new = Buckets(NEW_PER_BUCKET)
        self._configured: dict[str, Place] = {}
        self._anchors: dict[str, Place] = {}
        self._challenges: dict[str, Challenge] = {}  # by incumbent
        self._pins: dict[str, tuple[PeerId, int]] = {}
        for text in configured:
            self.configure(text)

    def places(self) -> tuple[Place, ...]:
        """Return all places, the most proven first, ties by address."""
        found = {place.address: place for place in (*self._new, *self._tried)}
        for address in (*self._anchors, *self._configured):
            place = self.find(address)
            assert place is not None, "it is one of them"
            found[address] = place
        return tuple(sorted(found.values(), key=most_proven_first))

    def find(self, address: str) -> Place | None:
        """Return the place at an address in canonical spelling."""
        place = self._find(address)
        if place is None:
            return None
        is_configured, is_anchor = address in self._configured, address in self._anchors
        return replace(place, is_configured=is_configured, is_anchor=is_anchor)

    def tried(self) -> Iterator[Place]:
        """Return what worked."""
        return iter(self._tried)

    def rumours(self) -> Iterator[Place]:
        """Return what was only heard of, or gave way."""
        return iter(self._new)

    def knows(self, address: str) -> bool:
        """Return whether an address in canonical spelling is among the places."""
        return self._find(address) is not None

    def configure(self, address: str) -> None:
        """Add a place that is never forgotten, because the operator names it.

        Raises:
            BadAddress: The address cannot be dialled.
        """
        parsed = parse_address(address)
        self._configured.setdefault(parsed.text, replace(place_at(parsed), is_configured=True))

    def release(self, address: str) -> None:
        """Let a configured place be like any other: the operator names it no more."""
        self._configured.pop(address, None)

    def heard(self, address: str, now_ms: int, source: str = "") -> bool:
        """Note that a peer says it can be dialled there; return whether that is news.

        Args:
            address: The full multiaddr; its own peer must have named it.
            now_ms: The date.
            source: The part of the internet in which we were told; empty if unknown.

        Raises:
            BadAddress: The address cannot be dialled.
        """
        parsed = parse_address(address)
        known = self._find(parsed.text)
        if known is not None:
            is_news = now_ms - known.heard_ms >= HEARD_AGAIN_MS
            if is_news:
                self._renew(replace(known, heard_ms=now_ms))
            return is_news
        self._make_room_at(parsed.peer_id)
        return self._put_new(place_at(parsed, heard_ms=now_ms, source=source), now_ms)

    def worked(self, address: str, now_ms: int) -> None:
        """Note that an address led to the peer it names, and that the peer is one of us.

        Raises:
            BadAddress: The address cannot be dialled.
        """
        parsed = parse_address(address)
        known = self._find(parsed.text)
        if known is None:
            self._make_room_at(parsed.peer_id)
        place = known if known is not None else place_at(parsed, heard_ms=now_ms)
        worked_ms = max(now_ms, place.worked_ms)
        place = replace(place, worked_ms=worked_ms, failures=0, is_configured=False)
        self._renew(place)
        self._challenges.pop(parsed.text, None)
        if self._tried.find(parsed.text) is None:
            self._promote(place, now_ms)

    def failed(self, address: str, now_ms: int) -> None:
        """Note that nobody was reached there; an incumbent that was to be tested gives way."""
        place = self._find(address)
        if place is None:
            return
        self._renew(replace(place, failures=place.failures + 1))
        self._give_way(address, now_ms)

    def left(self, address: str, now_ms: int) -> bool:
        """Note that who answered there left unproven; return whether it gives way for that."""
        challenge = self._challenges.get(address)
        if challenge is None:
            return False
        challenge.tests += 1
        is_over = challenge.tests >= TESTS_MAX
        if is_over:
            self._give_way(address, now_ms)
        return is_over

    def wait(self, passed_ms: int, now_ms: int) -> bool:
        """Let time pass in which incumbents can be tested; return whether one gives way for it."""
        for challenge in self._challenges.values():
            challenge.waited_ms += passed_ms
        over = [one for one, each in self._challenges.items() if each.waited_ms >= TERM_MS]
        for address in over:
            self._give_way(address, now_ms)
        return bool(over)

    def challenged(self) -> tuple[str, ...]:
        """Return the places to dial in order to learn whether they still work."""
        return tuple(self._challenges)

    def anchors(self) -> tuple[Place, ...]:
        """Return the places to dial first after a restart."""
        return tuple(self._anchors.values())

    def anchor(self, addresses: Iterable[str]) -> bool:
        """Make these places the anchors, the first ANCHORS_MAX of those known; say if that is news.

        Only for places at which we are connected: nothing a stranger says comes here.
        """
        places = [place for place in map(self._find, addresses) if place is not None]
        anchors = {place.address: place for place in places[:ANCHORS_MAX]}
        is_news = list(anchors) != list(self._anchors)
        self._anchors = anchors
        return is_news

    def pinned(self, place: str) -> PeerId | None:
        """Return who answered first at a place that was named without a peer id."""
        pin = self._pins.get(place)
        return None if pin is None else pin[0]

    def pins(self) -> Iterator[tuple[str, PeerId, int]]:
        """Return every pin, and when it was made."""
        return ((place, peer_id, pinned_ms) for place, (peer_id, pinned_ms) in self._pins.items())

    def pin(self, place: str, peer_id: PeerId, now_ms: int) -> None:
        """Remember who answers at a place that was named without a peer id."""
        self._pins.pop(place, None)
        self._pins[place] = (peer_id, now_ms)
        while len(self._pins) > PINS_MAX:
            del self._pins[next(iter(self._pins))]

    def restore(self, place: Place, *, is_tried: bool, is_anchor: bool = False) -> None:
        """Put a place back where it was when the book was written, within every bound."""
        if is_anchor:
            if len(self._anchors) < ANCHORS_MAX:
                self._anchors[place.address] = place
            return
        table, bucket = self._new, new_bucket(self.secret, place)
        if is_tried:
            table, bucket = self._tried, tried_bucket(self.secret, place)
        mine = sum(one.peer_id == place.peer_id for one in (*self._tried, *self._new))
        is_known = self._tried.find(place.address) or self._new.find(place.address)
        if mine < ADDRESSES_PER_PEER_MAX and not is_known and not table.is_full(bucket):
            table.put(place, bucket)

    def _find(self, address: str) -> Place | None:
        return (
            self._tried.find(address)
            or self._new.find(address)
            or self._anchors.get(address)
            or self._configured.get(address)
        )

    def _renew(self, place: Place) -> None:
        for table in (self._tried, self._new):
            if table.find(place.address) is not None:
                table.renew(place)
        for fixed in (self._anchors, self._configured):
            if place.address in fixed:
                fixed[place.address] = place

    def _make_room_at(self, peer_id: PeerId) -> None:
        """Drop the oldest place of a peer that has enough; its new one is its own word."""
        mine = [place for place in (*self._tried, *self._new) if place.peer_id == peer_id]
        if len(mine) >= ADDRESSES_PER_PEER_MAX:
            self._drop(min(mine, key=lambda place: (place.last_ms, place.address)).address)

    def _put_new(self, place: Place, now_ms: int) -> bool:
        bucket = new_bucket(self.secret, place)
        if self._new.is_full(bucket):
            poor = [one for one in self._new.in_bucket(bucket) if makes_room(one, now_ms)]
            if not poor:
                return False
            self._new.drop(min(poor, key=lambda one: (one.last_ms, one.address)).address)
        self._new.put(place, bucket)
        return True

    def _promote(self, place: Place, now_ms: int) -> None:
        """Move a place to what worked, or let it wait until the one in its way has been tested."""
        bucket = tried_bucket(self.secret, place)
        group = [one for one in self._tried if one.group == place.group]
        share = max(TRIED_PER_GROUP_MIN, len(self._tried) // TRIED_SHARE_OF_GROUP)
        rivals = group if len(group) >= share else []
        if not rivals and self._tried.is_full(bucket):
            rivals = self._tried.in_bucket(bucket)
        if not rivals:
            self._new.drop(place.address)
            self._tried.put(place, bucket)
            return
        if self._new.find(place.address) is None:
            self._put_new(place, now_ms)
        oldest = min(rivals, key=lambda one: (one.worked_ms, one.address))
        if oldest.address in self._challenges or len(self._challenges) < CHALLENGES_MAX:
            self._challenges.setdefault(oldest.address, Challenge(place.address))

    def _give_way(self, address: str, now_ms: int) -> None:
        challenge = self._challenges.pop(address, None)
        newcomer = None if challenge is None else self._new.find(challenge.newcomer)
        incumbent = self._tried.find(address)
        if newcomer is not None and newcomer.worked_ms and incumbent is not None:
            self._demote(incumbent, now_ms)
            self._promote(newcomer, now_ms)

    def _demote(self, place: Place, now_ms: int) -> None:
        self._tried.drop(place.address)
        self._put_new(place, now_ms)

    def _drop(self, address: str) -> None:
        self._tried.drop(address)
        self._new.drop(address)
        self._challenges.pop(address, None)
        waiting = [one for one, each in self._challenges.items() if each.newcomer == address]
        for incumbent in waiting:
            del self._challenges[incumbent]
