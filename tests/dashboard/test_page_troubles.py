"""What fails for now takes nothing off a page, and is asked for again by itself."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, alone, go, one_visitor, settled
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
BUSY = {"code": "busy", "message": "somebody is being told; try again"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, Players]]:
    """Lend a node whose page everybody may see, and strangers who act."""
    with street(tmp_path_factory.mktemp("troubles")) as town:
        node = alone(town, "troubled", "--dashboard-public", "127.0.0.1:0")
        players = Players(town, node)
        players.call_themselves({"sue": "Sue", "ann": "Ann"})
        yield node, players


@pytest.fixture
def node(stage: tuple[RealNode, Players]) -> RealNode:
    return stage[0]


@pytest.fixture
def players(stage: tuple[RealNode, Players]) -> Players:
    return stage[1]


def failing(page: Page, path: str, *, times: int = 1, status: int = 429) -> list[int]:
    """Have requests fail that begin from now on; return what was failed so far, as it grows."""
    failed: list[int] = []

    def fail(route: Route) -> None:
        failed.append(status)
        if status:
            route.fulfill(status=status, json=BUSY, headers={"Retry-After": "1"})
        else:
            route.abort()

    page.route(path, fail, times=times)
    return failed


@pytest.mark.parametrize("status", [429, 503, 0])
def test_view__keeps_what_it_shows_when_it_is_refused_for_now(
    status: int, stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    visitor.allow("status of " if status else "net::ERR")
    task_id = players.ask("sue", a_task(f"refused {status}", nonce=status))
    page = visitor.open(node, f"/tasks/{task_id.hex()}")
    expect(page.locator(".seat.free")).to_have_count(3)

    failed = failing(page, "**/explain/**", status=status)
    players.commit("ann", task_id, "positive")

    expect(page.locator(".seat.sealed")).to_have_count(1)
    assert failed == [status]
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("status", [429, 0])
def test_view__appears_by_itself_though_its_first_load_failed(
    status: int, stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    visitor.allow("status of " if status else "net::ERR")
    players.ask("sue", a_task("one more", nonce=10 + status))
    record_id = newest_record(node)
    page = visitor.open(node)
    failed = failing(page, "**/explain/**", status=status)

    go(page, f"/records/{record_id}")

    expect(page.get_by_role("heading", name="Record")).to_be_visible()
    assert failed == [status]


def newest_record(node: RealNode) -> str:
    """Return the record that the newest task is."""
    (task,) = node.ask("/tasks?limit=1")["tasks"]
    found: str = node.ask(f"/explain/{task['task_id']}")["task"]["records"][0]["record_id"]
    return found


def test_page__says_that_a_part_of_it_did_not_come(node: RealNode, browser: Browser) -> None:
    """Who only reads may get there before all the code did."""
    with one_visitor(browser) as reader:
        reader.allow("net::ERR")
        reader.allow("Failed to fetch dynamically imported module")
        reader.context.route("**/ui/views/health.js", lambda route: route.abort())
        page = reader.open_at(public_url(node))
        settled(page)

        page.get_by_role("link", name="Health").click()

        expect(page.get_by_role("alert")).to_contain_text("This part of the page did not come")
        expect(page.get_by_role("link", name="Health")).to_have_attribute("aria-current", "page")
        reader.context.unroute("**/ui/views/health.js")
        page.get_by_role("button", name="Load the page again").click()
        expect(page.get_by_role("heading", name="Health")).to_be_visible()


def public_url(node: RealNode) -> str:
    url: str = json.loads((node.directory / "rpc.json").read_text())["public_url"]
    return url


def test_list__keeps_the_focus_where_it_is_when_the_row_above_goes(
    node: RealNode, players: Players, visitor: Visitor
) -> None:
    kept = players.ask("sue", a_task("stays in the list", nonce=20, seats=1))
    goes = players.ask("sue", a_task("goes from the list", nonce=21, seats=1))
    page = visitor.open(node, "/tasks?state=open")
    link = page.get_by_role("link", name="stays in the list")
    link.focus()
    page.evaluate(
        """() => {
            window.moved = [];
            new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach(
                (node) => window.moved.push(node.textContent))))
                .observe(document.querySelector("main tbody"), {childList: true});
        }"""
    )

    answers = {"ann": "positive"}
    players.commit("ann", goes, "positive")
    players.jury("sue", goes, answers)
    players.reveal("ann", goes, "positive")

    expect(page.get_by_role("link", name="goes from the list")).to_have_count(0)
    expect(link).to_be_focused()
    assert [text for text in page.evaluate("window.moved") if "stays in the list" in text] == []
    assert kept != goes


def test_page__begins_though_its_first_answer_is_cut_off(node: RealNode, visitor: Visitor) -> None:
    answers = ["<html>log in to this network first</html>"]
    visitor.context.route(
        "**/status",
        lambda route: route.fulfill(body=answers.pop()) if answers else route.continue_(),
    )

    page = visitor.open(node, "/tasks")

    settled(page)
    assert answers == []


def test_worker__of_no_possible_name_is_said_to_be_none(node: RealNode, visitor: Visitor) -> None:
    visitor.allow("status of 4")
    page = visitor.open(node)

    for name in ("..", "%2e%2e", "."):
        go(page, f"/workers/{name}")

        expect(page.get_by_role("alert")).to_be_visible()


def test_skip_link__leaves_an_address_that_can_be_loaded_again(
    node: RealNode, visitor: Visitor
) -> None:
    page = visitor.open(node, "/tasks")
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()
    page.reload()
    expect(page.locator(".view-tasks")).to_be_visible()


def test_page__works_where_it_may_keep_nothing(node: RealNode, browser: Browser) -> None:
    with one_visitor(browser) as careful:
        careful.context.add_init_script(
            """Object.defineProperty(window, "sessionStorage", {
                get() { throw new DOMException("denied", "SecurityError"); }});
            navigator.locks.request = async () => {
                throw new DOMException("denied", "SecurityError"); };"""
        )

        page = careful.open(node, "/tasks")

        settled(page)
        expect(page.locator("html")).to_have_attribute("data-link", "live")


def test_banner__says_nothing_before_anything_was_tried(node: RealNode, visitor: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.context.route("**/events", hold)
    page = visitor.open(node, "/tasks")
    settled(page)

    expect(page.locator("html")).to_have_attribute("data-link", "opening")
    expect(page.locator("#banner")).to_be_hidden()
    (route,) = held
    route.continue_()
    expect(page.locator("html")).to_have_attribute("data-link", "live")


def test_back__returns_to_where_a_list_was_left(
    node: RealNode, players: Players, visitor: Visitor
) -> None:
    for number in range(30):
        players.ask("sue", a_task(f"row {number}", nonce=100 + number))
    page = visitor.open(node, "/tasks")
    hint = page.locator("#ask-hint")  # what it says makes the box above the list taller
    expect(hint).to_contain_text("can run it")
    row = page.get_by_role("link", name="row 2", exact=True)
    row.scroll_into_view_if_needed()
    left_at = page.evaluate("scrollY")
    assert left_at > 0
    row.click()
    expect(page.locator(".view-task")).to_be_visible()
    assert page.evaluate("scrollY") == 0

    page.go_back()

    expect(hint).to_contain_text("can run it")
    expect(row).to_be_in_viewport()
    assert page.evaluate("scrollY") == left_at


def test_stream__goes_on_from_where_it_began_though_nothing_had_come(
    node: RealNode, visitor: Visitor
) -> None:
    """A node says at once where its events are: what comes before the next stream is told then."""
    asked: list[str | None] = []

    def end_at_once(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) == 1:
            route.fulfill(content_type="text/event-stream", body="id: abc-7\n\n")
        else:
            route.continue_()

    visitor.context.route("**/events", end_at_once)
    with visitor.context.expect_event(
        "response", lambda one: one.url.endswith("/events") and len(asked) > 1
    ):
        visitor.open(node)

    assert asked[:2] == [None, "abc-7"]
