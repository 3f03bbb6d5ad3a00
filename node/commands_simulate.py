"""The command that runs a whole market in this process, in virtual time."""

import gc
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.commands import EXIT_FAILED, exit_with, print_json, tell
from node.errors import UsageError

if TYPE_CHECKING:
    from node.sim.options import Options
    from node.sim.report import Sample

TOLD_SECONDS = 1.0  # between two lines of progress


@click.command()
@click.option("--nodes", type=int, default=10, show_default=True, help="Honest nodes.")
@click.option("--tasks", type=int, default=20, show_default=True, help="Asked at random nodes.")
@click.option("--seats", type=int, default=3, show_default=True, help="Of each task.")
@click.option("--seed", type=int, default=1, show_default=True, help="All rolls follow from it.")
@click.option("--adversaries", default="", metavar="KIND:N,...", help="Beside the honest nodes.")
@click.option("--minutes", type=int, default=0, help="Simulated, at least; else until settled.")
@click.option("--loss", default="0", metavar="PERCENT", help="Gossip lost on a link.")
@click.option("--jitter", type=int, default=20, show_default=True, help="Up to so late, in ms.")
@click.option("--delay", default="10-100", show_default=True, help="Of links, in ms.")
@click.option("--dials", type=int, default=4, show_default=True, help="Others each node dials.")
@click.option("--wrong", default="0", metavar="PERCENT", help="How often honest models err.")
@click.option(
    "--positive", default="50", metavar="PERCENT", show_default=True, help="Of all inputs."
)
@click.option("--run-ms", type=int, default=50, show_default=True, help="What a model run takes.")
@click.option("--run-jitter", type=int, default=0, help="How much longer it may take, in ms.")
@click.option("--gap", type=int, default=500, show_default=True, help="Between bursts, in ms.")
@click.option("--burst", type=int, default=1, show_default=True, help="Tasks asked at one moment.")
@click.option(
    "--start", type=int, default=1, show_default=True, help="All start within so many ms."
)
@click.option("--look", type=int, default=500, show_default=True, help="Node asks itself, in ms.")
@click.option("--storm", is_flag=True, help="Cuts, crashes, full disks and wrong clocks meanwhile.")
@click.option("--profiles/--no-profiles", default=True, help="Whether nodes say their names.")
@click.option("--plot", metavar="FILE", help="Draw the report into a .svg or .png.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate(*, plot: str | None, as_json: bool, **asked: Any) -> None:
    """Simulate a market of many nodes from one seed, and report what it did and cost.

    Real minds, real consensus and real comparisons of logs over simulated links, disks, clocks and
    models. Exits 1 if a promise of the protocol was broken. Equal options give equal runs: compare
    the trace hash.
    """
    from node.sim.experiment import run
    from node.sim.options import BadOption, Options, read_adversaries, read_percent, read_range
    from node.sim.stage import KINDS

    try:
        least_ms, most_ms = read_range("delay", asked.pop("delay"))
        options = Options(
            adversaries=read_adversaries(asked.pop("adversaries"), KINDS),
            loss_ppm=read_percent("loss", asked.pop("loss")),
            jitter_ms=asked.pop("jitter"),
            delay_least_ms=least_ms,
            delay_most_ms=most_ms,
            wrong_ppm=read_percent("wrong", asked.pop("wrong")),
            positive_ppm=read_percent("positive", asked.pop("positive")),
            run_jitter_ms=asked.pop("run_jitter"),
            gap_ms=asked.pop("gap"),
            start_ms=asked.pop("start"),
            look_ms=asked.pop("look"),
            has_storm=asked.pop("storm"),
            has_profiles=asked.pop("profiles"),
            **asked,
        )
    except BadOption as error:
        raise UsageError(str(error)) from error
    picture = None if plot is None else _picture(plot)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    gc.disable()  # a world is one large knot: looking through it for loose ends costs a sixth
    try:
        report = run(options, Teller(options) if sys.stderr.isatty() else None)
    finally:
        gc.enable()
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    document = {**report.document(), **_run(wall_s, cpu_s, report.events)}
    print_json(document) if as_json else _show(document)
    if picture is not None:
        _draw(document, picture)
    judge(report.problems)


def judge(problems: Sequence[str]) -> None:
    """Say which promises were broken, and fail if any was."""
    for problem in problems:
        tell(f"broken: {problem}")
    if problems:
        exit_with(EXIT_FAILED)


class Teller:
    """Says on a terminal how far a run is."""

    def __init__(self, options: "Options", clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._began_s = self._told_s = clock()

    def __call__(self, phase: str, sample: "Sample") -> None:
        """Say so, if it was not said a moment ago."""
        now_s = self._clock()
        if now_s - self._told_s < TOLD_SECONDS:
            return
        self._told_s = now_s
        options = self._options
        what = (
            f"everybody knows {sample.known_min}"
            if phase == "meet"
            else f"{sample.final} of {options.tasks} tasks final"
        )
        tell(
            f"{now_s - self._began_s:.0f} s: {sample.now_ms / 1_000:.0f} s simulated, "
            f"{options.nodes} nodes, {what}, {sample.records_min} to {sample.records_max} "
            f"records, {sample.logs} different logs"
        )


def _picture(name: str) -> Path:
    """Say now, and not after a long run, whether a picture could be drawn."""
    from node.sim.plot import SUFFIXES, NoMatplotlib, check

    path = Path(name)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--plot {name!r}: need a name that ends in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {name!r}: there is no directory {str(path.parent)!r}")
    try:
        check()
    except NoMatplotlib as error:
        raise UsageError(f"--plot {name!r}: {error}") from error
    return path


def _draw(document: dict[str, Any], picture: Path) -> None:
    from node.sim.plot import draw

    try:
        draw(document, picture)
    except OSError as error:
        raise UsageError(f"--plot {str(picture)!r}: {error.strerror}") from error


def _run(wall_s: float, cpu_s: float, events: int) -> dict[str, Any]:
    """Say what ran, where, and how fast: what another run with this seed may differ in."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("aimarket")
    except PackageNotFoundError:
        found = "unknown"
    return {
        "version": found,
        "commit": _commit(),
        "python": platform.python_version(),
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "events_per_s": round(events / max(wall_s, 0.001)),
        "memory_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _commit() -> str:
    """Name the commit this runs from; empty if it is not in a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _show(document: dict[str, Any]) -> None:
    from node.commands_show import console_of, show_pairs, table_of
    from node.sim.report import CAST_COLUMNS, cast_rows, facts

    simulated_s = document["times"]["simulated_ms"] / 1_000
    show_pairs(
        [
            *facts(document),
            (
                "ran",
                f"{simulated_s:g} s simulated in {document['wall_s']:.1f} s, "
                f"{document['events_per_s']} events a second, "
                f"{document['memory_bytes_max'] / 1e6:.0f} MB, seed {document['seed']}, "
                f"aimarket {document['version']} {document['commit']}".rstrip(),
            ),
        ]
    )
    console_of().print(table_of(CAST_COLUMNS, cast_rows(document)))
