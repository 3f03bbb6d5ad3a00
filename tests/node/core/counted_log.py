"""A log that tells how often it is asked, to show what is remembered."""

from tests.fakes_store import MemoryLog


class CountedLog(MemoryLog):
    """Rows that count how often one is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def get(self, key: bytes) -> bytes | None:
        self.read += 1
        return super().get(key)
