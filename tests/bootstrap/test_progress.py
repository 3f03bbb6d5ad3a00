"""How often it is said how joining goes."""

from bootstrap.progress import REPORT_MS, Progress


def told(progress: Progress, lines: list[str], *, now_ms: int, peer_count: int = 0) -> list[str]:
    lines.clear()
    due_ms = now_ms + 30_000
    progress.tell(peer_count=peer_count, due_ms=due_ms, is_dialling=False, now_ms=now_ms)
    return list(lines)


def test_tell__says_at_once_what_is_new_in_kind() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)

    assert told(progress, lines, now_ms=0) == [
        "waiting for peers: tried 0 addresses, next try in 30 s"
    ]
    progress.note_tried("one")
    assert len(told(progress, lines, now_ms=1)) == 1
    progress.note_obstacle("a wall")
    assert told(progress, lines, now_ms=2) == [
        "waiting for peers: tried 1 address, next try in 30 s; a wall"
    ]
    assert told(progress, lines, now_ms=3, peer_count=1) == ["connected to 1 peer"]


def test_tell__says_little_however_peers_come_and_go() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)

    said = []
    for second in range(600):
        progress.note_tried(f"address {second}")
        progress.note_obstacle("a wall")
        said += told(progress, lines, now_ms=1_000 * second, peer_count=second % 3)

    assert len(said) <= 2 * 600_000 // REPORT_MS + 3
    assert lines == [] or said[-1] == lines[-1]
