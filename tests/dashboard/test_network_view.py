"""The view of the network with real peers: two nodes, one who is rude, and one it tells of."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.dashboard.browser import (
    Visitor,
    expect_only_text,
    findings,
    go,
    one_visitor,
    overflow,
    settled,
)
from tests.dashboard.players import Players
from tests.dashboard.rude_peer import CAPABILITY, rude_peer
from tests.dashboard.strange import HOSTILE, TURNED, TURNING
from tests.loopback.nodes import RealNode, Street, street, until, wait_final

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
RUDE = HOSTILE + TURNED
MOLL = f"{TURNED}�{HOSTILE}"
LATE_S = 30
LATE_MS = 1_000 * LATE_S  # a node pings its peers every ten seconds, and is heard of as rarely
LONG = "W" * 60
CAN_RUN = CAPABILITY.replace("\u202e", "�")
FAR = f"{'W' * 39}…: heard of, differs"
TEXT_PX_MIN = 11
WIDTHS = (1920, 360)
MANY = 24  # as many as have names
SPOTS = """all => all.map((one) => {
    const {left, right, top, bottom} = one.getBoundingClientRect();
    const px = parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a;
    return {text: one.textContent, left, right, top, bottom, px};
})"""
# Which items of the menu are not wholly in sight.
CUT_OFF = """() => {
    const seen = document.getElementById("nav").getBoundingClientRect();
    return [...document.querySelectorAll("#nav a")].filter((one) => {
        const {left, right, top, bottom} = one.getBoundingClientRect();
        const [from, to] = [Math.max(seen.left, 0), Math.min(seen.right, innerWidth)];
        return left < from - 1 || right > to + 1 || top < seen.top - 1 || bottom > seen.bottom + 1;
    }).map((one) => one.textContent);
}"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("network")) as found:
        alice, *_ = found.open("alice", "bob", "carole")
        names = {"rude": HOSTILE + TURNING, "moll": f"{TURNING}\u200b{HOSTILE}", "far": LONG}
        Players(found, alice).call_themselves(names)
        wait_final(alice, [alice.submit("asked", seats=3)], within_s=30)
        with rude_peer(found, alice, "rude", "far"):
            yield found


@pytest.fixture
def node(town: Street) -> RealNode:
    return town.nodes[0]


def opened(visitor: Visitor, node: RealNode) -> tuple[Page, Locator]:
    """Open the view, and wait until all peers are in its picture."""
    page = visitor.open(node)
    picture = page.locator("svg.picture")
    for called in ("bob: ", "carole: ", f"{RUDE}: connected, differs", FAR):
        expect(picture.get_by_role("link", name=called)).to_have_count(1, timeout=LATE_MS)
    return page, picture


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_network__is_accessible_with_peers(node: RealNode, browser: Browser, scheme: str) -> None:
    with one_visitor(browser, color_scheme=scheme, reduced_motion="reduce") as visitor:
        page, picture = opened(visitor, node)
        for width in WIDTHS:
            resize(page, picture, width)
            assert findings(page) == []
            for name in ("This node, alice", "bob: connected, in step"):
                expect(picture.get_by_role("link", name=name, exact=True)).to_have_count(1)


def test_network__says_of_whom_it_only_hears_and_who_differs(
    node: RealNode, visitor: Visitor
) -> None:
    page, picture = opened(visitor, node)

    expect(picture.locator("a.far title")).to_have_text(FAR)
    expect(picture.locator(".wire.heard")).to_have_count(1)
    expect(picture.locator("a.step:not(.far)")).to_have_count(2)
    expect(page.get_by_role("row", name="WWWW")).to_contain_text(re.compile("heard of.*differs"))
    expect(page.get_by_role("row", name=RUDE)).to_contain_text(re.compile("came in.*differs"))
    expect(page.get_by_role("row", name="bob")).to_contain_text(re.compile("in the mesh.*in step"))
    said = "3 connections, 1 more peer heard of, 2 in step with this node"
    expect(picture).to_have_attribute("aria-label", f"Picture of the network: {said}")
    expect(page.get_by_text(f"{said}.")).to_be_visible()


def test_network__shows_what_rude_peers_say_as_text(node: RealNode, visitor: Visitor) -> None:
    page, picture = opened(visitor, node)
    page.on("dialog", lambda dialog: visitor.problems.append(f"a dialog: {dialog.message}"))

    rude = picture.get_by_role("link", name=f"{RUDE}: connected, differs", exact=True)
    expect(rude.locator("text")).to_have_text(re.compile(r"^<img src.*…$"))
    row = page.get_by_role("row", name=RUDE)
    expect(row).to_contain_text(re.compile(re.escape(RUDE) + "~.*12,345"), use_inner_text=True)
    expect(row.get_by_role("cell").last).to_have_text(CAN_RUN)

    expect_only_text(page)


def test_network__fits_a_screen_of_any_width(node: RealNode, visitor: Visitor) -> None:
    page, picture = opened(visitor, node)

    for width in WIDTHS:
        resize(page, picture, width)
        assert overflow(page) <= 0
        assert page.evaluate(CUT_OFF) == []
        assert_legible(picture, width)
        for header in page.get_by_role("columnheader").all():
            box = header.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width


def test_picture__names_many_legibly(node: RealNode, visitor: Visitor) -> None:
    """So many peers take more machines than a test has: what the node answers is made more."""
    page = visitor.open(node, "/tasks")
    told = many(node.ask("/peers"))
    page.route("**/peers?*", lambda route: route.fulfill(json=told))
    go(page, "/")
    picture = page.locator("svg.picture")
    expect(picture.locator("a.node:not(.me)")).to_have_count(MANY)

    for width in WIDTHS:
        resize(page, picture, width)
        assert_legible(picture, width)
        assert 8 < picture.locator("a.node text").count() < MANY  # the others have their title
    assert findings(page) == []


def many(peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return more peers like those, half of them only heard of."""
    like = [one for one in peers if one["connected"]]
    return [
        {
            **like[at % len(like)],
            "peer_id": f"12D3KooW{at:02}{like[0]['peer_id'][10:]}",
            "worker_id": "a neighbour of long standing"[: 5 + at],
            "connected": at % 2 == 0,
            "latency_ms": 1_000.0 * at,
        }
        for at in range(MANY)
    ]


def resize(page: Page, picture: Locator, width: int) -> None:
    """Give a page another width, and wait until its picture is drawn anew for that."""
    page.set_viewport_size({"width": width, "height": 900})
    fits = "one => Math.abs(one.getScreenCTM().a - 1) < 0.01"
    until(lambda: picture.evaluate(fits), within_s=LATE_S, what="a picture of the new width")


def assert_legible(picture: Locator, width: int) -> None:
    """See that words are large enough, on the screen, and not on each other."""
    spots = picture.locator("text").evaluate_all(SPOTS)
    assert [one for one in spots if one["px"] < TEXT_PX_MIN] == []
    assert [one for one in spots if one["left"] < 0 or one["right"] > width] == []
    for at, one in enumerate(spots):
        for other in spots[at + 1 :]:
            is_beside = one["right"] <= other["left"] + 1 or other["right"] <= one["left"] + 1
            is_over = one["bottom"] <= other["top"] + 2 or other["bottom"] <= one["top"] + 2
            assert is_beside or is_over, (one, other)


def test_table__that_is_too_wide_is_scrolled_with_the_keyboard(
    node: RealNode, browser: Browser
) -> None:
    with one_visitor(browser, viewport={"width": 360, "height": 800}) as visitor:
        page = visitor.open(node, "/leaderboard")
        settled(page)
        region = page.get_by_role("region", name="Leaderboard")
        last = region.get_by_role("columnheader").locator("visible=true").last
        first = region.get_by_role("rowheader").first
        expect(last).not_to_be_in_viewport(ratio=1)

        region.focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")

        expect(last).to_be_in_viewport(ratio=1)
        expect(first).to_be_in_viewport(ratio=1)  # whose row it is


def test_network__tells_latencies(node: RealNode, visitor: Visitor) -> None:
    page, picture = opened(visitor, node)

    told = re.compile(r"^\d+(\.\d)? m?s$")
    expect(picture.locator(".latency")).to_have_text(
        [told] * 3, timeout=LATE_MS
    )  # all who are connected
    for name in ("bob", "carole", RUDE):
        cell = page.get_by_role("row", name=name).get_by_role("cell").nth(2)
        expect(cell).to_have_text(told)
    expect(page.get_by_role("row", name="WWWW").get_by_role("cell").nth(2)).to_have_text("–")


def test_network__tells_of_rude_peers_who_join_and_leave(
    town: Street, node: RealNode, visitor: Visitor
) -> None:
    """The last one: who left is still heard of for half a minute."""
    page, _ = opened(visitor, node)
    page.on("dialog", lambda dialog: visitor.problems.append(f"a dialog: {dialog.message}"))
    feed = page.get_by_label("What happens now")
    told = re.escape(MOLL) + r"~\w{6}"

    with rude_peer(town, node, "moll", "far"):
        expect(feed).to_contain_text(
            re.compile(f"{told} joined"), use_inner_text=True, timeout=LATE_MS
        )
        expect(page.locator("#said")).to_have_text(f"{MOLL} joined")
    expect(feed).to_contain_text(re.compile(f"{told} left"), use_inner_text=True, timeout=LATE_MS)

    expect_only_text(page)
