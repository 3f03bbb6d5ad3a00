"""How smooth the dashboard is over a full log: 10,000 tasks, 200 peers, 20 new tasks a second.

A real node, whose peers alone are made up, and the Chromium of the system, whose one page goes
round the views. Every task of its main thread is timed in Chromium's own trace, by the wall clock
and by the processor: what a page waits for a processor is the machine's, not the page's. After each
stay garbage is collected and what is left is counted; the slopes compare each view with itself,
from the second round on: the first is when its code is loaded and compiled.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.crowd_life import Life
from bench.crowded_node import PEERS
from bench.dashboard_trace import CATEGORIES, WORTH_LOOKING_MS, MainTask, main_tasks
from bench.nodes import BenchNode, network
from bench.rpc import CROWDS, History
from protocol.params import NetworkParams, network_of

LONG_TASK_TARGET_MS = 100.0
HEAP_TARGET_MIB_A_MIN = 0.1  # one MiB in ten minutes
COUNTED_TARGET_A_MIN = 20.0  # of nodes or listeners; what is shown differs a little each time
STAY_S = 20.0
ROUNDS_MIN = 3  # a slope needs two stays at each view, after the first, in which its code comes
EMPTY = "(empty page)"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# Long tasks as the page itself is told of them, beside the trace.
OBSERVE = """
globalThis.benchLong = [];
new PerformanceObserver((all) => {
  for (const one of all.getEntries()) globalThis.benchLong.push(one.duration);
}).observe({ type: "longtask", buffered: true });
"""
COUNTED = {"heap, MiB": "JSHeapUsedSize", "nodes": "Nodes", "listeners": "JSEventListeners"}


@dataclass(frozen=True, slots=True)
class Stay:
    """What was measured while one view was open.

    Attributes:
        view: Its name.
        at_s: When it ended, from the start of the run.
        seconds: How long it was.
        tasks: What the main thread did.
        observed_ms: Long tasks as the page was told of them.
        left: What was left once garbage was collected, by the names of `COUNTED`.
    """

    view: str
    at_s: float
    seconds: float
    tasks: list[MainTask]
    observed_ms: list[float]
    left: dict[str, float]


class Visit:
    """One page of a browser, and the tools that look into it."""

    def __init__(self, browser: Browser) -> None:
        """Open an empty page."""
        self.problems: list[str] = []
        self._browser = browser
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(OBSERVE)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self._cdp: CDPSession = context.new_cdp_session(self.page)
        self._cdp.send("Performance.enable")
        self._began_s = time.monotonic()

    def stay(self, view: str, seconds: float, go: Callable[[], None]) -> Stay:
        """Go somewhere, stay there, and say how it was."""
        mark = f"bench {time.monotonic_ns()}"
        self.page.evaluate("() => globalThis.benchLong?.splice(0)")  # our own collecting was long
        self._browser.start_tracing(categories=list(CATEGORIES))
        began_s = time.monotonic()
        go()
        self.page.evaluate("mark => { performance.mark(mark) }", mark)
        self.page.wait_for_timeout(max(0.0, seconds - (time.monotonic() - began_s)) * 1e3)
        lasted_s = time.monotonic() - began_s
        observed = self.page.evaluate("() => globalThis.benchLong?.splice(0) ?? []")
        traced = json.loads(self._browser.stop_tracing())["traceEvents"]
        self.page.evaluate("() => { performance.clearMarks() }")
        return Stay(
            view,
            time.monotonic() - self._began_s,
            lasted_s,
            main_tasks(traced, mark),
            observed,
            self._left(),
        )

    def _left(self) -> dict[str, float]:
        for _ in range(2):  # what the first lets go of may hold more
            self._cdp.send("HeapProfiler.collectGarbage")
        told = self._cdp.send("Performance.getMetrics")["metrics"]
        found = {one["name"]: float(one["value"]) for one in told}
        return {
            shown: found[name] / (2**20 if "MiB" in shown else 1) for shown, name in COUNTED.items()
        }


def go_round(visit: Visit, node: BenchNode, life: Life, seconds: float) -> list[Stay]:
    """Stay at every view in turn until the time is over; an empty page comes first."""
    stay_s = min(STAY_S, seconds / (6 * ROUNDS_MIN))
    told = json.loads((node.folder / "rpc.json").read_text())
    page = visit.page
    stays = [visit.stay(EMPTY, stay_s, lambda: None)]
    page.goto(f"{told['url']}/#token={told['token']}")
    page.locator(".view").wait_for()
    best = node.patient("GET", "/leaderboard?limit=1")[1][0]["peer_id"]
    views: dict[str, Callable[[], str]] = {
        "network": lambda: "/",
        "tasks": lambda: "/tasks",
        "a task under way": lambda: f"/tasks/{life.newest()}",
        "leaderboard": lambda: "/leaderboard",
        "a worker": lambda: f"/workers/{best}",
        "health": lambda: "/health",
    }
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for name, address in views.items():
            stays.append(visit.stay(name, stay_s, partial(_go, page, address())))
            if sys.stderr.isatty():
                print(f"\r{stays[-1].at_s:5.0f} of {seconds:.0f} s", end="", file=sys.stderr)
    return stays


def slope_a_minute(stays: Iterable[Stay], what: str) -> float:
    """Return how much of something came a minute, each view compared with itself.

    Least squares over what is left once the mean of each view is taken off; 0 for too few stays.
    """
    by_view: dict[str, list[Stay]] = {}
    for one in stays:
        by_view.setdefault(one.view, []).append(one)
    above = below = 0.0
    for some in by_view.values():
        middle_s = statistics.fmean(one.at_s for one in some)
        middle = statistics.fmean(one.left[what] for one in some)
        above += sum((one.at_s - middle_s) * (one.left[what] - middle) for one in some)
        below += sum((one.at_s - middle_s) ** 2 for one in some)
    return 60 * above / below if below else 0.0


def measure(minutes: float, tasks: int, tasks_a_s: float) -> tuple[list[Stay], dict[str, object]]:
    """Run all of it; return every stay, and how the run was."""
    genesis = os.urandom(16).hex()
    seconds = 60 * minutes
    with (
        tempfile.TemporaryDirectory() as folder,
        network(Path(folder), ["alice"], genesis=genesis, program="bench.crowded_node") as (node,),
        chromium() as browser,
    ):
        past = History(node, genesis)
        shared = network_of(NetworkParams(genesis=bytes.fromhex(genesis), name="private"))
        life = Life(shared, past, tasks_a_s)
        life.introduce()
        for _ in range(CROWDS):
            past.bring(tasks // CROWDS)
        assert len(node.patient("GET", "/peers?limit=400")[1]) == PEERS
        visit = Visit(browser)
        with life.going():
            stays = go_round(visit, node, life, seconds)
        how = {
            "tasks": sum(node.status()["tasks"].values()),
            "peers": PEERS,
            "new_tasks": life.tasks,
            "late_beats": life.lates,
            "problems": visit.problems,
            "load": os.getloadavg(),
            "cores": os.cpu_count(),
            "chromium": browser.version,
        }
    return stays, how


def main() -> None:
    """Print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--tasks-a-s", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    stays, how = measure(options.minutes, options.tasks, options.tasks_a_s)
    views = list(dict.fromkeys(one.view for one in stays))
    by_view = {view: _figures([one for one in stays if one.view == view]) for view in views}
    settled = stays[len(views) :]  # after the empty page and the first round
    slopes = {what: slope_a_minute(settled, what) for what in COUNTED}
    if options.json:
        left = [(one.view, one.at_s, one.left) for one in stays]
        json.dump({**how, "views": by_view, "slopes_a_minute": slopes, "left": left}, sys.stdout)
        return
    print("\n" + ", ".join(f"{name} {value}" for name, value in how.items()))
    print("main thread, ms: longest task (longest at work), p99 of those >= 1 ms")
    for view, figures in by_view.items():
        _show(view, figures, by_view[EMPTY])
    for one in sorted((task for stay in stays for task in stay.tasks), key=_wall)[-5:]:
        print(f"    {one.wall_ms:.0f} ms, {one.thread_ms:.0f} of them at work: {one.parts}")
    limits = (HEAP_TARGET_MIB_A_MIN, COUNTED_TARGET_A_MIN, COUNTED_TARGET_A_MIN)
    for (what, slope), limit in zip(slopes.items(), limits, strict=True):
        first, last = (_mean_round(some, what, len(views) - 1) for some in (settled, settled[::-1]))
        told = f"{first:9.2f} to {last:9.2f}, {slope:+8.3f} a minute"
        verdict = "ok" if slope <= limit else "MISSED"
        print(f"{what:10} {told}  <= {limit}: {verdict}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Lend the browser of the system.

    Raises:
        SystemExit: There is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"bench.dashboard: no browser, looked for {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def _go(page: Page, view: str) -> None:
    page.evaluate("view => { location.hash = view }", view)
    page.locator(f'#main[data-view="{view}"]').wait_for()


def _figures(stays: Sequence[Stay]) -> dict[str, Any]:
    tasks = [task for stay in stays for task in stay.tasks]
    some = sorted(task.wall_ms for task in tasks if task.wall_ms >= WORTH_LOOKING_MS)
    return {
        "longest_ms": max(map(_wall, tasks), default=0.0),
        "longest_thread_ms": max((task.thread_ms for task in tasks), default=0.0),
        "p99_ms": some[int(len(some) * 0.99)] if some else 0.0,
        "over_target": sum(task.wall_ms > LONG_TASK_TARGET_MS for task in tasks),
        "observed_longest_ms": max((ms for stay in stays for ms in stay.observed_ms), default=0.0),
        "busy": sum(task.thread_ms for task in tasks) / 1e3 / sum(stay.seconds for stay in stays),
    }


def _show(view: str, figures: dict[str, float], empty: dict[str, float]) -> None:
    longest_ms, thread_ms = figures["longest_ms"], figures["longest_thread_ms"]
    verdict = "ok" if longest_ms <= LONG_TASK_TARGET_MS else "MISSED"
    if verdict != "ok" and thread_ms <= LONG_TASK_TARGET_MS:
        verdict = "MISSED by waiting for a processor"
    print(
        f"{view:17} longest {longest_ms:6.1f} ({thread_ms:6.1f})  p99 {figures['p99_ms']:5.1f}"
        f"  observed {figures['observed_longest_ms']:4.0f}  busy {figures['busy']:6.2%}"
        f" = {figures['busy'] / max(empty['busy'], 1e-6):5.0f} x empty"
        f"  <= {LONG_TASK_TARGET_MS:.0f}: {verdict}"
    )


def _mean_round(stays: Sequence[Stay], what: str, views: int) -> float:
    return statistics.fmean(one.left[what] for one in stays[:views])


def _wall(task: MainTask) -> float:
    return task.wall_ms


if __name__ == "__main__":
    main()
