"""A table of places in buckets, of which one part of the internet can only fill a few.

After the address manager of Bitcoin Core. Which bucket a place falls into depends on a secret, so
nobody can choose addresses that push out given others.
"""

import hashlib
from collections.abc import Iterator

from bootstrap.network_group import CIRCUITS, NAMES, group_at, host_at
from bootstrap.place import Place

TRIED_BUCKETS = 64
TRIED_BUCKETS_PER_GROUP = 4  # two groups reach an eighth of the table
TRIED_PER_BUCKET = 4
NEW_BUCKETS = 64
NEW_BUCKETS_PER_SOURCE = 16  # whoever tells us reaches a quarter of the table
NEW_PER_BUCKET = 8
TRIED_MAX = TRIED_BUCKETS * TRIED_PER_BUCKET
NEW_MAX = NEW_BUCKETS * NEW_PER_BUCKET
SECRET_BYTES = 16


class Buckets:
    """Places by address; the caller asks for room before it puts one in."""

    def __init__(self, per_bucket: int) -> None:
        self._per_bucket = per_bucket
        self._places: dict[str, Place] = {}
        self._bucket_of: dict[str, int] = {}
        self._buckets: dict[int, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def find(self, address: str) -> Place | None:
        """Return the place at an address."""
        return self._places.get(address)

    def in_bucket(self, bucket: int) -> list[Place]:
        """Return what one bucket holds."""
        return [self._places[address] for address in self._buckets.get(bucket, ())]

    def is_full(self, bucket: int) -> bool:
        """Return whether nothing more goes into a bucket."""
        return len(self._buckets.get(bucket, ())) >= self._per_bucket

    def put(self, place: Place, bucket: int) -> None:
        """Add a place to a bucket that has room."""
        assert not self.is_full(bucket), "asked before"
        self._places[place.address] = place
        self._bucket_of[place.address] = bucket
        self._buckets.setdefault(bucket, {})[place.address] = None

    def renew(self, place: Place) -> None:
        """Replace what is known of a place that is here."""
        assert place.address in self._places, "it is here"
        self._places[place.address] = place

    def drop(self, address: str) -> None:
        """Remove a place if it is here."""
        if self._places.pop(address, None) is not None:
            bucket = self._bucket_of.pop(address)
            del self._buckets[bucket][address]
            if not self._buckets[bucket]:
                del self._buckets[bucket]


def tried_bucket(secret: bytes, place: Place) -> int:
    """Return where a place belongs that worked: TRIED_BUCKETS_PER_GROUP choices for each group."""
    choice = _number(secret, "tried", place.address) % TRIED_BUCKETS_PER_GROUP
    return _number(secret, "tried", place.group, str(choice)) % TRIED_BUCKETS


def new_bucket(secret: bytes, place: Place) -> int:
    """Return where a rumour belongs: one bucket for all that one group says of another.

    A name counts by its domain here, and a circuit by its relay, so that many fit in: what worked
    and whom we dial is bounded.
    """
    part = place.group if place.group != CIRCUITS else group_at(place.address)
    if part == NAMES:
        part = ".".join(host_at(place.address).split(".")[-2:])
    choice = _number(secret, "new", part, place.source) % NEW_BUCKETS_PER_SOURCE
    return _number(secret, "new", place.source, str(choice)) % NEW_BUCKETS


def _number(secret: bytes, *words: str) -> int:
    text = "\0".join(words).encode()
    return int.from_bytes(hashlib.blake2b(text, key=secret, digest_size=8).digest(), "big")
