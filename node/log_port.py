"""The door of whoever writes the whole log out and takes records of a file in."""

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from consensus.rows import Rows
from node.ports import Log


class KeptLog(Log, Protocol):
    """A log that can be read as it was, while it grows."""

    def snapshot(self) -> AbstractContextManager[Rows]:
        """Lend the rows as they are on the disk now, whatever is written meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class TakenView:
    """What became of the records of one request.

    Attributes:
        new: Those that are in the log now and were not.
        known: Those that were, or that add nothing to it.
        refused: Those that this node does not take in.
        reasons: Why, a line each; of a request the first 20.
    """

    new: int
    known: int
    refused: int
    reasons: tuple[str, ...]


class Archive(Protocol):
    """The log as a file."""

    def export(self) -> AsyncGenerator[bytes]:
        """Walk the bytes of the log as it is on the disk now; see docs/spec/log-files.md.

        Raises:
            RequestRefused: 429 when too many are being written already, 503 if the disk fails.
        """
        ...

    async def take(self, body: bytes) -> TakenView:
        """Take records in, each through the same door as those of peers.

        Args:
            body: Records, the length of each in 4 bytes before it.

        Raises:
            RequestRefused: 400 if it is cut or holds too many, 503 if nothing can be stored.
        """
        ...
