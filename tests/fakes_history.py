"""A History of two samples."""

from node.history import NAMES, HistoryView, Ring


class FakeHistory:
    """Took two samples; a test may change `ring`."""

    def __init__(self) -> None:
        self.ring = Ring()
        for at_ms in (1_000, 6_000):
            self.ring.add(at_ms, {**dict.fromkeys(NAMES, 0.5), "verdict_p50_s": None})

    def told(self, *, after_ms: int) -> HistoryView:
        """Return what was sampled."""
        return self.ring.told(after_ms=after_ms, now_ms=7_000)
