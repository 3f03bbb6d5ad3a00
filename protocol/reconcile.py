"""Finding out what each of two logs lacks, by comparing ranges of them instead of lists.

Range-based set reconciliation, Negentropy protocol V1 on the wire; see
docs/decisions/0006-reconciliation.md. The one who asks calls `initiate`, sends what it returns, and
calls `proceed` on each answer until there is nothing left to ask. The one who is asked calls
`respond`, and need not remember anything in between. Neither changes a log, and both logs may
change meanwhile: what came too late is found next time.

What a peer says is hearsay: it may ask for ever, list ids that do not exist or hide some it has.
One message costs us no more than its length, our frame and one walk over our items. Whoever asks
ends after `ROUNDS_MAX`; what remains then is found by the next session, once these records moved.
"""

from dataclasses import dataclass
from typing import Final

from protocol.errors import Malformed
from protocol.reconcile_items import EMPTY_FINGERPRINT, Item, Items
from protocol.reconcile_wire import (
    ID_BYTES,
    INFINITY,
    UINT64_MAX,
    VERSION,
    VERSION_MAX,
    VERSION_MIN,
    Bound,
    Mode,
    Range,
    Writer,
    ids_in,
    read_message,
)

FRAME_BYTES_MIN: Final = 4096  # the reference takes no less: one split must always fit
FRAME_BYTES: Final = 1024 * 1024  # measured: 1,000 differences in 100,000 items make 0.7 MB of ids
MESSAGE_BYTES_MAX: Final = FRAME_BYTES  # a guess: no peer writes more than we would
RANGES_MAX: Final = 64 * 1024  # derived: more than the 55,188 fingerprints such a message can hold
ROUNDS_MAX: Final = 32  # derived: with our frame a million ids each way

_SPLIT_WAYS: Final = 16  # the reference's; so are the limit of a list, below, and the reserve
_LISTED_MAX: Final = 2 * _SPLIT_WAYS - 1
_READ_TOGETHER: Final = 1_000  # items at once: a peer may list nothing where we have millions
_FRAME_RESERVE_BYTES: Final = 200  # what may follow the check: two bounds, an id, a fingerprint


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may cost.

    Attributes:
        frame_bytes_max: Of a message we write, at least `FRAME_BYTES_MIN`; None is no limit, for
            tests only.
        message_bytes_max: Of a message we read; no more than a 32nd of it are ids.
        ranges_max: In a message we read.
        have_max: How many ids of ours one step names; None is no limit. A peer with nothing lacks
            all we have.
    """

    frame_bytes_max: int | None = FRAME_BYTES
    message_bytes_max: int = MESSAGE_BYTES_MAX
    ranges_max: int = RANGES_MAX
    have_max: int | None = None


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Step:
    """What an answer told us.

    Attributes:
        query: What to send next; None when all was compared.
        have: Ids that we have and the peer lacks, each once; later steps may repeat some.
        need: Ids that the peer says it has. We lack them, unless it put them in the wrong range;
            each once, later steps may repeat some.
        unnamed: How many more we have that the peer lacks; the limit kept them out of `have`.
    """

    query: bytes | None
    have: tuple[bytes, ...]
    need: tuple[bytes, ...]
    unnamed: int = 0


def initiate(items: Items, *, equal_at_best: bool = False) -> bytes:
    """Return the first query: all we have, in 16 fingerprints or one list; at most 1 KiB.

    Args:
        items: What we have.
        equal_at_best: Ask with a single fingerprint. It costs one message more where there is a
            difference, and next to nothing where there is none; the reference never does this, but
            takes it as it takes any fingerprint.
    """
    out = Writer()
    if equal_at_best:
        out.fingerprint(INFINITY, items.fingerprint(0, items.size))
        return out.message()
    _split(items, 0, items.size, INFINITY, out)
    return out.message()


def proceed(items: Items, answer: bytes, limits: Limits = DEFAULT_LIMITS) -> Step:
    """Take in an answer to our query.

    Raises:
        Malformed: It is no answer within the limits, or of another version.
    """
    found = _Found(limits.have_max)
    query = _compare(items, _read(answer, limits), limits, found)
    is_done = query == bytes([VERSION])
    return Step(
        None if is_done else query, tuple(found.have), tuple(found.need), unnamed=found.unnamed
    )


def respond(items: Items, query: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the answer to a query; to one of another version, the version we speak.

    Raises:
        Malformed: It is no query within the limits.
    """
    if query and query[0] != VERSION and VERSION_MIN <= query[0] <= VERSION_MAX:
        return bytes([VERSION])
    return _compare(items, _read(query, limits), limits, None)


class _Found:
    """What an initiator learns from one message, in order."""

    __slots__ = ("_have_max", "have", "need", "unnamed")

    def __init__(self, have_max: int | None) -> None:
        self._have_max = UINT64_MAX if have_max is None else have_max
        self.have: list[bytes] = []
        self.need: dict[bytes, None] = {}
        self.unnamed = 0

    def compare(self, items: Items, start: int, end: int, theirs: list[bytes]) -> None:
        """Compare two complete lists of one range, ours between two places."""
        unmatched = dict.fromkeys(theirs)
        for at in range(start, end, _READ_TOGETHER):
            upto = min(at + _READ_TOGETHER, end)
            if not unmatched and len(self.have) >= self._have_max:
                self.unnamed += end - at
                break
            for item in items.between(at, upto):
                if item.record_id in unmatched:
                    del unmatched[item.record_id]
                elif len(self.have) < self._have_max:
                    self.have.append(item.record_id)
                else:
                    self.unnamed += 1
        self.need |= unmatched


def _read(message: bytes, limits: Limits) -> list[Range]:
    if len(message) > limits.message_bytes_max:
        raise Malformed(f"message: {len(message)} bytes, need at most {limits.message_bytes_max}")
    return read_message(message, ranges_max=limits.ranges_max)


def _compare(items: Items, ranges: list[Range], limits: Limits, found: _Found | None) -> bytes:
    """Return a message about every range that still differs, as many as the frame holds.

    Ranges of no more interest are said in one word before the next that is: `skipped`. Once the
    frame is full, one fingerprint stands for all the rest, and the peer asks on from there.
    """
    frame = limits.frame_bytes_max
    assert frame is None or frame >= FRAME_BYTES_MIN, f"a frame of {frame} bytes"
    room = UINT64_MAX if frame is None else frame - _FRAME_RESERVE_BYTES
    out = Writer()
    skipped: Bound | None = None
    lower = written = 0  # how many items are below the last bound we read, and the last we wrote
    for upper, mode, payload in ranges:
        mark, end = len(out), items.lower_bound(upper)
        if mode == Mode.FINGERPRINT and payload != items.fingerprint(lower, end):
            _skip(skipped, out)
            _split(items, lower, end, upper, out)
            if len(out) > room:
                out.cut(mark)
                # The range just cut is not in this fingerprint, to make sure that it differs. From
                # a peer with nothing there it would not: what we have would be lost. There the
                # reference errs, we do not; anywhere else these bytes are those of the reference.
                rest = written if payload == EMPTY_FINGERPRINT else end
                out.fingerprint(INFINITY, items.fingerprint(rest, items.size))
                break
            skipped, written = None, end
        elif mode == Mode.ID_LIST and found is None:
            _skip(skipped, out)
            end = _list(items, lower, end, upper, out, ids_max=(room - mark) // ID_BYTES + 1)
            if len(out) > room:
                out.fingerprint(INFINITY, items.fingerprint(end, items.size))
                break
            skipped, written = None, end
        else:
            if mode == Mode.ID_LIST and found is not None:
                found.compare(items, lower, end, ids_in(payload))
            skipped = upper
        lower = end
    return out.message()


def _skip(skipped: Bound | None, out: Writer) -> None:
    """Say that nothing more is to be said up to a bound, if there is one."""
    if skipped is not None:
        out.skip(skipped)


def _list(items: Items, start: int, end: int, upper: Bound, out: Writer, *, ids_max: int) -> int:
    """List what we have up to a bound, or less of it; return where the list ends."""
    if end - start > ids_max:
        end = start + ids_max
        upper = Bound(*items.between(end, end + 1)[0])
    out.ids(upper, [item.record_id for item in items.between(start, end)])
    return end


def _split(items: Items, start: int, end: int, upper: Bound, out: Writer) -> None:
    """Say what we have up to a bound: in a list if it is short, else in 16 fingerprints."""
    count = end - start
    if count <= _LISTED_MAX:
        out.ids(upper, [item.record_id for item in items.between(start, end)])
        return
    size, larger = divmod(count, _SPLIT_WAYS)
    for way in range(_SPLIT_WAYS):
        middle = start + size + (way < larger)
        bound = upper if middle == end else _bound_between(*items.between(middle - 1, middle + 1))
        out.fingerprint(bound, items.fingerprint(start, middle))
        start = middle


def _bound_between(below: Item, above: Item) -> Bound:
    """Return the shortest bound that separates two neighbours."""
    if below.created_ms != above.created_ms:
        return Bound(above.created_ms, b"")
    shared = 0
    while below.record_id[shared] == above.record_id[shared]:
        shared += 1
    return Bound(above.created_ms, above.record_id[: shared + 1])
