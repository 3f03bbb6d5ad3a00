"""Reads a trace of Chromium: how long tasks of a page's main thread took, and what was in them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CATEGORIES = ("devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing")
PARTS_SHOWN = 3
WORTH_LOOKING_MS = 1.0

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MainTask:
    """One task of a main thread, during which the page answers nobody.

    Attributes:
        wall_ms: How long it took.
        thread_ms: How long its thread ran meanwhile; the rest it waited for a processor.
        parts: What it did most, with milliseconds; empty for a short one.
    """

    wall_ms: float
    thread_ms: float
    parts: str = ""


def main_tasks(events: Iterable[Event], mark: str) -> list[MainTask]:
    """Return the tasks of the thread on which the page set a mark of this name.

    Raises:
        ValueError: No thread did.
    """
    known = list(events)
    thread = next(((e["pid"], e["tid"]) for e in known if e["name"] == mark), None)
    if thread is None:
        raise ValueError(f"mark {mark}: none among {len(known)} events of the trace")
    timed = [e for e in known if (e["pid"], e["tid"]) == thread and e.get("ph") == "X"]
    return [
        MainTask(
            event["dur"] / 1e3,
            event.get("tdur", event["dur"]) / 1e3,
            _parts(event, timed) if event["dur"] / 1e3 >= WORTH_LOOKING_MS * 25 else "",
        )
        for event in timed
        if event["name"] == "RunTask" and "dur" in event
    ]


def _parts(task: Event, timed: Iterable[Event]) -> str:
    """Say what took longest within a task: the time of each part without the parts in it."""
    begins, ends = task["ts"], task["ts"] + task["dur"]
    inside = sorted(
        (e for e in timed if e is not task and begins <= e["ts"] < ends and "dur" in e),
        key=lambda e: (e["ts"], -e["dur"]),
    )
    own_us: Counter[str] = Counter()
    around: list[Event] = []
    for event in inside:
        while around and around[-1]["ts"] + around[-1]["dur"] <= event["ts"]:
            around.pop()
        if around:
            own_us[_name(around[-1])] -= event["dur"]
        own_us[_name(event)] += event["dur"]
        around.append(event)
    return ", ".join(f"{name} {us / 1e3:.0f}" for name, us in own_us.most_common(PARTS_SHOWN))


def _name(event: Event) -> str:
    data = event.get("args", {}).get("data", {})
    said = data.get("functionName") if isinstance(data, dict) else None
    file = str(data.get("url", "")).rpartition("/")[2] if said else ""
    return f"{event['name']} {file}:{said}" if said else str(event["name"])
