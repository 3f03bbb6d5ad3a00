"""The plots of the last hour, whatever the clock of their node does and however long it slept."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from node.history import EVERY_MS, NAMES, Ring
from tests.dashboard.browser import Visitor, alone, go
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
BEGIN_MS = 1_700_000_000_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("plots")) as town:
        yield alone(town, "alice")


# Whether most columns in the middle of the plot of stalls hold nothing of its line.
IS_LINE_BROKEN = """() => {
  const plots = [...document.querySelectorAll(".plots > *")];
  const plot = plots.find((one) => one.textContent.includes("Longest stall"));
  const canvas = plot.querySelector("canvas");
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--line-0").trim();
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const from = Math.round(canvas.width * 0.45), width = Math.round(canvas.width * 0.2);
  const { data } = canvas.getContext("2d").getImageData(from, 0, width, canvas.height);
  const near = (at) => data[at + 3] > 128 &&
    Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 30;
  const found = new Set();
  for (let at = 0; at < data.length; at += 4) if (near(at)) found.add((at / 4) % width);
  return found.size < width / 2;
}"""


class Past:
    """Answers for the last hour of a node, whose clock the test sets and who does as it is told."""

    def __init__(self) -> None:
        self.now_ms = BEGIN_MS
        self._ring = Ring()

    def begin_anew(self) -> None:
        """Forget all, as a node that was started anew."""
        self._ring = Ring()

    def note(self, passed_ms: int, number: int) -> None:
        """Let time pass, and end an interval in which so much of everything happened."""
        self.now_ms += passed_ms
        self._ring.add(self.now_ms, dict.fromkeys(NAMES, float(number)))

    def answer(self, route: Route) -> None:
        """Answer for the node."""
        asked = parse_qs(urlsplit(route.request.url).query)
        told = self._ring.told(after_ms=int(asked.get("after", ["0"])[0]), now_ms=self.now_ms)
        document = {
            "every_ms": told.every_ms,
            "now_ms": told.now_ms,
            "at_ms": told.at_ms,
            "series": told.series,
        }
        route.fulfill(body=json.dumps(document), content_type="application/json")


def watched(visitor: Visitor, node: RealNode, past: Past) -> Page:
    page = visitor.open(node)
    page.route(re.compile(r"/history(\?.*)?$"), past.answer)
    go(page, "/health")
    return page


def expect_tasks(page: Page, per_minute: int) -> None:
    """Wait until the plot says how many tasks came and became final in the last interval."""
    words = page.locator(".plots p", has_text="Throughput:")
    expect(words).to_have_text(f"Throughput: asked {per_minute}, final {per_minute}")


def test_plots__go_on_when_the_clock_of_the_node_is_set_back(
    node: RealNode, visitor: Visitor
) -> None:
    past = Past()
    past.note(EVERY_MS, 1)
    page = watched(visitor, node, past)
    expect_tasks(page, 12)

    past.note(-60 * MINUTE_MS, 2)
    expect_tasks(page, 24)

    past.note(EVERY_MS, 3)
    expect_tasks(page, 36)


def test_plots__divide_what_came_by_how_long_it_took(node: RealNode, visitor: Visitor) -> None:
    past = Past()
    past.note(EVERY_MS, 1)
    past.note(MINUTE_MS, 7)
    page = watched(visitor, node, past)
    expect_tasks(page, 7)

    past.note(2 * MINUTE_MS, 10)  # it slept once more
    expect_tasks(page, 5)

    past.begin_anew()
    past.note(2 * MINUTE_MS, 4)  # it was away, and this is of the seconds since it began
    expect_tasks(page, 48)


@pytest.mark.parametrize("slept_ms", [EVERY_MS, 10 * MINUTE_MS])
def test_plots__draw_no_line_through_time_that_the_machine_slept_through(
    node: RealNode, visitor: Visitor, slept_ms: int
) -> None:
    past = Past()
    for _ in range(2):
        past.note(slept_ms, 1)
        for _ in range(10):
            past.note(EVERY_MS, 1)
    page = watched(visitor, node, past)
    expect_tasks(page, 12)

    assert page.evaluate(IS_LINE_BROKEN) == (slept_ms != EVERY_MS)
