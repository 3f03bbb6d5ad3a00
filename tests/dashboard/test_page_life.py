"""The page itself: how it gets its secret, what it survives, what it looks like where."""

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.builders import a_task, key
from tests.dashboard.browser import Visitor, endpoint, findings, go
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, Street, aimarket, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
HOSTILE = "<img src=x onerror=alert(1)>"
UNRULY = "\u202e\u0007\n" + "W" * 40  # turns round, rings, breaks the line, does not break at all
ANSWERS = {"ann": "positive", "ben": "positive", "cat": "negative"}
# `/health` last: it is renewed on a beat, so something is always about to change there.
VIEWS = {
    "network": "/",
    "tasks": "/tasks",
    "leaderboard": "/leaderboard",
    "verify": "/verify",
    "health": "/health",
}
HOSTS = ("light", "dark")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(scope="module")
def node(town: Street) -> RealNode:
    """Lend a node that heard of tasks of every kind, and of strangers who write what they like."""
    node = town.node("alice")
    node.launch()
    node.wait_serving()
    players = Players(town, node)
    players.call_themselves({"ann": HOSTILE, "ben": UNRULY[:20], "cat": "Cat"}, agent=HOSTILE)
    everyone = tuple(ANSWERS)
    players.judge("sue", a_task(HOSTILE + UNRULY, nonce=1), ANSWERS, openers=everyone)
    players.judge("sue", a_task("half opened", nonce=2), ANSWERS, openers=["ann"])
    players.judge(
        "sue",
        a_task("undecided", nonce=3),
        dict(zip(everyone, "abc", strict=True)),
        openers=everyone,
    )
    strange = dict.fromkeys(everyone, HOSTILE)
    players.judge("sue", a_task("answers strangely", nonce=4), strange, openers=everyone)
    refused = dict.fromkeys(everyone, "!not_utf8")
    players.judge("sue", a_task("refused", nonce=5), refused, openers=everyone)
    players.ask("sue", a_task("just asked", nonce=6, task_type=HOSTILE))
    return node


def views_of(node: RealNode) -> dict[str, str]:
    """Return an address for every view, tasks of every kind and a record among them."""
    tasks = {task["text"][:8]: task["task_id"] for task in node.ask("/tasks")["tasks"]}
    found = {f"task {text}": f"/tasks/{task_id}" for text, task_id in tasks.items()}
    said = node.ask(f"/explain/{next(iter(tasks.values()))}")["task"]["records"]
    record_id = said[0]["record_id"]
    worker = f"/workers/{key('ann').hex()}"
    return {**VIEWS, **found, "worker": worker, "record": f"/records/{record_id}"}


def settled(page: Page) -> None:
    """Wait until a view has all it asked for."""
    expect(page.locator(".view")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def test_page__asks_for_its_secret_and_takes_what_open_prints(
    town: Street, node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("status of 401")
    page = visitor.open_at(endpoint(node)[0])
    field = page.get_by_label("Address or secret")
    field.fill("not a secret!")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("neither an address")
    assert findings(page) == []

    printed = aimarket(town.home, "open", "--print", "--id", node.name)
    field.fill(printed.stdout)
    page.get_by_role("button", name="Open").click()

    expect(page.locator(".view-network")).to_be_visible()
    assert "token" not in page.evaluate("location.href")
    another = visitor.open_at(endpoint(node)[0])  # a tab without it asks the one that has it
    expect(another.locator(".view-network")).to_be_visible()


def test_page__finds_its_node_again_after_a_restart(town: Street, visitor: Visitor) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    node = town.node("restarted", "--rpc-port", str(port))
    node.launch()
    node.wait_serving()
    page = visitor.open(node, "/tasks")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    before = endpoint(node)[1]
    visitor.allow("net::ERR")  # while it is away
    visitor.allow("status of 401")  # the old token

    node.kill()
    expect(page.locator("#banner")).to_contain_text("Not connected")
    node.launch()
    node.wait_serving()

    assert endpoint(node)[1] != before
    expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=30_000)
    expect(page.locator("#banner")).to_be_hidden()
    Players(town, node).ask("sue", a_task("asked after the restart", task_type="echo"))
    expect(page.get_by_role("row", name="asked after the restart")).to_be_visible()


@pytest.mark.parametrize("name", [*VIEWS, "worker", "record", "tasks of every kind"])
def test_view__shows_what_strangers_write_as_text(
    node: RealNode, visitor: Visitor, name: str
) -> None:
    page = visitor.open(node)
    page.on("dialog", lambda dialog: visitor.problems.append(f"a dialog: {dialog.message}"))
    every = views_of(node)
    wanted = [path for view, path in every.items() if view.startswith("task ")]

    for path in wanted if name == "tasks of every kind" else [every[name]]:
        go(page, path)
        settled(page)
        assert page.locator("img").count() == 0
        assert page.locator("main script").count() == 0
        assert "\u202e" not in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", HOSTS)
def test_views__are_accessible(node: RealNode, browser: Browser, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    visitor = Visitor(context)
    page = visitor.open(node)
    found: dict[str, list[str]] = {}

    for name, path in views_of(node).items():
        go(page, path)
        settled(page)
        if serious := findings(page):
            found[name] = serious
    context.close()

    assert found == {}
    assert visitor.problems == []


@pytest.mark.parametrize("width", [360, 1920])
def test_views__fit_a_screen_of_any_width(node: RealNode, browser: Browser, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    visitor = Visitor(context)
    page = visitor.open(node)
    wide: dict[str, int] = {}

    for name, path in views_of(node).items():
        go(page, path)
        settled(page)
        over = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        if over > 0:
            wide[name] = over
    context.close()

    assert wide == {}
    assert visitor.problems == []
