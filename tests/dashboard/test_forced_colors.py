"""What is told by a mark is told where the reader's own colours rule, and to who listens."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, go, one_visitor
from tests.dashboard.players import Players
from tests.fakes_market import FakeMarket
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ANSWERS = dict.fromkeys(("ann", "ben", "cat"), "positive")
# How an element, or what stands before its words, is filled: a colour, and the ground's picture.
FILL = """(element, part) => {
    const style = getComputedStyle(element, part);
    return `${style.backgroundColor} ${style.backgroundImage}`;
}"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, dict[str, str]]]:
    """Lend a node with a task that is final, one that is seated, one that is split and one open."""
    with street(tmp_path_factory.mktemp("forced")) as town:
        node = town.node("alice")
        node.launch()
        node.wait_serving()
        players = Players(town, node)
        openers = {"final": [*ANSWERS], "seated": ["ann"]}
        found = {
            state: players.judge("sue", a_task(state, nonce=at), ANSWERS, openers=who).hex()
            for at, (state, who) in enumerate(openers.items(), 1)
        }
        split = dict(zip(ANSWERS, "abc", strict=True))
        task = a_task("split", nonce=7)
        found["split"] = players.judge("sue", task, split, openers=[*split]).hex()
        found["open"] = players.ask("sue", a_task("open", nonce=8)).hex()
        yield node, found


@pytest.fixture
def forced(browser: Browser) -> Iterator[Visitor]:
    with one_visitor(browser, forced_colors="active", reduced_motion="reduce") as visitor:
        yield visitor


def fill(of: Locator, part: str | None = None) -> str:
    found: str = of.first.evaluate(FILL, part)
    return found


def test_stages__that_are_done_say_so_and_are_marked(
    tasks: tuple[RealNode, dict[str, str]], forced: Visitor
) -> None:
    node, found = tasks
    page = forced.open(node, f"/tasks/{found['open']}")
    stages = page.get_by_role("list", name="How far it is").get_by_role("listitem")
    done, others = stages.filter(has_text="done"), stages.filter(has_not_text="done")

    expect(done).to_have_count(1)
    expect(done).to_contain_text("Asked, done")
    expect(others).to_have_count(4)
    assert fill(done, "::before") != fill(others, "::before")
    assert fill(others, "::before") == fill(others.last, "::before")


def test_badges__differ_by_their_marks(
    tasks: tuple[RealNode, dict[str, str]], forced: Visitor
) -> None:
    node, found = tasks
    page = forced.open(node, "/tasks")
    expect(page.locator(".badge")).to_have_count(len(found))
    marks = {
        state: fill(page.get_by_role("row", name=state).locator(".badge i")) for state in found
    }

    assert len(set(marks.values())) == len(found), marks


def test_legend__shows_who_is_in_step(
    tasks: tuple[RealNode, dict[str, str]], forced: Visitor
) -> None:
    """A node alone has no picture: the peers it answers are made."""
    node, _ = tasks
    page = forced.open(node, "/leaderboard")
    told = [asdict(one) for one in FakeMarket().peers(limit=2)]
    page.route("**/peers?*", lambda route: route.fulfill(json=told))
    go(page, "/")

    mark, drawn = page.locator(".legend .l-step"), page.locator(".picture a.step circle")
    expect(mark).to_be_visible()
    assert fill(mark, "::before").split(" none")[0] == drawn.evaluate(
        "circle => getComputedStyle(circle).fill"
    )
