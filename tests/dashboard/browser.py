"""A real Chromium, and pages of nodes in it that note whatever goes wrong.

Playwright's own browser is not downloaded: the system's is driven. The pages wait through locators:
`wait_for_function` would need a policy that lets strings be evaluated.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.loopback.nodes import RealNode, Street

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 15_000  # for anything to appear; nodes on two loaded cores take their time


def required(what: str) -> None:
    """Skip, or fail where the browser tests must run."""
    if os.environ.get("AIMARKET_REQUIRE_BROWSER"):
        pytest.fail(f"AIMARKET_REQUIRE_BROWSER is set, and there is no {what}")
    pytest.skip(f"no {what}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Lend a browser; skip the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        required("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def one_visitor(browser: Browser, **options: Any) -> Iterator["Visitor"]:
    """Lend somebody with a screen of their own kind; nothing may have gone wrong in the end."""
    context = browser.new_context(**options)
    found = Visitor(context)
    try:
        yield found
    finally:
        context.close()
    assert found.problems == []


class Visitor:
    """Somebody with a browser of their own, who opens pages of nodes.

    Attributes:
        problems: Errors on the console and requests to other hosts, of all pages.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.problems: list[str] = []
        self._hosts: set[str] = set()
        self._allowed: list[str] = []
        context.set_default_timeout(WAIT_MS)

    def open(self, node: RealNode, view: str = "") -> Page:
        """Open a node's page as `aimarket open` does, then go to a view such as `/tasks`."""
        url, token = endpoint(node)
        page = self.open_at(f"{url}/#token={token}")
        page.locator("#nav").wait_for()
        page.locator(".view").wait_for()
        if view:
            go(page, view)
        return page

    def open_at(self, address: str) -> Page:
        """Open an address in a new tab."""
        self._hosts.add(urlsplit(address).netloc)
        page = self.context.new_page()
        page.on("console", lambda said: self._note_console(said.type, said.text))
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", lambda request: self._note_request(request.url))
        page.goto(address)
        return page

    def allow(self, words: str) -> None:
        """Expect complaints that have these words: a test provokes them."""
        self._allowed.append(words)

    def _note_console(self, kind: str, text: str) -> None:
        is_wanted = any(words in text for words in self._allowed)
        if kind in ("error", "warning") and not is_wanted:
            self.problems.append(f"console {kind}: {text}")

    def _note_request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc not in self._hosts:
            self.problems.append(f"a request to another host: {url}")


def alone(town: Street, name: str, *options: str) -> RealNode:
    """Start one node of a network, and wait until it serves its page."""
    node = town.node(name, *options)
    node.launch()
    node.wait_serving()
    return node


def endpoint(node: RealNode) -> tuple[str, str]:
    """Return a node's address and the secret of its run."""
    found: dict[str, Any] = json.loads((node.directory / "rpc.json").read_text())
    return str(found["url"]), str(found["token"])


def go(page: Page, view: str) -> None:
    """Go to a view of a page, as a link on it does."""
    page.evaluate("view => { location.hash = view }", view)
    page.locator(f'#main[data-view="{view}"]').wait_for()


def settled(page: Page) -> None:
    """Wait until a view has all it asked for."""
    expect(page.locator(".view")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def drop(page: Page, name: str, text: str) -> None:
    """Drop a file on the zone for certificates."""
    dropped = page.evaluate_handle(
        """([name, text]) => {
            const held = new DataTransfer();
            held.items.add(new File([text], name, {type: "application/json"}));
            return held;
        }""",
        [name, text],
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})


def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    over: int = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    return over


def expect_only_text(page: Page) -> None:
    """See that nothing a stranger wrote became an element, or turned the page round."""
    assert page.locator("main :is(img, script, iframe)").count() == 0
    assert "\u202e" not in page.evaluate("document.documentElement.textContent + document.title")


def findings(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or critical."""
    if not AXE.exists():
        required("axe-core: npm ci --prefix tests/dashboard")
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
