"""What the page says happens now: when it happened, in that order, and each thing once."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, expect

from node.rpc.following import Event, Following
from tests.builders import a_task
from tests.dashboard.browser import WAIT_MS, Visitor, alone, endpoint, go
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, street, until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ANSWERS = dict.fromkeys(("ann", "ben", "cat"), "positive")
LINES_MAX = 40  # TOLD_MAX of network.js
OLD = 8  # BEFORE_MAX there


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, Players]]:
    """Lend a node that was told of some tasks, and who tells it of more."""
    with street(tmp_path_factory.mktemp("happenings")) as town:
        node = alone(town, "alice")
        players = Players(town, node)
        for at in range(OLD):
            players.ask("sue", a_task(f"before {at}", nonce=at))
        yield node, players


def happened(node: RealNode, after: str | None, count: int) -> list[Event]:
    """Return so many events after one; without one, the place of now as an event of no type."""
    url, token = endpoint(node)
    headers = {"Authorization": f"Bearer {token}"}
    following = Following(types=(), task=None, last_event_id=after)
    found: list[Event] = []
    with httpx.stream(
        "GET", f"{url}/events", headers={**headers, **following.headers()}, trust_env=False
    ) as answer:
        for chunk in answer.iter_raw():
            found += following.take(chunk)
            if len(found) >= count:
                break
    return found or [Event(following.last_event_id or "", "", {})]


def test_now__says_when_it_happened_though_it_is_told_later(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    """The stream breaks, as in a laptop that sleeps; what it missed is told once it is back."""
    node, players = stage
    visitor.allow("net::ERR")
    [now] = happened(node, None, 0)
    page = visitor.open(node, "/leaderboard")
    streams: list[Route] = []

    def take(route: Route) -> None:
        streams.append(route)
        if len(streams) == 1:  # a stream that tells something, and ends
            body = f'id: {now.event_id}\nevent: scores\ndata: {{"type":"scores"}}\n\n'
            route.fulfill(content_type="text/event-stream", body=body)

    page.route("**/events", take)
    page.reload()
    go(page, "/")
    feed = page.get_by_label("What happens now")
    expect(feed.get_by_role("listitem")).to_have_count(OLD)
    expect(page.locator("#banner")).to_contain_text("Not connected")
    until(
        lambda: page.evaluate("true") and len(streams) == 2,
        within_s=WAIT_MS / 1_000,
        what="the page asks for events again",
    )

    task_id = players.judge("sue", a_task("while it slept", nonce=50), ANSWERS, openers=[*ANSWERS])
    streams[1].continue_()

    link = page.locator(f"a[href$='{task_id.hex()}']")
    lines = feed.get_by_role("listitem").filter(has=link)
    expect(lines.filter(has_text="is final")).to_have_count(1)
    told = lines.locator("time").evaluate_all("all => all.map((one) => Number(one.dataset.ms))")
    since = [one.document for one in happened(node, now.event_id, 9)]
    kinds: list[Any] = [
        one["at_ms"]
        for one in since
        if one.get("task_id") == task_id.hex()
        and (one["type"] in ("task", "jury") or one.get("state") == "final")
    ]
    assert told == kinds[::-1]
    assert len(told) == 3


def test_now__puts_what_was_before_below_and_once(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    """On a slow line what happens comes before the answer that says what happened before."""
    node, players = stage
    page = visitor.open(node, "/leaderboard")
    expect(page.locator("html")).to_have_attribute("data-link", "live")  # else nothing is told yet
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/tasks?*", hold)
    with page.expect_request("**/tasks?*"):
        go(page, "/")
    lines = page.get_by_label("What happens now").get_by_role("listitem")
    first = players.ask("sue", a_task("the first now", nonce=60)).hex()
    expect(lines.filter(has_text=first[:8])).to_have_count(1)
    answer = held[0].fetch()
    at = 0
    while lines.count() < LINES_MAX - OLD // 2:  # the node may tell of itself meanwhile
        for _ in range(max(1, LINES_MAX - OLD - lines.count())):
            at += 1
            last = players.ask("sue", a_task(f"now {at}", nonce=70 + at)).hex()
        expect(lines.filter(has_text=last[:8])).to_have_count(1)

    held[0].fulfill(response=answer)

    expect(lines).to_have_count(LINES_MAX)
    expect(lines.filter(has_text=first[:8])).to_have_count(1)
    expect(lines.first).to_contain_text(last[:8])
    before = [task["task_id"] for task in answer.json()["tasks"] if task["task_id"] != first]
    below = lines.all_inner_texts()[-(OLD // 2) :]
    assert all(before[at][:8] in text for at, text in enumerate(below)), (before, below)
