"""Which juries of one slot the log keeps, so that logs with the same past are equal."""

from collections.abc import Sequence

from consensus.layout import KeptJury

# Two different juries prove for ever that their author cheats; a third proves nothing more.
JURIES_KEPT_MAX = 2


def join(kept: Sequence[KeptJury], new: KeptJury) -> list[KeptJury]:
    """Return the juries kept of one slot once `new` has been heard, ascending by digest.

    The two smallest distinct digests stay, each in its smallest record. This is the smallest two of
    a set, so neither order nor repetition shows.
    """
    by_digest = {jury.digest: jury for jury in kept}
    old = by_digest.get(new.digest)
    if old is None or new.record_id < old.record_id:
        by_digest[new.digest] = new
    return [by_digest[digest] for digest in sorted(by_digest)[:JURIES_KEPT_MAX]]
