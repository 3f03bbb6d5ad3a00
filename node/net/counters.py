"""What the network door counted, for people who look."""

from collections import Counter


class Counters:
    """Named totals since start; a name appears with its first event."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count one or more events."""
        self._totals[name] += count

    def snapshot(self) -> dict[str, int]:
        """Return the totals, ordered by name."""
        return dict(sorted(self._totals.items()))
