"""A node that takes a question and never answers: the page goes on without."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, alone, endpoint, go
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, Street, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
PATIENCE_MS = 31_000  # longer than the page waits for an answer, not than it bears a silent stream
PIECE_MS = 12_000
# Have `/slow` answer in pieces; `told` is what becomes of that.
ASK_SLOWLY = """async ([pieces, pauseMs]) => {
    const { get } = await import("/ui/api.js");
    const others = window.fetch;
    const next = (all, signal) => {
        if (signal.aborted) return;
        if (pieces.length) all.enqueue(new TextEncoder().encode(pieces.shift()));
        else all.close();
    };
    const body = (signal) => new ReadableStream({
        start: (all) => signal.addEventListener("abort", () => all.error(signal.reason)),
        pull: (all) => pieces[0] === "" ? new Promise(() => {})
            : new Promise((done) => setTimeout(() => done(next(all, signal)), pauseMs)),
    });
    window.fetch = async (path, options) =>
        path === "/slow" ? new Response(body(options.signal)) : others(path, options);
    window.told = get("/slow").then((found) => found.said, (error) => error.message);
}"""
SILENT = "the node has said nothing for 30 seconds"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("limits")) as found:
        yield found


@pytest.fixture(scope="module")
def node(town: Street) -> RealNode:
    return alone(town, "silent")


class Held:
    """Requests that nobody answers: the first so many that come."""

    def __init__(self, count: int = 1) -> None:
        self.bodies: list[str | None] = []
        self._left = count

    def __call__(self, route: Route) -> None:
        self.bodies.append(route.request.post_data)
        if self._left:
            self._left -= 1
        else:
            route.continue_()


def test_view__asks_again_when_a_question_stays_without_answer(
    town: Street, node: RealNode, visitor: Visitor
) -> None:
    visitor.context.clock.install()
    page = visitor.open(node)
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.route("**/tasks?*limit=*", Held())
    with page.expect_request("**/tasks?*limit=*"):
        go(page, "/tasks")
    Players(town, node).ask("sue", a_task("asked while the page was deaf"))
    expect(page.get_by_text("Asking the node")).to_be_visible()

    page.clock.fast_forward(PATIENCE_MS)

    expect(page.get_by_role("row", name="asked while the page was deaf")).to_be_visible()


def test_page__begins_though_its_first_question_stays_without_answer(
    node: RealNode, visitor: Visitor
) -> None:
    url, token = endpoint(node)
    visitor.context.clock.install()
    visitor.context.route("**/status", Held())
    with visitor.context.expect_event("request", lambda one: one.url.endswith("/status")):
        page = visitor.open_at(f"{url}/#token={token}")

    page.clock.fast_forward(PATIENCE_MS)

    expect(page.locator("#banner")).to_contain_text(SILENT)
    expect(page.locator(".view-network")).to_be_visible()


@pytest.mark.parametrize(
    ("pieces", "told"), [(['{"said"', ":", '"all"', "}"], "all"), (['{"said"', ""], SILENT)]
)
def test_answer__may_take_its_time_while_more_of_it_comes(
    node: RealNode, visitor: Visitor, pieces: list[str], told: str
) -> None:
    """As a large one over a slow line; what comes no more is given up."""
    visitor.context.clock.install()
    page = visitor.open(node)
    page.evaluate(ASK_SLOWLY, [pieces, PIECE_MS])

    page.clock.run_for(5 * PIECE_MS + 1)

    assert page.evaluate("window.told") == told


def test_box__may_be_sent_again_when_the_node_does_not_say_that_it_was_asked(
    node: RealNode, visitor: Visitor
) -> None:
    visitor.context.clock.install()
    page = visitor.open(node, "/tasks")
    held = Held()
    page.route("**/tasks", held)
    page.get_by_label("Type").select_option("echo")
    page.get_by_label("Ask the market").get_by_role("textbox").fill("asked once")
    button = page.get_by_role("button", name="Ask", exact=True)
    with page.expect_request("**/tasks"):
        button.click()
    expect(button).to_be_disabled()

    page.clock.fast_forward(PATIENCE_MS)

    unsure = "It may have been asked all the same: Ask again sends the same task, not a second."
    expect(page.get_by_role("alert")).to_have_text(f"{SILENT}. {unsure}")
    button.click()
    expect(page.locator(".view-task")).to_be_visible()
    assert len(held.bodies) == 2
    assert held.bodies[0] == held.bodies[1]  # with its request id: it is one task
