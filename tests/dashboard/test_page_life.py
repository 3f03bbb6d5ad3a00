"""The page itself: how it gets its secret, and what it survives."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, endpoint, findings, go, one_visitor, settled
from tests.dashboard.players import Players
from tests.dashboard.strange import views_of
from tests.loopback.nodes import RealNode, Street, aimarket, street, until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
PORTS_NOT_DRAWN = (20_000, 32_768)  # below those of `ip_local_port_range`
NEEDED = "This page needs the secret of its node"
LATE_MS = 30_000  # a node starts anew, and the page asks in growing pauses
Seen = list[tuple[str, str | None, int]]  # path, Authorization, and what the node answered


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(scope="module")
def node(town: Street) -> RealNode:
    node = town.node("alice")
    node.launch()
    node.wait_serving()
    players = Players(town, node)
    players.call_themselves({"sue": "Sue"})
    players.ask("sue", a_task("asked before"))
    return node


def test_page__asks_for_its_secret_and_takes_what_open_prints(
    town: Street, node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("status of 401")
    page = visitor.open_at(endpoint(node)[0])
    field = page.get_by_label("Address or secret")
    field.fill("not a secret!")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("neither an address")

    printed = aimarket(town.home, "open", "--print", "--id", node.name)
    field.fill(printed.stdout)
    page.get_by_role("button", name="Open").click()

    expect(page.locator(".view-network")).to_be_visible()
    assert "token" not in page.evaluate("location.href")
    another = visitor.open_at(endpoint(node)[0])  # a tab without it asks the one that has it
    expect(another.locator(".view-network")).to_be_visible()


def test_tab__with_an_old_secret_takes_the_one_another_tab_has(
    node: RealNode, visitor: Visitor
) -> None:
    """As when the browser put it away, and the node was started anew meanwhile."""
    visitor.allow("status of 401")
    visitor.open(node)
    page = visitor.open(node)
    page.evaluate("sessionStorage.setItem('aimarket.token', 'of-an-earlier-run')")

    page.reload()

    expect(page.locator(".view-network")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('aimarket.token')") == endpoint(node)[1]


def test_tab__keeps_its_secret_though_another_is_opened_with_an_old_one(
    node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("status of 401")
    url, token = endpoint(node)
    page = visitor.open(node, "/tasks")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    shown: list[str | None] = []
    page.on("request", lambda one: shown.append(one.headers.get("authorization")))

    old = visitor.open_at(f"{url}/#token=of-an-earlier-run")
    expect(old.locator(".view-network")).to_be_visible()

    go(page, "/leaderboard")
    settled(page)
    assert set(shown) - {None} == {f"Bearer {token}"}  # none for the code of the page


def test_tabs__keep_their_secret_though_one_is_given_a_wrong_one(
    node: RealNode, visitor: Visitor
) -> None:
    """At `localhost` no node knows a page again: what is lost there is gone everywhere."""
    visitor.allow("status of 401")
    url, token = endpoint(node)
    address = f"{url.replace('127.0.0.1', 'localhost')}/#token={token}"
    pages = [visitor.open_at(address) for _ in range(2)]
    for page in pages:
        expect(page.locator("html")).to_have_attribute("data-link", "live")

    with pages[0].expect_response(lambda one: one.status == 401):
        pages[0].evaluate("location.hash = '#token=mistyped-by-one-sign'")

    for page in pages:
        go(page, "/leaderboard")
        settled(page)
        assert page.evaluate("sessionStorage.getItem('aimarket.token')") == token


def test_tabs__go_on_when_one_of_them_has_the_secret(node: RealNode, visitor: Visitor) -> None:
    """None of those that wait gives another what was refused, be it asked before or after."""
    visitor.allow("status of 401")
    url, _ = endpoint(node)
    waiting = [visitor.open_at(f"{url}/#token=of-an-earlier-run-{one}") for one in range(2)]
    waiting.append(visitor.open_at(url))
    titles = [page.get_by_role("heading", level=1).text_content() for page in waiting]

    visitor.open(node)

    assert titles == [*["The secret of this page is old"] * 2, NEEDED]
    for page in waiting:
        expect(page.locator(".view-network")).to_be_visible()


def test_entry__says_that_what_was_pasted_is_of_no_use_and_tells_no_other_tab(
    node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("status of 401")
    page = visitor.open_at(endpoint(node)[0])
    another = visitor.open_at(endpoint(node)[0])
    expect(another.get_by_label("Address or secret")).to_be_visible()
    asked: list[str] = []
    another.on("request", lambda one: asked.append(one.url))
    page.get_by_label("Address or secret").fill("mistyped-by-one-sign")

    page.get_by_role("button", name="Open").click()

    expect(page.get_by_role("alert")).to_contain_text("that secret is not this node's")
    expect(page.get_by_role("heading", name="is old")).to_have_count(0)
    assert asked == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_entry__is_accessible(node: RealNode, browser: Browser, scheme: str) -> None:
    with one_visitor(browser, color_scheme=scheme, reduced_motion="reduce") as visitor:
        visitor.allow("status of 401")
        page = visitor.open_at(endpoint(node)[0])
        page.get_by_label("Address or secret").fill("not a secret!")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_contain_text("neither an address")

        assert findings(page) == []


def a_port_nobody_draws() -> int:
    """Return a free port that the system gives to nobody who asks for any."""
    while True:
        port = random.SystemRandom().randrange(*PORTS_NOT_DRAWN)
        with socket.socket() as held, contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            return port


def staying(town: Street, name: str) -> tuple[RealNode, int]:
    """Start a node on a port that it has again after a restart."""
    port = a_port_nobody_draws()
    node = town.node(name, "--rpc-port", str(port))
    node.launch()
    node.wait_serving()
    return node, port


def opened_for_long(visitor: Visitor, node: RealNode, view: str = "/tasks") -> Page:
    """Open a page, and wait until a later run of the node would know it again."""
    with visitor.context.expect_event(
        "requestfinished", lambda request: request.url.endswith("/session")
    ):
        page = visitor.open(node, view)
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    return page


def lose(node: RealNode, page: Page, visitor: Visitor) -> None:
    """Kill a node, and wait until a page of it has noticed."""
    visitor.allow("net::ERR")  # while it is away
    visitor.allow("status of 401")  # the old token
    node.kill()
    expect(page.locator("#banner")).to_contain_text("Not connected")


def test_page__finds_its_node_again_after_a_restart(town: Street, visitor: Visitor) -> None:
    node, _ = staying(town, "restarted")
    page = opened_for_long(visitor, node)
    before = endpoint(node)[1]

    lose(node, page, visitor)
    node.launch()
    node.wait_serving()

    assert endpoint(node)[1] != before
    expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=LATE_MS)
    expect(page.locator("#banner")).to_be_hidden()
    Players(town, node).ask("sue", a_task("asked after the restart", task_type="echo"))
    expect(page.get_by_role("row", name="asked after the restart")).to_be_visible()


def test_page__asks_again_until_its_node_gives_the_token(town: Street, visitor: Visitor) -> None:
    node, _ = staying(town, "slow")
    page = opened_for_long(visitor, node)
    visitor.allow("status of 503")
    faults = [503, 0]

    def hinder(route: Route) -> None:
        match faults.pop(0) if faults else None:
            case None:
                route.continue_()
            case 0:
                route.abort()
            case status:
                route.fulfill(status=status, json={"code": "unavailable", "message": "later"})

    page.route("**/session/renew", hinder)
    lose(node, page, visitor)
    node.launch()
    node.wait_serving()

    expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=LATE_MS)
    assert faults == []
    expect(page.locator("#banner")).to_be_hidden()


@contextmanager
def relay(port: int, node: RealNode) -> Iterator[Seen]:
    """Hold a port as another user may, and pass on to a node whatever comes; tell what came."""
    seen: Seen = []
    target = urlsplit(endpoint(node)[0]).netloc

    class Passing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name != "Connection"}
            told = {"Host": target, "Origin": f"http://{target}", "Connection": "close"}
            there = HTTPConnection(target)
            there.request(self.command, self.path, body, kept | told)
            answer = there.getresponse()
            seen.append((self.path, self.headers["Authorization"], answer.status))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            while piece := answer.read1():
                self.wfile.write(piece)

        do_POST = do_GET  # noqa: N815 - as its base wants it

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Passing) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield seen
        server.shutdown()


def test_page__gives_the_new_token_to_nobody_on_the_old_port(
    town: Street, visitor: Visitor
) -> None:
    node, port = staying(town, "moved")
    page = opened_for_long(visitor, node)
    old = endpoint(node)[1]
    lose(node, page, visitor)
    node.launch("--rpc-port", "0")
    node.wait_serving()

    with relay(port, node) as seen:
        expect(page.locator("#banner")).to_contain_text("Run aimarket open again", timeout=LATE_MS)
        with page.expect_response("**/session/renew"):  # it goes on asking, and is none the wiser
            pass
        expect(page.locator("html")).to_have_attribute("data-link", "refused")

    assert ("/session/renew", None, 200) in seen
    assert {given for _, given, _ in seen} == {None, f"Bearer {old}"}


def test_page__keeps_the_secret_from_code_that_comes_later(
    node: RealNode, visitor: Visitor
) -> None:
    """Whoever holds the port later could send a view, or a whole page: it would find nothing."""
    page = opened_for_long(visitor, node)
    later: list[str] = []
    page.on("request", lambda one: later.append(one.resource_type))

    for path in views_of(node, worker="sue").values():
        go(page, path)
        settled(page)

    assert "script" not in later
    assert page.evaluate("Object.keys(sessionStorage)") == ["aimarket.token"]
    assert page.evaluate("Object.keys(localStorage)") == []


def test_page__bears_that_the_node_does_not_answer_when_it_asks_for_a_secret(
    node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("net::ERR")
    visitor.context.route("**/session", lambda route: route.abort())

    with visitor.context.expect_event(
        "requestfailed", lambda request: request.url.endswith("/session")
    ):
        page = visitor.open(node, "/tasks")

    go(page, "/leaderboard")
    settled(page)
    expect(page.locator("html")).to_have_attribute("data-link", "live")


@pytest.mark.parametrize("how", ["closes", "is given its token again"])
def test_tabs__miss_nothing_while_the_one_that_reads(
    how: str, town: Street, node: RealNode, visitor: Visitor
) -> None:
    """Between one stream and the next something happens, and nothing after it."""
    reading = visitor.open(node)
    watching = visitor.open(node, "/tasks")
    expect(watching.locator("html")).to_have_attribute("data-link", "live")
    watching.wait_for_load_state("networkidle")
    text = f"asked while it {how}"

    def first_ask(route: Route) -> None:
        Players(town, node).ask("sue", a_task(text, task_type="nobody's"))
        until(lambda: text in str(node.ask("/tasks")), within_s=15, what="the task")
        route.continue_()

    visitor.context.route("**/events", first_ask, times=1)
    if how == "closes":
        reading.close()
    else:
        reading.evaluate("token => { location.hash = `#token=${token}` }", endpoint(node)[1])

    expect(watching.get_by_role("row", name=text)).to_be_visible()
