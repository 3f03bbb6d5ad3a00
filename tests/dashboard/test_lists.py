"""What lists say of what they leave out, and of those of whom there is nothing to say."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from node.names import peer_id_of
from tests.builders import a_task, key
from tests.dashboard.browser import Visitor, alone, findings, go, settled
from tests.dashboard.players import Players
from tests.dashboard.test_strangers_page import public_url
from tests.loopback.nodes import RealNode, Street, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ROWS_ASKED_MAX = 100  # as many as the page asks for
REFUSED = "status of 404"
PERCENTS = """async (shares) => {
    const { percent } = await import("/ui/format.js");
    return shares.map(percent);
}"""
SHARES = {
    0.0: "0 %",
    0.000_4: "0.0 %",
    0.057: "5.7 %",
    0.099_96: "9.9 %",
    0.29: "29 %",  # a hundred times that is less than 29
    0.57: "57 %",
    0.999_6: "99 %",
    0.999_999: "99 %",
    1.0: "100 %",
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("lists")) as found:
        yield found


@pytest.fixture(scope="module")
def node(town: Street) -> RealNode:
    """Lend a node with a public screen."""
    return alone(town, "alice", "--dashboard-public", "127.0.0.1:0")


def a_row(called: str, peer_id: str, points: int) -> dict[str, Any]:
    """Make a row of a leaderboard."""
    counted = ("submitters", "dissented", "excused", "absent", "faults")
    row = {"worker_id": called, "peer_id": peer_id, "points": points, "reputation": 0.9996}
    return {**row, **dict.fromkeys(counted, 0)}


def ranked(page: Page, node: RealNode, *, rows: int, ranked: int, rank: int | None) -> None:
    """Have the node answer that so many workers have points, and where it is itself."""
    told = [a_row(f"peer {at}", peer_id_of(key(f"peer {at}")), 1_000 - at) for at in range(rows)]
    own = str(node.status()["peer_id"])
    detail = node.ask(f"/workers/{own}") | {"rank": rank, "ranked": ranked}
    detail["standing"] = a_row("alice", own, 7)
    page.route("**/leaderboard?*", lambda route: route.fulfill(json=told))
    page.route("**/workers/*", lambda route: route.fulfill(json=detail))


def test_leaderboard__says_that_there_are_more_and_where_this_node_is(
    node: RealNode, visitor: Visitor
) -> None:
    page = visitor.open(node, "/tasks")
    ranked(page, node, rows=ROWS_ASKED_MAX, ranked=312, rank=205)

    go(page, "/leaderboard")

    board = page.get_by_role("region", name="Scores", exact=True)
    said = "The first 100 of 312, and this node; more with aimarket leaderboard."
    expect(board).to_contain_text(said)
    expect(board.get_by_role("rowheader")).to_have_count(ROWS_ASKED_MAX + 1)
    mine = board.locator("tr.mine")
    expect(mine).to_contain_text(re.compile(r"^205alice~\w{6} this node7"))
    assert findings(page) == []


def test_leaderboard__has_no_row_for_a_node_without_points(
    node: RealNode, visitor: Visitor
) -> None:
    page = visitor.open(node, "/tasks")
    ranked(page, node, rows=ROWS_ASKED_MAX, ranked=312, rank=None)

    go(page, "/leaderboard")

    board = page.get_by_role("region", name="Scores", exact=True)
    expect(board).to_contain_text("The first 100 of 312; more with aimarket leaderboard.")
    expect(board.get_by_role("rowheader")).to_have_count(ROWS_ASKED_MAX)


@pytest.mark.parametrize("rows", [ROWS_ASKED_MAX - 1, ROWS_ASKED_MAX])
def test_leaderboard__says_nothing_of_more_where_there_are_none(
    node: RealNode, visitor: Visitor, rows: int
) -> None:
    page = visitor.open(node, "/tasks")
    ranked(page, node, rows=rows, ranked=rows, rank=None)

    go(page, "/leaderboard")

    board = page.get_by_role("region", name="Scores", exact=True)
    expect(board.get_by_role("rowheader")).to_have_count(rows)
    expect(board).not_to_contain_text("The first")


def test_leaderboard__shows_what_it_has_while_the_node_is_busy(
    node: RealNode, visitor: Visitor
) -> None:
    visitor.allow("status of 429")
    page = visitor.open(node, "/tasks")
    ranked(page, node, rows=ROWS_ASKED_MAX, ranked=312, rank=205)
    busy = {"code": "busy", "message": "somebody is being told; try again"}
    page.route("**/workers/*", lambda route: route.fulfill(status=429, json=busy))

    go(page, "/leaderboard")

    board = page.get_by_role("region", name="Scores", exact=True)
    expect(board.get_by_role("rowheader")).to_have_count(ROWS_ASKED_MAX)
    said = "The first 100; there may be more; more with aimarket leaderboard."
    expect(board).to_contain_text(said)


def test_leaderboard__bids_nobody_ask_who_cannot(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node, "/leaderboard")
    expect(page.get_by_role("link", name="ask something")).to_be_visible()

    screen = visitor.open_at(public_url(node))
    screen.locator(".view").wait_for()
    go(screen, "/leaderboard")
    settled(screen)

    expect(screen.get_by_text("No points yet.")).to_be_visible()
    expect(screen.get_by_role("link", name="ask something")).to_have_count(0)


def test_percent__is_rounded_down(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node)

    assert page.evaluate(PERCENTS, list(SHARES)) == list(SHARES.values())


def test_health__counts_one_time_as_one(node: RealNode, visitor: Visitor) -> None:
    page = visitor.open(node, "/tasks")
    status = node.status()
    status["sync"]["sessions"] = 1
    page.route("**/status", lambda route: route.fulfill(json=status))

    go(page, "/health")

    expect(page.get_by_role("definition").filter(has_text=re.compile("^1 time0"))).to_be_visible()


def test_worker__that_only_asked_is_no_mistake(
    town: Street, node: RealNode, visitor: Visitor
) -> None:
    """Whoever asked has no points by that, need not say how it is called, and may be gone."""
    visitor.allow(REFUSED)
    Players(town, node).ask("sue", a_task("asked by somebody unknown"))
    sue = peer_id_of(key("sue"))
    page = visitor.open(node, "/tasks")

    page.locator(f'a[href="#/workers/{sue}"]').first.click()

    expect(page.get_by_text("Nothing is counted of it yet.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Worker ~{sue[-6:]}")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert findings(page) == []
    page.get_by_role("link", name="What it asked").click()
    expect(page.get_by_role("row", name="asked by somebody unknown")).to_be_visible()


def test_worker__of_no_whole_peer_id_is_refused(node: RealNode, visitor: Visitor) -> None:
    visitor.allow(REFUSED)
    page = visitor.open(node)

    for what in (peer_id_of(key("sue"))[:-1], "nobody"):
        go(page, f"/workers/{what}")

        expect(page.get_by_role("alert")).to_contain_text("Refused (404)")
