"""The log as a file, of a node that does not run."""

from collections.abc import AsyncGenerator

from node.log_file import log_chunks, read_frames
from node.log_port import TakenView
from tests.builders import NETWORK
from tests.certificates import DAY, rows_of


class FakeArchive:
    """Holds one decided task; remembers the records it was given."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    async def export(self) -> AsyncGenerator[bytes]:
        """Walk the bytes of its log."""
        for chunk in log_chunks(rows_of(DAY), NETWORK):
            yield chunk

    async def take(self, body: bytes) -> TakenView:
        """Call everything new."""
        raws = list(read_frames(body))
        self.given += raws
        return TakenView(new=len(raws), known=0, refused=0, reasons=())
