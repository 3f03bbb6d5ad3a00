"""The list of tasks: which of them it shows, and how it says so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import Visitor, alone, go
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("list")) as town:
        yield alone(town, "alice")


def marked(page: Page) -> list[str]:
    """Return what the list is said to show."""
    return page.locator(".chip[aria-current]").all_inner_texts()


def test_tasks__mark_what_they_show(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node, "/tasks")
    chips = page.get_by_label("Which tasks", exact=True)
    expect(chips.get_by_role("link", name="all")).to_have_attribute("aria-current", "true")
    assert marked(page) == ["all"]

    chips.get_by_role("link", name="mine").click()
    expect(chips.get_by_role("link", name="mine")).to_have_attribute("aria-current", "true")
    assert marked(page) == ["mine"]
    chips.get_by_role("link", name="split").click()
    expect(chips.get_by_role("link", name="split")).to_have_attribute("aria-current", "true")
    assert marked(page) == ["mine", "split"]
    chips.get_by_role("link", name="mine").click()
    expect(chips.get_by_role("link", name="mine")).not_to_have_attribute("aria-current", "true")
    assert marked(page) == ["split"]
    go(page, "/tasks?submitter=bob")
    expect(chips.get_by_role("link", name="of bob")).to_be_visible()
    assert marked(page) == ["of bob ×"]


def test_task__that_was_given_up_says_so_and_not_that_it_is_void(
    node: RealNode, visitor: Visitor
) -> None:
    task_id = node.submit("given up", seats=3)
    page = visitor.open(node, f"/tasks/{task_id}")
    expect(page.locator(".verdict .badge")).to_have_text("open")

    page.get_by_role("button", name="Give it up").click()

    expect(page.locator(".verdict .badge")).to_have_text("given up")
    go(page, "/tasks")
    badge = page.get_by_role("row", name="given up").locator(".badge")
    expect(badge).to_have_text("given up")
    expect(badge).to_have_attribute("title", "given up by its submitter here")


def test_tasks__say_that_older_ones_may_fit_where_none_of_the_newest_does(
    node: RealNode, visitor: Visitor
) -> None:
    """A page looks through 500 tasks, more than a test asks: what the node answers is made."""
    page = visitor.open(node, "/leaderboard")
    page.route("**/tasks?*", lambda route: route.fulfill(json={"tasks": [], "next": "older"}))
    listed = page.get_by_label("All tasks")

    go(page, "/tasks?state=void")
    expect(listed).to_contain_text("None of the newest tasks fits.")
    expect(listed.get_by_role("table")).to_have_count(0)
    listed.get_by_role("link", name="older").click()

    expect(listed).to_contain_text("None of the older tasks looked through fits.")
    expect(listed.get_by_role("link", name="newest")).to_be_visible()
