"""A log under hashed ids, in case somebody made ids whose sums collide."""

from collections.abc import Sequence
from itertools import groupby

from protocol.ids import RecordId, sha256
from protocol.reconcile_items import KEY_BYTES, PackedItems
from protocol.reconcile_wire import ID_BYTES

_MOMENT_BYTES = 8


class SaltedItems:
    """All records under hashed ids, in the order of those."""

    def __init__(self, salt: bytes, pairs: bytes) -> None:
        """Take the items as `salted_pairs` lays them out; heavy, for a thread."""
        self.salt = salt
        width = KEY_BYTES + ID_BYTES
        keys = range(0, len(pairs), width)
        self.items = PackedItems(b"".join(pairs[at : at + KEY_BYTES] for at in keys))
        self._ids = b"".join(pairs[at + KEY_BYTES : at + width] for at in keys)

    def resolve(self, names: Sequence[bytes]) -> list[RecordId]:
        """Return the records whose hashed ids begin with one of some names of equal length."""
        if not names:
            return []
        wanted, length = set(names), len(names[0])
        return [
            RecordId(self._ids[ID_BYTES * at : ID_BYTES * (at + 1)])
            for at in range(self.items.size)
            if self.items.record_id(at)[:length] in wanted
        ]


def salted_pairs(salt: bytes, slices: Sequence[bytes]) -> bytes:
    """Lay out (created_ms, hashed id, id) ascending; moments stay in order, ids do not."""
    keys = (some[at : at + KEY_BYTES] for some in slices for at in range(0, len(some), KEY_BYTES))
    laid = bytearray()
    for moment, same in groupby(keys, lambda key: key[:_MOMENT_BYTES]):
        ids = (key[_MOMENT_BYTES:] for key in same)
        for hashed, record_id in sorted((sha256(salt, one), one) for one in ids):
            laid += moment + hashed + record_id
    return bytes(laid)
