"""How much one comparison of logs may take: bytes, records and patience, on either side."""

from collections.abc import Iterator, Sequence

from node.exchange import COMPARISON_BYTES_MAX, QUERY_BYTES_MAX, RESPONSE_BYTES_MAX
from protocol.reconcile import Limits
from protocol.record import Verified

PUSHED_MAX = 100_000  # records offered in one session; a guess: some 15 MB of ids
PUSHED_TOGETHER_MAX = 512  # in one request, and read at once, while nothing else may write
MISSING_MAX = 16  # records that a peer may have dropped since it named them; a guess
STATEMENTS_TOLD_MAX = 512  # at once, so that a long catch-up leaves room for everything else
FULL_PAGE_BYTES = RESPONSE_BYTES_MAX // 2  # of news in one push: what gossip lost is never as much
FIRST_QUERY_BYTES_MAX = 64  # one fingerprint; answered from the rows, some 30 walks at most

FIRST_S = 3.0  # for the first answer, at most 400 bytes: whoever is silent holds up the others
LOOK_S = 0.5  # at least so often it is asked what the node waits for
TOLD_EVERY_S = 5.0  # how far a long session is
TOLD_RECORDS_MIN = 1_000  # to come or go make it long
PATIENCE_S = 8.0  # how long a peer may keep us waiting in a session, before it has moved anything;
BYTES_PER_S_MIN = 32 * 1_024  # what it moves at this rate or faster earns that time back

ASKING = Limits(
    frame_bytes_max=QUERY_BYTES_MAX,
    message_bytes_max=COMPARISON_BYTES_MAX,
    ranges_max=49_152,  # derived: more than such a message holds
    have_max=PUSHED_MAX,
)
ANSWERING = Limits(
    frame_bytes_max=COMPARISON_BYTES_MAX,
    message_bytes_max=QUERY_BYTES_MAX,
    ranges_max=32_768,  # derived: more than such a message holds
)


def fitting(raws: Sequence[bytes]) -> int:
    """Return how many packed records `pack_blobs` puts into one request."""
    count, room = 0, RESPONSE_BYTES_MAX
    while count < len(raws) and (count == 0 or len(raws[count]) + 5 <= room):
        room -= len(raws[count]) + 5
        count += 1
    return count


def pieces(records: Sequence[Verified]) -> Iterator[list[Verified]]:
    """Cut records into pieces of few enough statements to be told at once."""
    some: list[Verified] = []
    statements = 0
    for record in records:
        some.append(record)
        statements += len(record.statements)
        if statements >= STATEMENTS_TOLD_MAX:
            yield some
            some, statements = [], 0
    if some:
        yield some
