"""The box that asks: once is once, whatever becomes of the answer."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.dashboard.browser import Visitor, alone, go
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
RENEWED_MS = 6_000  # the box looks every five seconds what can be asked


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("asking")) as town:
        yield alone(town, "alice")


def asks(request: Request) -> bool:
    """Answer whether a request is one that asks the market."""
    return request.method == "POST" and request.url.endswith("/tasks")


class Sent:
    """What a page sends to ask, held until a test lets it go on."""

    def __init__(self, page: Page) -> None:
        self.routes: list[Route] = []
        page.route("**/tasks", self._take)

    def _take(self, route: Route) -> None:
        if route.request.method == "POST":
            self.routes.append(route)
        else:
            route.continue_()


def filled(page: Page, text: str) -> None:
    """Write a text, once the page knows what can be asked."""
    expect(page.get_by_label("Type")).to_have_value("echo")
    page.locator("#ask-text").fill(text)


def asked(node: RealNode, text: str) -> int:
    """Return how often a node was asked a text."""
    return sum(task["text"] == text for task in node.ask("/tasks?mine=true")["tasks"])


def test_ask__pressed_twice_asks_once(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node, "/tasks")
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if asks(one) else None)
    sent = Sent(page)
    filled(page, "pressed twice")

    with page.expect_request(asks):
        page.locator("#ask-text").press("Control+Enter")
        page.locator("#ask-text").press("Control+Enter")
    expect(page.get_by_role("button", name="Ask")).to_be_disabled()
    for route in sent.routes:
        route.continue_()

    expect(page.locator(".view-task .said")).to_have_text("pressed twice")
    assert len(posts) == 1
    assert asked(node, "pressed twice") == 1


def test_ask__again_after_no_answer_asks_once(node: RealNode, visitor: Visitor) -> None:
    visitor.allow("net::ERR")
    page = visitor.open(node, "/tasks")
    filled(page, "asked again")
    heard: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not heard:
            heard.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/tasks", lose)
    button = page.get_by_role("button", name="Ask")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    assert heard == [201]
    button.click()
    expect(page.locator(".view-task .said")).to_have_text("asked again")
    assert asked(node, "asked again") == 1

    go(page, "/tasks")  # the same once more, by a user who means it
    filled(page, "asked again")
    button.click()
    expect(page.locator(".view-task .said")).to_have_text("asked again")
    assert asked(node, "asked again") == 2


def test_ask__leaves_a_user_who_went_elsewhere_there(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node, "/tasks")
    sent = Sent(page)
    filled(page, "gone elsewhere")
    with page.expect_request(asks):
        page.get_by_role("button", name="Ask").click()
    go(page, "/leaderboard")

    sent.routes[0].continue_()

    expect(page.locator("#said")).to_have_text("Asked")
    assert page.evaluate("location.hash") == "#/leaderboard"
    assert asked(node, "gone elsewhere") == 1


def test_ask__keeps_the_type_that_was_chosen_while_the_model_is_loaded_anew(
    node: RealNode, visitor: Visitor
) -> None:
    types = {"echo": 9, "sentiment": 9, "text-classification": 9}
    capable = [types]
    told = node.status()
    visitor.context.clock.install()
    page = visitor.open(node, "/leaderboard")
    page.route("**/status", lambda route: route.fulfill(json={**told, "capable": capable[-1]}))
    go(page, "/tasks")
    sent = Sent(page)
    type_, button = page.get_by_label("Type"), page.get_by_role("button", name="Ask")
    expect(type_).to_have_value("sentiment")
    type_.select_option("text-classification")
    page.locator("#ask-text").fill("not yet")

    # The worker ends; then one model of several is there again, then all are.
    for now in ({}, {"echo": 9}):
        capable.append(now)
        page.clock.run_for(RENEWED_MS)
        expect(page.locator("#ask-hint")).to_contain_text("is loading")
        expect(button).to_be_disabled()
        expect(type_).to_have_value("text-classification")
    page.locator("#ask-text").press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("is loading")
    assert sent.routes == []
    capable.append(types)
    page.clock.run_for(RENEWED_MS)

    expect(button).to_be_enabled()
    expect(page.locator("#ask-hint")).to_contain_text("9 other nodes can run it")
    expect(type_).to_have_value("text-classification")
    expect(type_.locator("option")).to_have_text([*types])


def test_ask__says_that_a_light_node_runs_nothing(node: RealNode, visitor: Visitor) -> None:
    told = {**node.status(), "capable": {}, "model": "off"}
    page = visitor.open(node, "/leaderboard")
    page.route("**/status", lambda route: route.fulfill(json=told))

    go(page, "/tasks")

    expect(page.locator("#ask-hint")).to_contain_text("This node runs nothing")
    expect(page.get_by_role("button", name="Ask")).to_be_disabled()
