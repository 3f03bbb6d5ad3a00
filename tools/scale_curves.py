"""Turns reports of `aimarket simulate --json` into the curves and tables of docs/scale.md.

    aimarket simulate --nodes 100 --tasks 100 --loss 5 --json > 100.json
    python -m tools.scale_curves 10.json 100.json 1000.json 5000.json

What is drawn is kept, without the samples, in docs/scale.json: with no file named, the picture and
the tables are made again from there. A report replaces the one of as many nodes; `--measure` also
measures anew, on this machine, what one node spends on many others.
"""

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from node.core.assignment import order_of
from node.core.presences import Presences
from node.core.settings import Settings
from node.sim.plot import save
from protocol.ids import Digest, TaskId, sha256
from protocol.keys import Signer
from protocol.params import TTL_MS_MAX, NetworkParams, network_of
from protocol.record import open_record, seal
from protocol.statements import Capability, Presence

DOCS = Path(__file__).parents[1] / "docs"
KEPT, PICTURE, PAGE = DOCS / "scale.json", DOCS / "scale.svg", DOCS / "scale.md"
LEFT_OUT = ("samples", "waits_ms", "casts")
FAR = (1_000, 2_000, 10_000, 100_000)  # nodes, of which the last table tells
FETCHED_S = 4_000  # records a newcomer fetches in a second, see README.md
PROBED = 10_000
GOSSIP_MS = (2, 4)  # of CPU for one gossip message in py-libp2p, see README.md
TASKS_PER_HOUR = 1.0  # asked at each node
_DARK, _MIDDLE, _LIGHT = "#003f5c", "#c05a00", "#8a9ba8"

Report = Mapping[str, Any]
Cell = Callable[[Report], str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Take in reports, and write the picture and the tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.scale_curves", description=__doc__)
    parser.add_argument("reports", nargs="*", type=Path)
    parser.add_argument("--measure", action="store_true")
    asked = parser.parse_args(arguments)
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {"reports": []}
    reports = {one["options"]["nodes"]: one for one in kept["reports"]}
    for path in asked.reports:
        one = json.loads(path.read_text())
        reports[one["options"]["nodes"]] = {
            name: value for name, value in one.items() if name not in LEFT_OUT
        }
    kept["reports"] = [reports[nodes] for nodes in sorted(reports)]
    if asked.measure or "probes" not in kept:
        kept["probes"] = probe()
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    draw(kept["reports"])
    page = PAGE.read_text()
    page = replaced(page, "measured", table(kept["reports"]))
    PAGE.write_text(replaced(page, "far", far_table(kept["reports"][-1], kept["probes"])))
    return 0


def probe() -> dict[str, float]:
    """Measure what one node spends on another that it only knows of."""
    network = network_of(NetworkParams(genesis=b"\1" * 16, name="probe"))
    model = Capability("sentiment", sha256(b"probe"))
    said = Presence((model,), 0, 30_000, ("/ip4/192.0.2.1/tcp/4001",), 0, 0, bytes(16), _NOTHING)
    raws = [
        seal([said], signer=Signer(sha256(b"%d" % at)), created_ms=1, network=network).raw
        for at in range(PROBED)
    ]
    presences = Presences(Settings(authors_max=PROBED))
    tracemalloc.start()
    for raw in raws:
        presences.hear(open_record(bytes(bytearray(raw)), network), 0)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    workers, task_id = presences.capable(model, 0), TaskId(sha256(b"task"))
    ranked_s = []
    for _ in range(5):
        began_s = time.process_time()
        sorted(workers, key=lambda worker: order_of(task_id, worker))
        ranked_s.append(time.process_time() - began_s)
    return {
        "bytes_per_presence_held": held_bytes / PROBED,
        "us_per_worker_ranked": min(ranked_s) * 1e6 / PROBED,
    }


_NOTHING = Digest(bytes(32))

ROWS: Sequence[tuple[str, Cell]] = (
    ("nodes", lambda one: f"{one['options']['nodes']:,}"),
    ("tasks, all final", lambda one: _of(one["outcomes"]["final"], one["outcomes"]["tasks"])),
    ("broken promises", lambda one: str(len(one["problems"]))),
    ("model runs a task (3 seats)", lambda one: f"{one['outcomes']['runs_per_task']:.2f}"),
    ("time to final, p50", lambda one: _s(one["outcomes"]["final_ms_p50"])),
    ("time to final, p99", lambda one: _s(one["outcomes"]["final_ms_p99"])),
    ("all logs equal after the last task", lambda one: _s(one["times"]["equal_after_ms"])),
    ("all know all after", lambda one: _s(one["times"]["known_ms"])),
    ("records in a log", lambda one: f"{one['log']['records']:,}"),
    ("gossip messages a task", lambda one: f"{one['costs']['messages_per_task']:.1f}"),
    ("copies of one message a node", lambda one: f"{_copies_of_one(one):.1f}"),
    ("bytes of a task's gossip a node", lambda one: _bytes(_task_bytes(one))),
    ("bytes of one presence", lambda one: f"{_presence_bytes(one):.0f}"),
    ("sync, bytes a node and second", lambda one: _bytes(one["costs"]["sync_bytes_per_node_s"])),
    ("seed", lambda one: str(one["seed"])),
    ("trace hash begins", lambda one: f"`{one['trace_hash'][:12]}`"),
    ("simulated", lambda one: _s(one["times"]["simulated_ms"])),
    ("took, of one core", lambda one: f"{one['cpu_s']:,.0f} s"),
    ("took, by the clock of a busy machine", lambda one: f"{one['wall_s']:,.0f} s"),
    ("memory of the simulator", lambda one: _bytes(one["memory_bytes_max"])),
)


def table(reports: Sequence[Report]) -> str:
    """Return the measured table in Markdown, a column for each report."""
    lines = []
    for name, cell in ROWS:
        cells = [cell(one) for one in reports]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        if len(lines) == 1:
            lines.append("|---" * (1 + len(reports)) + "|")
    return "\n".join(lines)


def far_table(largest: Report, probes: Mapping[str, float]) -> str:
    """Return what the largest report comes to for other numbers of nodes, in Markdown."""
    columns = [far_cells(nodes, largest, probes) for nodes in FAR]
    lines = []
    for name in columns[0]:
        lines.append(f"| {name} | {' | '.join(cells[name] for cells in columns)} |")
        if len(lines) == 1:
            lines.append("|---" * (1 + len(columns)) + "|")
    return "\n".join(lines)


def far_cells(nodes: int, largest: Report, probes: Mapping[str, float]) -> dict[str, str]:
    """Return what one node would carry among so many, by name."""
    settings = Settings()
    per_s, ttl_max_s = settings.presence_nodes_per_s, TTL_MS_MAX / 1_000
    copies, size = _copies_of_one(largest), _presence_bytes(largest)
    # A node speaks as seldom as those it knows are many, and counts for no longer than the ttl.
    known = min(nodes, round((nodes * ttl_max_s * per_s) ** 0.5))
    interval_s = max(settings.presence_ms / 1_000, known / per_s)
    said_s = nodes / interval_s
    full_s = nodes * per_s / min(nodes, settings.authors_max)
    messages = float(largest["costs"]["messages_per_task"])
    record_bytes = largest["log"]["record_bytes"] / largest["log"]["records"]
    profiles = largest["hosts"] if largest["options"]["has_profiles"] else 0
    records = (largest["log"]["records"] - profiles) / largest["options"]["tasks"]
    tasks_s = nodes * TASKS_PER_HOUR / 3_600
    rank_ms = nodes * probes["us_per_worker_ranked"] / 1_000
    return {
        "nodes": f"{nodes:,}",
        "a node says that it is here every": f"{interval_s:,.0f} s",
        "that counts for": f"{min(3 * interval_s, ttl_max_s):,.0f} s",
        "live others it knows of at a time": f"{known:,}",
        "presences, all together": f"{said_s:.0f} a second",
        "what a node carries of them": f"{_bytes(said_s * copies * size)} a second",
        "CPU for them": f"{_cores(said_s)}",
        f"presences with a table of {settings.authors_max:,}": f"{full_s:.0f} a second",
        "memory for them": _bytes(nodes * probes["bytes_per_presence_held"]),
        "CPU to rank everybody for one task": f"{rank_ms:.1f} ms",
        "tasks, at one an hour and node": f"{tasks_s:.1f} a second",
        "CPU to rank for them": f"{tasks_s * rank_ms / 1_000:.2f} cores",
        "their gossip": f"{messages * tasks_s:.0f} messages a second",
        "CPU for it": f"{_cores(messages * tasks_s)}",
        "what a node carries of it": f"{_bytes(_task_bytes(largest) * tasks_s)} a second",
        "the log grows by": f"{_bytes(tasks_s * records * record_bytes * 86_400)} a day",
        "a newcomer fetches a day of it in": f"{tasks_s * records * 86_400 / FETCHED_S:,.0f} s",
    }


def replaced(page: str, name: str, text: str) -> str:
    """Put text between the two marks of a name."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise SystemExit(f"{PAGE}: the marks {begin!r} and {end!r} are missing")
    return before + begin + text + end + after


def draw(reports: Sequence[Report]) -> None:
    """Draw the curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle("One seed each, 100 tasks of 3 seats, 5 % of gossip lost")
    waits, copies, traffic, simulator = figure.subplots(2, 2).flat
    nodes = [one["options"]["nodes"] for one in reports]
    panels: Iterable[tuple[Any, str, str, Sequence[tuple[str, Callable[[Report], float]]]]] = (
        (
            waits,
            "How long it takes",
            "simulated seconds",
            (
                ("to final, p50", lambda one: one["outcomes"]["final_ms_p50"] / 1_000),
                ("to final, p99", lambda one: one["outcomes"]["final_ms_p99"] / 1_000),
                ("all logs equal", lambda one: (one["times"]["equal_after_ms"] or 0) / 1_000),
            ),
        ),
        (
            copies,
            "Work a task makes",
            "how many",
            (
                ("copies of its records a node hears", _task_copies),
                ("copies of each message", _copies_of_one),
                ("model runs, all nodes together", lambda one: one["outcomes"]["runs_per_task"]),
            ),
        ),
        (
            traffic,
            "What a node carries",
            "kB",
            (
                ("gossip a task", lambda one: _task_bytes(one) / 1_000),
                ("presences a second", lambda one: _steady(one) / 1_000),
                ("sync a second", lambda one: one["costs"]["sync_bytes_per_node_s"] / 1_000),
            ),
        ),
        (
            simulator,
            "What the simulator takes",
            "",
            (
                ("seconds for a simulated one", _slowness),
                ("MB of memory", lambda one: one["memory_bytes_max"] / 1e6),
                ("events a second, thousands", lambda one: one["events"] / one["cpu_s"] / 1_000),
            ),
        ),
    )
    strokes = (("-", "o", _DARK), ("--", "s", _MIDDLE), (":", "^", _LIGHT))
    for axes, title, unit, series in panels:
        axes.set_title(title)
        axes.set_xlabel("nodes")
        axes.set_ylabel(unit)
        axes.set_xscale("log")
        axes.set_xticks(nodes, [f"{count:,}" for count in nodes])
        axes.grid(color="#dddddd")
        for (name, value), (stroke, mark, colour) in zip(series, strokes, strict=True):
            found = [value(one) for one in reports]
            axes.plot(nodes, found, linestyle=stroke, marker=mark, color=colour, label=name)
        if axes in (copies, traffic, simulator):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.minorticks_off()
        axes.legend()
    save(figure, PICTURE)


def _task_copies(one: Report) -> float:
    found: float = one["costs"]["copies_per_task_and_node"]
    return found


def _task_bytes(one: Report) -> float:
    found: float = one["costs"]["bytes_per_task_and_node"]
    return found


def _copies_of_one(one: Report) -> float:
    found: float = one["costs"]["copies_per_message_and_node"]
    return found


def _presence_bytes(one: Report) -> float:
    found: float = one["costs"]["presence_bytes"] / max(1, one["costs"]["presence_copies"])
    return found


def _steady(one: Report) -> float:
    """Return the bytes of presences a node carries in a second, once all know each other."""
    settings = Settings()
    interval_s = max(settings.presence_ms / 1_000, one["hosts"] / settings.presence_nodes_per_s)
    per_s: float = one["hosts"] / interval_s
    return per_s * _copies_of_one(one) * _presence_bytes(one)


def _slowness(one: Report) -> float:
    found: float = one["cpu_s"] * 1_000 / one["times"]["simulated_ms"]
    return found


def _cores(messages_per_s: float) -> str:
    low, high = (messages_per_s * ms / 1_000 for ms in GOSSIP_MS)
    return f"{low:.2f} to {high:.2f} cores"


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def _s(ms: int | None) -> str:
    return "not waited for" if ms is None else f"{ms / 1_000:,.1f} s"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1_000:
            return f"{count:.{int(unit != 'B' and count < 10)}f} {unit}"
        count /= 1_000
    return f"{count:.1f} GB"


if __name__ == "__main__":
    sys.exit(main())
