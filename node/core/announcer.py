"""Our own presence: what we can run and where we are, said often enough and not more.

Where the network asks for work, a presence is ordered when it is due and published once its work is
done; whom we meet meanwhile is told the last one.
"""

from node.core.alarms import PRESENCE
from node.core.effects import Channel, Publish
from node.core.events import CapabilitiesChanged, Listening, Room
from node.core.horizons import Horizons
from node.core.parts import Parts
from node.core.sealer import Order
from node.core.turn import Turn
from protocol.gossip import pack_gossip
from protocol.ids import Digest
from protocol.params import ADDRESS_BYTES_MAX, ADDRESSES_MAX, TTL_MS_MAX
from protocol.record import Verified, may_write
from protocol.schema import sorted_capabilities
from protocol.statements import Capability, Presence

TTL_INTERVALS = 3
SETTLED_MS = 2_000  # a guess: nodes that start together have met by then
HORIZON_AGE_MS = 60_000  # younger records are still on their way
HORIZON_STEP_MS = 60_000  # so that many presences tell of the same moment


def horizon_of(wall_ms: int) -> int:
    """Return the moment up to which logs are compared at this one."""
    return max(0, (wall_ms - HORIZON_AGE_MS) // HORIZON_STEP_MS * HORIZON_STEP_MS)


class Announcer:
    """Signs presences; they are outside the outbox, since nothing in them binds us."""

    def __init__(self, parts: Parts, horizons: Horizons) -> None:
        self.capabilities: tuple[Capability, ...] = ()
        self.addresses: tuple[str, ...] = ()
        self._sealer = parts.outbox.sealer
        self._order: Order | None = None
        self._is_outdated = False  # the order; another waits until it was worked for
        self._is_silent = not may_write(self._sealer.public_key, parts.network)
        self._horizons = horizons
        self._network = parts.network
        self._settings = parts.settings
        self._presences = parts.presences
        self._outbox = parts.outbox
        self._alarms = parts.alarms
        self._last_ms: int | None = None
        self._next_ms: int | None = None
        self._repeat_ms: int | None = None  # None before the first peer
        self._said: Verified | None = None
        self._said_ms = 0
        self.is_behind = False  # then our log is not worth comparing

    def note(self, turn: Turn, event: CapabilitiesChanged | Listening | Room) -> None:
        """Take in what changed about us, and speak soon."""
        self._said = None
        self._is_outdated = self._order is not None
        match event:
            case CapabilitiesChanged(capabilities):
                self.capabilities = capabilities
            case Listening(addresses):
                self.addresses = tuple(a for a in addresses if _fits(a))
            case Room(is_full):
                self.is_behind = is_full
        self.soon(turn)

    def soon(self, turn: Turn) -> None:
        """Speak as soon as the least gap since the last time allows."""
        at_ms = turn.now.ms
        if self._last_ms is not None:
            at_ms = max(at_ms, self._last_ms + self._settings.presence_min_gap_ms)
        self._set(at_ms)

    def met(self, turn: Turn) -> None:
        """Note a peer; some time after the first of them, say once more who we are.

        What nodes that start together learn from each other while they connect is told by each to
        whom it meets later, but not to those it has met: a few of it is passed on, the rest is not.
        """
        if self._repeat_ms is None:
            self._repeat_ms = turn.now.ms + SETTLED_MS
            if self._next_ms is None or self._next_ms > self._repeat_ms:
                self._set(self._repeat_ms)

    def speak(self, turn: Turn, *, load: int, state_digest: Digest) -> None:
        """Publish our presence, or order its work, and set the alarm for the next."""
        if self._is_silent:
            return
        interval_ms = self._interval_ms(turn)
        if not self._sealer.needs_work:
            self._publish(turn, self._fresh(turn, load, state_digest))
        elif self._order is None:
            presence = self._presence(turn, load, self._ttl_ms(turn), state_digest)
            self._order = self._sealer.order(turn, [presence], self._outbox.created_ms(turn))
        self._last_ms = turn.now.ms
        next_ms = turn.now.ms + interval_ms
        if self._repeat_ms is not None and self._repeat_ms > turn.now.ms:
            next_ms = min(next_ms, self._repeat_ms)
        self._set(next_ms)

    def leave(self, turn: Turn, *, state_digest: Digest) -> None:
        """Say that we are gone."""
        if self._is_silent:
            return
        presence = self._presence(turn, 0, 0, state_digest)
        created_ms = self._outbox.created_ms(turn)
        if self._sealer.needs_work:
            self._order = self._sealer.order(turn, [presence], created_ms)
            self._is_outdated = False
        else:
            self._publish(turn, self._sealer.seal([presence], created_ms))
        self._alarms.clear(PRESENCE)

    def latest(self, turn: Turn, *, load: int, state_digest: Digest) -> Verified | None:
        """Return our presence for whom we meet; None if there is none.

        Where work is asked for, it is the last one whose work was done.
        """
        if self._is_silent or self._sealer.needs_work:
            return self._said
        return self._fresh(turn, load, state_digest)

    def note_work(self, turn: Turn, ticket: int, work: int) -> None:
        """Publish the presence whose work was done, if it is the one that waits for it.

        One that is outdated by then is dropped and the next is ordered: whoever makes us move again
        and again has one piece of work done at a time, and no queue of them.
        """
        order = self._order
        if order is not None and order.ticket == ticket:
            self._order = None
            if self._is_outdated:
                self._is_outdated = False
                self.soon(turn)
                return
            order.work = work
            self._said = self._sealer.seal_order(order)
            self._publish(turn, self._said)

    def _fresh(self, turn: Turn, load: int, state_digest: Digest) -> Verified:
        """Return our presence as of now, or of a moment ago if nothing changed since.

        Each one that is signed is passed on by everybody: whoever meets twenty peers at once must
        not make the network hear of it twenty times.
        """
        said = self._said
        is_young = turn.now.ms - self._said_ms <= self._settings.presence_min_gap_ms
        if said is None or not is_young:
            presence = self._presence(turn, load, self._ttl_ms(turn), state_digest)
            said = self._sealer.seal([presence], self._outbox.created_ms(turn))
            self._said, self._said_ms = said, turn.now.ms
        return said

    def _publish(self, turn: Turn, record: Verified) -> None:
        turn.effects.append(Publish(Channel.PRESENCE, pack_gossip([record.raw])))

    def _set(self, at_ms: int) -> None:
        self._next_ms = at_ms
        self._alarms.set(PRESENCE, at_ms)

    def _interval_ms(self, turn: Turn) -> int:
        nodes = self._presences.count_live(turn.now.ms) + 1
        crowd_ms = nodes * 1_000 // self._settings.presence_nodes_per_s
        return max(self._settings.presence_ms, crowd_ms)

    def _ttl_ms(self, turn: Turn) -> int:
        return min(TTL_INTERVALS * self._interval_ms(turn), TTL_MS_MAX)

    def _presence(self, turn: Turn, load: int, ttl_ms: int, state_digest: Digest) -> Presence:
        # Who stores nothing foreign could never open what it sealed: nobody is to wait for it.
        capabilities = sorted_capabilities([] if self.is_behind else list(self.capabilities))
        horizon_ms, count, fingerprint = 0, 0, bytes(16)
        if not self.is_behind:
            horizon_ms = horizon_of(turn.now.wall_ms)
            count, fingerprint = self._horizons.fingerprint_below(turn.rows, horizon_ms)
        return Presence(
            capabilities=capabilities[: self._network.params.capabilities_max],
            load=load,
            ttl_ms=ttl_ms,
            addresses=self.addresses[:ADDRESSES_MAX],
            horizon_ms=horizon_ms,
            count=count,
            fingerprint=fingerprint,
            state_digest=state_digest,
        )


def _fits(address: str) -> bool:
    return len(address.encode()) <= ADDRESS_BYTES_MAX
