"""The plot of points, whatever the clocks of submitters say and jurors call themselves."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, alone, go, settled
from tests.dashboard.players import Players
from tests.dashboard.strange import UNSEEN
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
NAMES = {"ann": "Ann", "ben": "Ann", "cat": UNSEEN}  # one is called like another
ANSWERS = dict.fromkeys(NAMES, "positive")
NEVER_MS = 2**53 - 1  # no date at all
NOTE_WORDS = """() => {
    globalThis.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, ...where) {
        globalThis.written.push(words);
        write.call(this, words, ...where);
    };
}"""


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, Players]]:
    """Lend a node that knows of no task, and strangers who act."""
    with street(tmp_path_factory.mktemp("points")) as town:
        node = alone(town, "looker-on")
        players = Players(town, node)
        players.call_themselves(NAMES)
        yield node, players


def written(page: Page) -> list[str]:
    """Return what a new plot of points writes into its picture."""
    page.evaluate(NOTE_WORDS)
    go(page, "/leaderboard")
    settled(page)
    expect(page.get_by_label("Points over the newest tasks").get_by_role("listitem")).to_have_count(
        len(NAMES)
    )
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    found: list[str] = page.evaluate("globalThis.written")
    return found


@pytest.mark.parametrize(
    "clocks",
    [[NEVER_MS], [NEVER_MS, NEVER_MS - 1], [0, None, NEVER_MS], [0, 0, None, None]],
    ids=["never", "all never", "all of time", "at once"],
)
def test_plot__has_a_place_for_each_task_whenever_its_submitter_says_it_was(
    clocks: list[int | None], stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    for nonce, created_ms in enumerate(clocks):
        task = a_task("at a time of its own", nonce=nonce)
        players.judge("sue", task, ANSWERS, openers=tuple(NAMES), created_ms=created_ms)

    words = written(visitor.open(node))

    across = ["tasks that gave a point, the oldest first", *map(str, range(len(clocks) + 1))]
    assert words[: len(across)] == across


def test_plot__tells_jurors_of_one_name_and_of_none_apart(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    players.judge("sue", a_task(), ANSWERS, openers=tuple(NAMES))
    page = visitor.open(node, "/leaderboard")
    plot = page.get_by_label("Points over the newest tasks")

    expect(plot.get_by_role("listitem")).to_have_count(len(NAMES))

    ends = {row["peer_id"][-6:]: row["worker_id"] for row in node.ask("/leaderboard")}
    named = {f"{'(no name)' if name == UNSEEN else name}~{end}" for end, name in ends.items()}
    assert {*plot.get_by_role("listitem").all_inner_texts()} == named
    assert len(named) == len(NAMES)
    for one in named:
        expect(plot.get_by_text(f"{one} 1")).to_have_count(1)
