"""Tells in one line how joining goes, when that changes."""

from collections.abc import Callable

REPORT_MS = 5_000  # between two lines that say the same but for their numbers
OBSTACLES_MAX = 64  # that are said at once
_PEERS = "peers"


class Progress:
    """Says a line at once when it is of another kind, and none of one kind more than rarely.

    Args:
        report: Told the line.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._line = ""
        self._said_ms: dict[str, int] = {}  # by kind, while that is not long ago
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
            self._said_ms = {kind: ms for kind, ms in self._said_ms.items() if kind == _PEERS}

    def tell(self, *, peer_count: int, due_ms: int | None, is_dialling: bool, now_ms: int) -> None:
        """Say how it goes.

        Args:
            peer_count: Connected nodes of our network.
            due_ms: When an address may next be dialled; None without one, or with a peer.
            is_dialling: Whether one is being dialled.
            now_ms: The moment.
        """
        if peer_count:
            self._tried.clear()
            self._obstacle = ""
            self._say(_PEERS, f"connected to {_count(peer_count, 'peer')}", now_ms)
            return
        tried = f"waiting for peers: tried {_count(len(self._tried), 'address')}"
        kind = "tried" if self._tried else "begun"
        obstacle = f"; {self._obstacle}" if self._obstacle else ""
        if due_ms is not None:
            seconds = -(-(due_ms - now_ms) // 1000)
            self._say(kind, f"{tried}, next try in {seconds} s{obstacle}", now_ms)
        elif is_dialling:
            self._say(kind, f"{tried}, dialling now{obstacle}", now_ms)
        else:
            nobody = "waiting for peers: no address to dial; others can dial us"
            self._say("nobody", nobody + obstacle, now_ms)

    def _say(self, kind: str, line: str, now_ms: int) -> None:
        recent = {said: ms for said, ms in self._said_ms.items() if now_ms - ms < REPORT_MS}
        self._said_ms = recent
        if kind not in recent and line != self._line:
            recent[kind] = now_ms
            self._line = line
            self._report(line)


def _count(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else plural}"
