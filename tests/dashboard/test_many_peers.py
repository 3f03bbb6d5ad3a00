"""The picture of a network of more peers than a test has machines: their node's answer is made."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.dashboard.browser import Visitor, alone, go, one_visitor, overflow
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ASKED_MAX = 400  # as many as the page asks for
# How many peers, and to how many of them the node is connected.
CROWDS = [
    (8, 8),
    (8, 0),
    (24, 12),
    (24, 23),
    (25, 25),
    (200, 8),
    (200, 200),
    (400, 8),
    (400, 200),
    (400, 400),
]
# How far what is drawn of a dot, its line too, is out of the picture and off the screen, in pixels.
OUTSIDE = """svg => {
    const frame = svg.getBoundingClientRect();
    const over = [...svg.querySelectorAll("a.node circle")].map((one) => {
        const {left, right, top, bottom} = one.getBoundingClientRect();
        const line = parseFloat(getComputedStyle(one).strokeWidth) / 2;
        return line + Math.max(frame.left - left, right - frame.right, frame.top - top,
            bottom - frame.bottom, -left, right - innerWidth);
    });
    return Math.max(...over);
}"""
# By how many pixels the two dots that are closest to each other are apart, from edge to edge.
BETWEEN = """svg => {
    const all = [...svg.querySelectorAll("a.node circle")].map((one) =>
        ["cx", "cy", "r"].map((name) => Number(one.getAttribute(name))));
    let least = Infinity;
    all.forEach(([x, y, r], at) => all.slice(at + 1).forEach(([otherX, otherY, otherR]) => {
        least = Math.min(least, Math.hypot(x - otherX, y - otherY) - r - otherR);
    }));
    return least;
}"""
# The dots that lie on the name of this node.
ON_OWN_NAME = """svg => {
    const name = svg.querySelector("a.me text").getBoundingClientRect();
    return [...svg.querySelectorAll("a.node:not(.me) circle")].filter((one) => {
        const {left, right, top, bottom} = one.getBoundingClientRect();
        return left < name.right && right > name.left && top < name.bottom && bottom > name.top;
    }).length;
}"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("many")) as town:
        yield alone(town, "alice")


def crowd(count: int, linked: int) -> list[dict[str, Any]]:
    """Make what a node answers that is connected to some and hears of the rest."""
    digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    ids = [f"12D3KooW{digits[7 * at % 33]}{digits[at // 33]}{at:03}" for at in range(count)]
    return [
        {
            "worker_id": f"peer {at}",
            "peer_id": peer_id,
            "address": "",
            "agent": "aimarket/0.1",
            "connected": at < linked,
            "outbound": at % 2 == 0,
            "in_mesh": at < min(linked, 8),
            "latency_ms": 1.0 * at if at < linked else None,
            "capabilities": [],
            "load": 0,
            "state_digest": "" if at % 9 == 0 else "00" * 32,
            "same_state": at % 4 != 0,
            "heard_through": "" if at < linked or not linked else ids[at % linked],
        }
        for at, peer_id in enumerate(ids)
    ]


def show(page: Page, peers: list[dict[str, Any]]) -> Locator:
    """Show the view of a network of those peers, and wait for its picture."""
    go(page, "/tasks")
    page.unroute_all()
    page.route("**/peers?*", lambda route: route.fulfill(json=peers))
    go(page, "/")
    picture = page.locator("svg.picture")
    expect(picture.locator("a.node:not(.me)")).to_have_count(len(peers))
    return picture


@pytest.mark.parametrize("width", [360, 1280])
def test_picture__keeps_all_in_its_frame_and_apart(
    node: RealNode, browser: Browser, width: int
) -> None:
    found: dict[tuple[int, int], tuple[bool, ...]] = {}
    status = node.status() | {"worker_id": "W" * 20}  # as wide as a name is shown
    with one_visitor(browser, viewport={"width": width, "height": 900}) as visitor:
        visitor.context.route("**/status", lambda route: route.fulfill(json=status))
        page = visitor.open(node)
        for count, linked in CROWDS:
            picture = show(page, crowd(count, linked))
            found[count, linked] = (
                picture.evaluate(OUTSIDE) <= 0,
                picture.evaluate(BETWEEN) >= 1,
                picture.evaluate(ON_OWN_NAME) == 0,
                overflow(page) <= 0,
            )

    assert {crowd: one for crowd, one in found.items() if not all(one)} == {}


def test_network__does_not_call_those_it_shows_all(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node)
    show(page, crowd(ASKED_MAX, 8))

    least = "8 connections, at least 392 more peers heard of"
    expect(page.locator(".view")).to_contain_text(f"{least}; of the 400 drawn, 300 are in step")
    part = page.get_by_role("region", name="All peers", exact=True).first
    expect(part).to_contain_text("at least 400 peers")
    expect(part).to_contain_text(
        "The first 400, those connected before others; more with aimarket peers."
    )


def test_network__calls_those_all_who_are(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node)
    show(page, crowd(ASKED_MAX - 1, 8))

    expect(page.locator(".view")).to_contain_text("8 connections, 391 more peers heard of, ")
    expect(page.locator(".view")).not_to_contain_text("at least")
    expect(page.locator(".view")).not_to_contain_text("The first")
