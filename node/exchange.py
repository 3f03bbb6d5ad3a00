"""What two nodes ask each other over streams: ids, records, presences and leaderboards.

Pure functions between bytes and values; `node.sync` and the daemon carry them.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from consensus.leaderboard import Standing
from protocol.canonical import Reader, pack, read_exactly
from protocol.ids import Digest, PublicKey, RecordId
from protocol.params import PPM, UINT_END, NetworkParams

IDS_PER_PAGE_MAX = 20_000
RECORDS_PER_REQUEST_MAX = 512
RESPONSE_BYTES_MAX = 1_000_000
PRESENCES_MAX = 2_048
STANDINGS_MAX = 10_000
_UINT_MAX = UINT_END - 1

Place = tuple[int, RecordId]  # where a record stands in the log: (created_ms, record id)


def pack_ids_request(after: Place | None) -> bytes:
    """Ask for the ids above a place."""
    created_ms, record_id = after or (0, RecordId(b""))
    return pack([created_ms, record_id])


def read_ids_request(data: bytes) -> Place | None:
    """Read what `pack_ids_request` wrote.

    Raises:
        Malformed: It did not.
    """

    def read(reader: Reader) -> list[object]:
        reader.array("request", 2, 2)
        return [reader.uint("created_ms", _UINT_MAX), reader.blob("record id", 0, 32)]

    created_ms, record_id = read_exactly(data, read, pack)
    if not record_id:
        return None
    assert isinstance(created_ms, int)
    assert isinstance(record_id, bytes)
    return created_ms, RecordId(record_id)


def pack_ids(places: Iterable[Place]) -> bytes:
    """Answer with one page of ids."""
    return pack([list(place) for place in islice(places, IDS_PER_PAGE_MAX)])


def read_ids(data: bytes) -> list[Place]:
    """Read one page of ids, ascending; a page that is not full is the last.

    Raises:
        Malformed: Not such a page.
    """
    reader = Reader(data)
    places: list[Place] = []
    for _ in range(reader.array("ids", 0, IDS_PER_PAGE_MAX)):
        reader.array("place", 2, 2)
        created_ms = reader.uint("created_ms", _UINT_MAX)
        places.append((created_ms, RecordId(reader.blob("record id", 32, 32))))
    return places


def pack_blobs(blobs: Iterable[bytes]) -> bytes:
    """Answer with packed records, as many as fit."""
    room = RESPONSE_BYTES_MAX
    chosen: list[bytes] = []
    for blob in blobs:
        room -= len(blob) + 5
        if room < 0:
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
