"""What one user does is seen on the pages of others, as it happens."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chaos.load import QUIET_S, wait_quiet
from tests.dashboard.browser import Visitor, go
from tests.loopback.nodes import RealNode, Street, street, wait_equal, wait_final

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
NAMES = ("alice", "bob", "carole", "dave")
LATE_MS = 30_000  # a node starts, or is missed


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("screens")) as found:
        found.open(*NAMES)
        yield found


@pytest.fixture
def nodes(town: Street) -> list[RealNode]:
    return town.nodes[: len(NAMES)]


@pytest.fixture
def others(browser: Browser) -> Iterator[list[Visitor]]:
    """Lend more people with browsers of their own."""
    contexts = [browser.new_context() for _ in range(2)]
    found = [Visitor(one) for one in contexts]
    yield found
    for one in contexts:
        one.close()
    assert [one.problems for one in found] == [[], []]


def ask(page: Page, text: str, *, seats: str = "3") -> str:
    """Ask by the box of a page, and return the id of the task it then shows."""
    go(page, "/tasks")
    page.get_by_label("Ask the market").last.fill(text)
    page.get_by_label("Seats").select_option(seats)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".view-task")).to_be_visible()
    task_id: str = page.evaluate("location.hash").removeprefix("#/tasks/")
    return task_id


def board(page: Page) -> list[str]:
    """Return the rows of a leaderboard as they are read, without what only one node says."""
    rows = page.locator(".view-leaderboard tbody tr")
    expect(rows.first).to_be_visible()
    return [text.replace(" this node", "") for text in rows.all_inner_texts()]


def test_verdict__of_a_task_asked_on_one_page_arrives_on_another(
    nodes: list[RealNode], visitor: Visitor, others: list[Visitor]
) -> None:
    watching = others[0].open(nodes[1], "/tasks")
    asking = visitor.open(nodes[0])

    task_id = ask(asking, "is anybody there?")

    expect(asking.locator(".verdict")).to_contain_text("final")
    row = watching.get_by_role("row", name="is anybody there?")
    expect(row).to_contain_text("final")
    row.get_by_role("link", name="is anybody there?").click()
    expect(watching.locator(".seat.agreed")).to_have_count(3)
    expect(watching.locator(".stages li.done")).to_have_count(5)
    expect(watching.locator(".view-task")).to_contain_text("3 of 3 seats agree; 2 had to")
    assert task_id in watching.evaluate("location.hash")


def test_leaderboard__is_the_same_on_three_pages(
    nodes: list[RealNode], visitor: Visitor, others: list[Visitor]
) -> None:
    pages = [
        one.open(node, "/leaderboard") for one, node in zip((visitor, *others), nodes, strict=False)
    ]
    for node in nodes:
        wait_final(node, [node.submit(f"from {node.name}", seats=3)], within_s=30)
    wait_quiet(nodes, quiet_s=QUIET_S, within_s=30)  # the last juror opens after the verdict
    digest = wait_equal(nodes, within_s=30)

    for page in pages:
        expect(page.get_by_text(digest[:8])).to_be_visible()

    boards = [board(page) for page in pages]
    assert boards[0] == boards[1] == boards[2]
    assert len(boards[0]) == len(NAMES)
    total = sum(row["points"] for row in nodes[0].ask("/leaderboard"))
    assert total >= 3 * len(nodes)


def test_peers__join_and_leave_the_picture_as_it_happens(
    town: Street, nodes: list[RealNode], visitor: Visitor
) -> None:
    page = visitor.open(nodes[0])
    picture = page.locator("svg.picture")
    expect(picture.locator("a.node")).to_have_count(len(NAMES))
    erin = town.node("erin")

    erin.launch("--bootstrap", nodes[0].address)
    expect(picture.get_by_role("link", name="erin: connected")).to_be_visible(timeout=LATE_MS)
    expect(page.locator(".feed")).to_contain_text("joined")
    erin.stop()
    expect(page.locator(".feed")).to_contain_text("left", timeout=LATE_MS)
    expect(picture.get_by_role("link", name="erin: connected")).to_have_count(0, timeout=LATE_MS)


def test_keyboard__alone_is_enough_to_ask(nodes: list[RealNode], visitor: Visitor) -> None:
    page = visitor.open(nodes[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the menu
    expect(page.locator("#main")).to_be_focused()
    page.locator("body").press("Tab")
    tab_to(page, "Tasks", backwards=True)
    page.keyboard.press("Enter")
    expect(page.locator(".view-tasks")).to_be_visible()
    expect(page.get_by_label("Type")).to_have_value("echo")  # before, nothing can be asked
    tab_to(page, "Ask the market")

    page.keyboard.type("no mouse here")
    page.keyboard.press("Tab")  # the type
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator(".view-task .said")).to_have_text("no mouse here")
    expect(page.locator(".verdict")).to_contain_text("final")


def tab_to(page: Page, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(40):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        called = page.evaluate(
            """() => {
                const one = document.activeElement;
                return (one.labels?.[0] ?? one).textContent.trim();
            }"""
        )
        if called == name:
            return
    raise AssertionError(f"no Tab leads to {name}")


def test_tabs__nine_of_them_all_stay_alive(nodes: list[RealNode], visitor: Visitor) -> None:
    """A browser opens six connections to a host: a stream for each tab would hang the seventh."""
    pages = [visitor.open(nodes[0], "/tasks") for _ in range(9)]

    task_id = nodes[1].submit("to all nine", seats=3)

    for page in pages:
        page.bring_to_front()
        expect(page.get_by_role("row", name="to all nine")).to_contain_text("final")
    pages[0].close()  # whoever reads the stream is gone: another takes over
    wait_final(nodes[1], [task_id], within_s=30)
    nodes[1].submit("to the eight that are left", seats=3)
    for page in pages[1:]:
        page.bring_to_front()
        expect(page.get_by_role("row", name="to the eight")).to_contain_text("final")
