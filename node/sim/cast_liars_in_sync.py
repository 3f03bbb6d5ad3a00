"""Peers that lie while logs are compared, both when they are asked and when they ask."""

from collections.abc import Callable
from functools import partial

from node.core import effects as fx
from node.exchange import (
    RECORDS_PER_REQUEST_MAX,
    SALT_BYTES,
    Comparison,
    pack_blobs,
    pack_comparison,
    pack_taken,
    pack_wanted,
    read_blobs,
    read_comparison,
)
from node.salted import SaltedItems, salted_pairs
from node.sim.forge import Forger
from node.sim.session import COMPARE, PUSH, RECORDS, places
from node.sync_limits import ANSWERING
from protocol.errors import ProtocolError
from protocol.gossip import unpack_gossip
from protocol.reconcile import respond
from protocol.reconcile_items import KEY_BYTES, PackedItems
from protocol.reconcile_wire import FINGERPRINT_BYTES, INFINITY, VERSION, Bound, Writer

NEVER_MS = 10**12
DRAG_MS = 2_800  # just within the patience for a first answer
BYTE_MS = 1_000  # one byte a second
GONE_MS = 5_000
ASK_MS = 3_000  # between two questions out of the blue
INVENTED = 200  # ids that nobody signed
HUGE_BYTES = 1_000_000
HOUR_MS = 3_600_000

Lie = Callable[["SyncLiar", str, int, bytes], bytes | None]


class SyncLiar(Forger):
    """Gossips like an honest node, and lies in sync.

    Attributes:
        lie: How it answers; see `LIES`.
        asks: Whether it also asks its neighbours what makes no sense.
        told: How often it lied, by stream.
    """

    cast = "sync liar"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.lie = self.dice.pick(list(LIES))
        self.asks = True
        self.told: dict[str, int] = {}
        self._invented = b""
        self._presence = b""

    def begun(self) -> None:
        """Begin to ask."""
        self.world.schedule.after(self.dice.below(ASK_MS), self._ask_nonsense, self.life)

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Remember the last presence, to slip it among records."""
        if channel is fx.Channel.PRESENCE:
            self._presence = unpack_gossip(data)[0]
        super().publish(channel, data)

    def answer(self, stream: str, asker: int, request: bytes) -> bytes | None:
        """Lie."""
        self.syncing.drags_ms = 0
        said = LIES[self.lie](self, stream, asker, request)
        self.told[stream] = self.told.get(stream, 0) + 1
        return said

    def honestly(self, stream: str, asker: int, request: bytes) -> bytes | None:
        """Answer as the shell of an honest node would."""
        return self.syncing.answer(stream, asker, request)

    def invented(self) -> bytes:
        """Return the places of records that do not exist, the same each time, unsorted."""
        if not self._invented:
            dates = [self.wall_ms() - self.dice.below(HOUR_MS) for _ in range(INVENTED)]
            self._invented = b"".join([date.to_bytes(8) + self.dice.bytes(32) for date in dates])
        return self._invented

    def compared_over(self, request: bytes, more: bytes, *, hides: bool = False) -> bytes | None:
        """Answer a comparison as if its log held more places, or nothing else."""
        try:
            asked = read_comparison(request)
            held = more if hides else places(self) + more
            if asked.salt:
                pairs = salted_pairs(asked.salt, [_ascending(held)])
                return respond(SaltedItems(asked.salt, pairs).items, asked.query, ANSWERING)
            items = PackedItems(_ascending(held)).since(Bound(asked.since_ms, b""))
            return respond(items, asked.query, ANSWERING)
        except ProtocolError:
            return None

    def presence(self) -> bytes:
        """Return its last presence; empty before the first."""
        return self._presence

    def hang_up(self) -> None:
        """End every connection, and come back soon."""
        self.world.net.down(self.index)
        self.world.schedule.after(GONE_MS, self._come_back, self.life)

    def _come_back(self, life: int) -> None:
        if life == self.life and self.machine is not None:
            self.world.net.up(self.index)

    def _ask_nonsense(self, life: int) -> None:
        if life != self.life:
            return
        if self.routes and self.asks:
            stream, request = self.dice.pick(QUESTIONS)(self)
            self.ask(self.dice.pick(list(self.routes)), stream, request)
        self.world.schedule.after(ASK_MS, self._ask_nonsense, life)


def _ascending(held: bytes) -> bytes:
    return b"".join(sorted(held[at : at + KEY_BYTES] for at in range(0, len(held), KEY_BYTES)))


# How it answers.


def _claims(liar: SyncLiar, stream: str, asker: int, request: bytes, *, count: int) -> bytes | None:
    """Say that it has records which nobody ever signed."""
    if stream == COMPARE:
        return liar.compared_over(request, liar.invented()[: count * KEY_BYTES])
    return liar.honestly(stream, asker, request)


def _wrong_bytes(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Break the signature of every record it hands out."""
    said = liar.honestly(stream, asker, request)
    if stream != RECORDS or said is None:
        return said
    return pack_blobs(raw[:-1] + bytes([raw[-1] ^ 1]) for raw in _blobs(said))


def _unasked(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Hand out one record more than was asked for."""
    said = liar.honestly(stream, asker, request)
    if stream != RECORDS or said is None:
        return said
    extra = liar.sign(liar.a_task(b"nobody asked for this"))
    return pack_blobs([extra.raw, *_blobs(said)])


def _presences(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Claim its own presence as a record, and hand it out."""
    presence = liar.presence()
    if not presence or stream == PUSH:
        return liar.honestly(stream, asker, request)
    if stream == RECORDS:
        said = liar.honestly(stream, asker, request)
        return None if said is None else pack_blobs([presence, *_blobs(said)])
    record = liar.world.opened(presence)
    return liar.compared_over(request, record.created_ms.to_bytes(8) + record.record_id)


def _endless(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Find a new difference in everything, at each answer."""
    if stream != COMPARE:
        return liar.honestly(stream, asker, request)
    out = Writer()
    out.fingerprint(INFINITY, liar.dice.bytes(FINGERPRINT_BYTES))
    return out.message()


def _equal(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Say that nothing differs, as if all its sums were made to collide."""
    if stream == COMPARE:
        return bytes([VERSION])
    return liar.honestly(stream, asker, request)


def _silent(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Never answer."""
    del stream, asker, request
    liar.syncing.drags_ms = NEVER_MS
    return b""


def _refuses(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Refuse whatever is asked."""
    del liar, stream, asker, request
    return None


def _slow(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Answer honestly at one byte a second."""
    said = liar.honestly(stream, asker, request)
    liar.syncing.drags_ms = BYTE_MS * len(said or b"")
    return said


def _drags(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Find differences without end, each just before the asker loses patience."""
    liar.syncing.drags_ms = DRAG_MS
    return _endless(liar, stream, asker, request)


def _closes(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Compare honestly, then hang up when records are to move."""
    if stream == COMPARE:
        return liar.honestly(stream, asker, request)
    liar.hang_up()
    return None


def _garbage(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Answer with dice."""
    del stream, asker, request
    return liar.dice.bytes(liar.dice.between(1, 500))


def _huge(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Answer with more than anybody may say at once."""
    if stream == COMPARE:
        return bytes([VERSION]) * HUGE_BYTES
    return liar.honestly(stream, asker, request)


def _took(liar: SyncLiar, stream: str, asker: int, request: bytes, *, taken: int) -> bytes | None:
    """Hide its log, and miscount what is then pushed to it."""
    if stream == COMPARE:
        return liar.compared_over(request, b"", hides=True)
    if stream == PUSH:
        return pack_taken(taken)
    return liar.honestly(stream, asker, request)


def _hoards(liar: SyncLiar, stream: str, asker: int, request: bytes) -> bytes | None:
    """Hide its log, so that all is pushed to it each time, and thank for it."""
    if stream == PUSH:
        return pack_taken(len(_blobs(request)))
    return _took(liar, stream, asker, request, taken=0)


def _blobs(packed: bytes) -> list[bytes]:
    try:
        return read_blobs(packed, count_max=1 << 16, bytes_max=1 << 20)
    except ProtocolError:
        return []


LIES: dict[str, Lie] = {
    "claims": partial(_claims, count=INVENTED),
    "claims few": partial(_claims, count=5),
    "wrong bytes": _wrong_bytes,
    "unasked": _unasked,
    "presences": _presences,
    "endless": _endless,
    "equal": _equal,
    "silent": _silent,
    "refuses": _refuses,
    "slow": _slow,
    "drags": _drags,
    "closes": _closes,
    "garbage": _garbage,
    "huge": _huge,
    "took too many": partial(_took, taken=1_000_000),
    "took none": partial(_took, taken=0),
    "hoards": _hoards,
}
# Lies that nobody honest could ever tell, so that whoever hears one blames the liar.
PROVEN = ("wrong bytes", "unasked", "presences", "garbage", "huge", "took too many")


# What it asks out of the blue.


def _ask_dice(liar: SyncLiar) -> tuple[str, bytes]:
    return liar.dice.pick((COMPARE, RECORDS)), liar.dice.bytes(liar.dice.between(1, 500))


def _ask_over_a_huge_list(liar: SyncLiar) -> tuple[str, bytes]:
    out = Writer()
    out.ids(INFINITY, [liar.dice.bytes(32) for _ in range(2_000)])
    return COMPARE, pack_comparison(Comparison(0, b"", out.message()))


def _ask_over_a_fresh_salt(liar: SyncLiar) -> tuple[str, bytes]:
    out = Writer()
    out.fingerprint(INFINITY, liar.dice.bytes(FINGERPRINT_BYTES))
    return COMPARE, pack_comparison(Comparison(0, liar.dice.bytes(SALT_BYTES), out.message()))


def _ask_for_one_thing_over_and_over(liar: SyncLiar) -> tuple[str, bytes]:
    held = places(liar)
    name = held[8:KEY_BYTES] if held else bytes(32)
    return RECORDS, pack_wanted(b"", [name] * RECORDS_PER_REQUEST_MAX)


def _push_dice(liar: SyncLiar) -> tuple[str, bytes]:
    return PUSH, pack_blobs([liar.dice.bytes(300)])


def _push_a_presence(liar: SyncLiar) -> tuple[str, bytes]:
    return PUSH, pack_blobs([liar.presence() or liar.dice.bytes(300)])


def _push_a_broken_signature(liar: SyncLiar) -> tuple[str, bytes]:
    raw = liar.sign(liar.a_task(b"not signed")).raw
    return PUSH, pack_blobs([raw[:-1] + bytes([raw[-1] ^ 1])])


QUESTIONS: tuple[Callable[[SyncLiar], tuple[str, bytes]], ...] = (
    _ask_dice,
    _ask_over_a_huge_list,
    _ask_over_a_fresh_salt,
    _ask_for_one_thing_over_and_over,
    _push_dice,
    _push_a_presence,
    _push_a_broken_signature,
)
