"""What others may do: see a public screen, and lure the user's browser to a page of theirs (R1)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, endpoint, findings, go
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, Street, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
# Everything a page can have a browser send; none of it may do anything, none may be read.
ATTACKS = """async ([url, token]) => {
    const results = {};
    const body = JSON.stringify({text: "from elsewhere", seats: 1});
    const post = (type, more) => fetch(`${url}/tasks`, {
        method: "POST", body, headers: {"Content-Type": type, ...more}});
    const bearer = {"Authorization": `Bearer ${token}`};
    const tries = {
        plain: () => fetch(`${url}/tasks`, {method: "POST", body, mode: "no-cors"}),
        text: () => post("text/plain"),
        json: () => post("application/json"),
        token: () => post("application/json", bearer),
        read: () => fetch(`${url}/tasks`, {headers: bearer}),
        health: () => fetch(`${url}/health`),
        page: () => fetch(`${url}/`),
        renew: () => fetch(`${url}/session/renew`, {
            method: "POST", mode: "no-cors", body: "{}"}),
        beacon: async () => navigator.sendBeacon(`${url}/tasks`, body),
        image: () => new Promise((done, fail) => {
            const image = new Image();
            image.onload = done;
            image.onerror = () => fail(new Error("no image"));
            image.src = `${url}/health`;
        }),
        frame: () => new Promise((done, fail) => {
            const frame = document.createElement("iframe");
            frame.src = `${url}/`;
            frame.onload = () => {
                try { done(frame.contentDocument.title); } catch (error) { fail(error); }
                if (frame.contentDocument === null) fail(new Error("closed to us"));
            };
            document.body.append(frame);
        }),
        socket: () => new Promise((done, fail) => {
            const socket = new WebSocket(url.replace("http", "ws") + "/events");
            socket.onopen = done;
            socket.onerror = () => fail(new Error("no socket"));
        }),
        form: () => new Promise((done) => {
            const form = document.createElement("form");
            const sink = document.createElement("iframe");
            sink.name = "sink";
            sink.onload = () => done(null);
            document.body.append(sink);
            form.method = "POST"; form.action = `${url}/tasks`; form.target = "sink";
            form.enctype = "text/plain";
            form.innerHTML = '<input name=\\'{"text":"form","x":"\\' value=\\'"}\\'>';
            document.body.append(form);
            form.submit();
        }),
    };
    for (const [name, attack] of Object.entries(tries)) {
        try {
            const answer = await attack();
            results[name] = answer?.type === "opaque" ? "sent, not read" : answer?.status ?? "sent";
        } catch (error) { results[name] = "refused"; }
    }
    return results;
}"""
UNREADABLE = {"json", "token", "read", "health", "page", "image", "socket", "text", "frame"}


class _Evil(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><title>a pleasant page</title><link rel=icon href='data:,'>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def evil_site() -> Iterator[str]:
    """Serve a page of another origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Evil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("strangers")) as found:
        yield found


@pytest.fixture(scope="module")
def node(town: Street) -> RealNode:
    """Lend a node with a public screen."""
    node = town.node("alice", "--dashboard-public", "127.0.0.1:0")
    node.launch()
    node.wait_serving()
    return node


def public_url(node: RealNode) -> str:
    url: str = json.loads((node.directory / "rpc.json").read_text())["public_url"]
    return url


def test_hostile_page__does_nothing_and_reads_nothing(node: RealNode, browser: Browser) -> None:
    url, token = endpoint(node)
    before = node.status()["records"]
    context = browser.new_context()
    with evil_site() as site:
        page = context.new_page()
        page.goto(site)
        results = page.evaluate(ATTACKS, [url, token])
        context.close()

    assert {name for name in UNREADABLE if results[name] != "refused"} == set(), results
    assert node.status()["records"] == before
    assert node.ask("/tasks")["tasks"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_screen__shows_and_offers_nothing_to_do(
    town: Street, node: RealNode, browser: Browser, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    visitor = Visitor(context)
    page = visitor.open_at(public_url(node))
    expect(page.locator(".view-network")).to_be_visible()
    expect(page.locator("#me")).to_contain_text("read only")
    go(page, "/tasks")
    expect(page.locator("form")).to_have_count(0)

    players = Players(town, node)
    asked = players.ask("sue", a_task(f"seen on the {scheme} wall", nonce=len(scheme)))

    row = page.get_by_role("row", name=f"seen on the {scheme} wall")
    row.get_by_role("link").first.click()
    expect(page.locator(".view-task")).to_be_visible()
    expect(page.get_by_role("button", name="Give it up")).to_have_count(0)
    for view in ("/", "/tasks", f"/tasks/{asked.hex()}", "/leaderboard", "/health", "/verify"):
        go(page, view)
        expect(page.locator("[aria-busy]")).to_have_count(0)
        assert findings(page) == [], view
        assert "127.0.0.1" not in page.locator("main").inner_text()
    context.close()
    assert visitor.problems == []
