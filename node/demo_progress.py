"""What is new about a task, and whether nodes agree: from documents alone, without waiting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node.commands_text import shortened, who, whos

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """What one node computes.

    Attributes:
        leaderboard: Its rows.
        state_digest: Over all its verdicts and scores.
        records: How many records its log holds.
        verdicts: For each task of the demo, the state and the answer; None if unknown to it.
    """

    leaderboard: list[Document]
    state_digest: str
    records: int
    verdicts: tuple[tuple[str, str | None] | None, ...]


def agree(snapshots: Sequence[NodeSnapshot]) -> bool:
    """Say whether every node knows every verdict, and all compute the same from it."""
    first = snapshots[0]
    if not first.verdicts or any(
        verdict is None or verdict[0] != "final" for verdict in first.verdicts
    ):
        return False
    return all(
        one.records > 0
        and one.verdicts == first.verdicts
        and one.state_digest == first.state_digest
        and one.leaderboard == first.leaderboard
        for one in snapshots
    )


def disagreements(names: Sequence[str], snapshots: Sequence[NodeSnapshot]) -> list[str]:
    """Say in words what keeps the nodes from agreeing; empty if they do."""
    found = []
    for name, one in zip(names, snapshots, strict=True):
        final = sum(verdict is not None and verdict[0] == "final" for verdict in one.verdicts)
        if final < len(one.verdicts):
            found.append(f"{name} knows {final} of {len(one.verdicts)} verdicts")
        if one.records == 0:
            found.append(f"the log of {name} is empty")
    if len({one.verdicts for one in snapshots}) > 1:
        found.append("their verdicts differ")
    if len({one.state_digest for one in snapshots}) > 1:
        found.append("their state digests differ")
    if any(one.leaderboard != snapshots[0].leaderboard for one in snapshots):
        found.append("their leaderboards differ")
    return found


def news(before: Document | None, after: Document) -> list[str]:
    """Return one line for each thing that happened to a task between two looks at it."""
    lines = []
    sealed_before = _keys(before, "committed")
    for worker in after["committed"]:
        if worker["peer_id"] not in sealed_before:
            lines.append(f"{who(worker)} sealed an answer")
    if after["jurors"] and not (before and before["jurors"]):
        lines.append(f"the jury is {whos(after['jurors'])}")
    opened_before = {answer["worker"]["peer_id"] for answer in before["answers"]} if before else ()
    for answer in after["answers"]:
        if answer["worker"]["peer_id"] not in opened_before:
            lines.append(f"{who(answer['worker'])} opened: {said(answer)}")
    if after["state"] != (before["state"] if before else "open"):
        if after["state"] == "final":
            lines.append(f"verdict: {shortened(after['answer'] or '', 20)}")
        elif after["state"] in ("split", "void"):
            lines.append(f"no verdict: {after['state']}")
    return lines


def said(answer: Document) -> str:
    """Show one opened answer with its confidence."""
    kind = "error " if answer["error"] else ""
    return f"{kind}{shortened(answer['answer'], 20)} ({answer['confidence']:.1%})"


def _keys(task: Document | None, field: str) -> set[str]:
    return {worker["peer_id"] for worker in task[field]} if task else set()
