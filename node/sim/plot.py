"""Pictures of a report; the one door to matplotlib.

Every series has its own stroke or hatching besides its colour, so a printed page reads as well.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png")
INSTALL = "pip install 'matplotlib>=3.9'"
_DARK, _MIDDLE, _LIGHT = "#003f5c", "#c05a00", "#8a9ba8"
_MARKS = (("agreed", _DARK, ""), ("dissented", _MIDDLE, "///"), ("absent", "#ffffff", "..."))
_DOTS_PER_INCH = 120


class NoMatplotlib(Exception):
    """There is nothing to draw with; the message says what to install."""


def check() -> None:
    """Find out whether pictures can be drawn, before a long run.

    Raises:
        NoMatplotlib: They cannot.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise NoMatplotlib(f"drawing needs matplotlib: {INSTALL}") from error


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw a report's document into a file, `.svg` or `.png` by its name.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    options = document["options"]
    others = "".join(f" + {count} {name}" for name, count in options["adversaries"].items())
    figure.suptitle(
        f"{options['nodes']} nodes{others}, {options['tasks']} tasks of {options['seats']} seats, "
        f"seed {document['seed']}"
    )
    waits, records, casts, gossip = figure.subplots(2, 2).flat
    _draw_waits(waits, document)
    _draw_records(records, document)
    _draw_casts(casts, document["casts"])
    _draw_gossip(gossip, document)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure, so that equal figures are equal files.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".")
    # A vector picture would have random names and a date in it.
    dated = {"metadata": {"Date": None}} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "aimarket", "svg.fonttype": "none"}):
        figure.savefig(path, format=kind, dpi=_DOTS_PER_INCH, **dated)


def _draw_waits(axes: "Axes", document: Mapping[str, Any]) -> None:
    waits = sorted(document["waits_ms"])
    axes.set_title("From asking to the verdict")
    axes.set_xlabel("at most so many seconds")
    axes.set_ylabel("share of all tasks")
    axes.set_ylim(0, 1.02)
    if not waits:
        return
    seconds = [wait / 1_000 for wait in waits]
    shares = [(at + 1) / document["options"]["tasks"] for at in range(len(waits))]
    axes.plot(seconds, shares, color=_DARK, drawstyle="steps-post")
    for name, stroke in (("p50", "--"), ("p99", ":")):
        wait_s = document["outcomes"][f"final_ms_{name}"] / 1_000
        axes.axvline(wait_s, color=_MIDDLE, linestyle=stroke, label=f"{name} {wait_s:.2f} s")
    axes.legend(loc="lower right")


def _draw_records(axes: "Axes", document: Mapping[str, Any]) -> None:
    samples, times = document["samples"], document["times"]
    seconds = [sample["now_ms"] / 1_000 for sample in samples]
    least = [sample["records_min"] for sample in samples]
    most = [sample["records_max"] for sample in samples]
    axes.set_title("Records in a log")
    axes.set_xlabel("simulated seconds")
    axes.fill_between(seconds, least, most, color=_LIGHT, alpha=0.5, label="least to most")
    axes.plot(
        seconds, [sample["records_median"] for sample in samples], color=_DARK, label="median"
    )
    axes.axvline(times["last_task_ms"] / 1_000, color=_MIDDLE, linestyle="--", label="last task")
    if times["equal_ms"] is not None:
        axes.axvline(times["equal_ms"] / 1_000, color=_DARK, linestyle=":", label="all logs equal")
    axes.legend(loc="lower right")


def _draw_casts(axes: "Axes", casts: Sequence[Mapping[str, Any]]) -> None:
    axes.set_title("What became of a node's seats, on average")
    axes.set_xlabel("seats")
    names = [f"{one['cast']} ({one['keys']})" for one in casts]
    begin = [0.0] * len(casts)
    for mark, colour, hatch in _MARKS:
        widths = [one[mark] / one["keys"] for one in casts]
        axes.barh(
            names, widths, left=begin, label=mark, color=colour, hatch=hatch, edgecolor="black"
        )
        begin = [left + width for left, width in zip(begin, widths, strict=True)]
    for at, one in enumerate(casts):
        said = f"  {one['points']} points,\n  reputation {one['reputation_ppm_median'] / 1e6:.2f}"
        axes.text(begin[at], at, said, va="center")
    axes.set_xlim(0, max([*begin, 0.01]) * 1.4)
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=len(_MARKS))


def _draw_gossip(axes: "Axes", document: Mapping[str, Any]) -> None:
    samples = document["samples"]
    nodes = document["hosts"]
    steps = list(pairwise(samples))
    seconds = [after["now_ms"] / 1_000 for _, after in steps]
    every = [(after["now_ms"] - before["now_ms"]) / 1_000 * nodes for before, after in steps]
    said = [after["presence_copies"] - before["presence_copies"] for before, after in steps]
    copies = [after["copies"] - before["copies"] for before, after in steps]
    rest = [both - part for both, part in zip(copies, said, strict=True)]
    axes.set_title("Gossip to a node")
    axes.set_xlabel("simulated seconds")
    axes.set_ylabel("copies a second")
    for name, counts, colour, stroke in (
        ("records", rest, _DARK, "-"),
        ("who is here", said, _MIDDLE, "--"),
    ):
        rates = [count / node_s for count, node_s in zip(counts, every, strict=True)]
        axes.plot(seconds, rates, color=colour, linestyle=stroke, label=name)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
