"""Tells in one line how joining goes, when that changes."""

from collections.abc import Callable

REPORT_MS = 5_000  # between two lines that say the same but for the seconds
OBSTACLES_MAX = 64  # that are said at once while there is no peer


class Progress:
    """Says a line at once when it is another, and repeats what only differs in seconds rarely.

    Args:
        report: Told the line.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._said = ("", 0)  # the line without its seconds, and when
        self._tried: set[str] = set()
        self._obstacle = ""
        self._told: set[str] = set()

    def note_tried(self, address: str) -> None:
        """Count an address that was dialled since there was last a peer."""
        self._tried.add(address)

    def note_obstacle(self, obstacle: str) -> None:
        """Keep what stands in the way until there is a peer; say it at once if it is new."""
        self._obstacle = obstacle
        if obstacle not in self._told and len(self._told) < OBSTACLES_MAX:
            self._told.add(obstacle)
            self._said = ("", 0)

    def tell(self, *, peer_count: int, due_ms: int | None, is_dialling: bool, now_ms: int) -> None:
        """Say how it goes.

        Args:
            peer_count: Connected nodes of our network.
            due_ms: When an address may next be dialled; None without one.
            is_dialling: Whether one is being dialled.
            now_ms: The moment.
        """
        if peer_count:
            self._tried.clear()
            self._obstacle = ""
            self._told.clear()
            self._say(f"connected to {_count(peer_count, 'peer')}", "", now_ms)
            return
        tried = f"waiting for peers: tried {_count(len(self._tried), 'address')}"
        obstacle = f"; {self._obstacle}" if self._obstacle else ""
        if due_ms is not None:
            self._say(tried, f", next try in {-(-(due_ms - now_ms) // 1000)} s{obstacle}", now_ms)
        elif is_dialling:
            self._say(tried, f", dialling now{obstacle}", now_ms)
        else:
            nobody = "waiting for peers: no address to dial"
            self._say(nobody, f"; others can dial us{obstacle}", now_ms)

    def _say(self, line: str, ending: str, now_ms: int) -> None:
        said, said_ms = self._said
        if line != said or (ending != "" and now_ms - said_ms >= REPORT_MS):
            self._said = (line, now_ms)
            self._report(line + ending)


def _count(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else plural}"
