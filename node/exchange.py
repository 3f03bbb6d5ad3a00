"""What two nodes ask each other over streams: comparisons, records, presences, leaderboards.

Pure functions between bytes and values; `node.sync` and the daemon carry them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus.leaderboard import Standing
from protocol.canonical import Reader, pack
from protocol.errors import Malformed
from protocol.ids import Digest, PublicKey
from protocol.params import PPM, UINT_END, NetworkParams

RECORDS_PER_REQUEST_MAX = 1_024  # small ones fill an answer
# 2 s of a slow line, 1 Mbit/s: a peer that answers at all does so in time.
RESPONSE_BYTES_MAX = 256 * 1024
# 4 s and 6 s of it. Smaller ones would cost 1,000 differences in 100,000 more than four messages.
QUERY_BYTES_MAX = 512 * 1024
COMPARISON_BYTES_MAX = 768 * 1024
PRESENCES_MAX = 2_048
PRESENCES_BYTES_MAX = 1_000_000
STANDINGS_MAX = 10_000
SALT_BYTES = 16
# Enough of an id to find a record by. Whoever makes two that begin alike gets both sent.
NAME_BYTES = 8
RECORDS_PER_NAME_MAX = 4
_UINT_MAX = UINT_END - 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """One message of a comparison, and what is compared.

    Attributes:
        since_ms: Records dated earlier are left out.
        salt: 16 bytes if the ids are hashed with it first, else none.
        query: What protocol.reconcile says.
    """

    since_ms: int
    salt: bytes
    query: bytes


def pack_comparison(comparison: Comparison) -> bytes:
    """Ask a peer to compare."""
    return pack([comparison.since_ms, comparison.salt, comparison.query])


def read_comparison(data: bytes) -> Comparison:
    """Read what `pack_comparison` wrote.

    Raises:
        Malformed: It did not.
    """
    reader = Reader(data)
    reader.array("comparison", 3, 3)
    since_ms = reader.uint("since_ms", _UINT_MAX)
    salt = reader.blob("salt", 0, SALT_BYTES)
    if len(salt) not in (0, SALT_BYTES):
        raise Malformed(f"salt: {len(salt)} bytes, need 0 or {SALT_BYTES}")
    return Comparison(since_ms, salt, reader.blob("query", 1, QUERY_BYTES_MAX))


def pack_wanted(salt: bytes, record_ids: Iterable[bytes]) -> bytes:
    """Ask for records by the first bytes of their ids, hashed as they were compared."""
    return pack([salt, b"".join(record_id[:NAME_BYTES] for record_id in record_ids)])


def read_wanted(data: bytes) -> tuple[bytes, list[bytes]]:
    """Read what `pack_wanted` wrote: the salt and the names.

    Raises:
        Malformed: It did not.
    """
    reader = Reader(data)
    reader.array("wanted", 2, 2)
    salt = reader.blob("salt", 0, SALT_BYTES)
    names = reader.blob("names", NAME_BYTES, RECORDS_PER_REQUEST_MAX * NAME_BYTES)
    if len(names) % NAME_BYTES or len(salt) not in (0, SALT_BYTES):
        raise Malformed(f"wanted: names of {len(names)} bytes under a salt of {len(salt)}")
    return salt, [names[at : at + NAME_BYTES] for at in range(0, len(names), NAME_BYTES)]


def pack_blobs(blobs: Iterable[bytes], *, bytes_max: int = RESPONSE_BYTES_MAX) -> bytes:
    """Send packed records, as many as fit; at least one."""
    room = bytes_max
    chosen: list[bytes] = []
    for blob in blobs:
        room -= len(blob) + 5
        if room < 0 and chosen:
            break
        chosen.append(blob)
    return pack(chosen)


def read_blobs(data: bytes, *, count_max: int, bytes_max: int) -> list[bytes]:
    """Read ids or packed records.

    Raises:
        Malformed: Not a list of byte strings within the limits.
    """
    reader = Reader(data)
    return [reader.blob("item", 1, bytes_max) for _ in range(reader.array("items", 0, count_max))]


def pack_taken(count: int) -> bytes:
    """Answer a push: how many of the records were news."""
    return pack(count)


def read_taken(data: bytes, *, pushed: int) -> int:
    """Read what `pack_taken` wrote.

    Raises:
        Malformed: Not a number of at most so many records as were pushed.
    """
    return Reader(data).uint("taken", pushed)


def pack_board(*, digest: Digest, records: int, rows: Sequence[tuple[Standing, str]]) -> bytes:
    """Answer with our leaderboard and the nicknames we know."""
    return pack(
        [
            digest,
            records,
            [
                [
                    row.key,
                    alias,
                    row.agreed,
                    row.dissented,
                    row.excused,
                    row.absent,
                    row.faults,
                    row.submitters,
                    row.reputation_ppm,
                ]
                for row, alias in rows[:STANDINGS_MAX]
            ],
        ]
    )


def read_board(
    data: bytes, params: NetworkParams
) -> tuple[Digest, int, list[tuple[Standing, str]]]:
    """Read a peer's leaderboard: its state digest, how many records it holds, and the rows.

    Raises:
        Malformed: Not a leaderboard.
    """
    reader = Reader(data)
    reader.array("leaderboard", 3, 3)
    digest = Digest(reader.blob("state_digest", 32, 32))
    records = reader.uint("records", _UINT_MAX)
    rows: list[tuple[Standing, str]] = []
    for _ in range(reader.array("rows", 0, STANDINGS_MAX)):
        reader.array("row", 9, 9)
        key = PublicKey(reader.blob("key", 32, 32))
        alias = reader.text("alias", 0, params.alias_bytes_max)
        agreed, dissented, excused, absent, faults, submitters = (
            reader.uint(what, _UINT_MAX)
            for what in ("agreed", "dissented", "excused", "absent", "faults", "submitters")
        )
        reputation_ppm = reader.uint("reputation_ppm", PPM)
        standing = Standing(
            key, agreed, agreed, dissented, excused, absent, faults, submitters, reputation_ppm
        )
        rows.append((standing, alias))
    return digest, records, rows
