"""The page of a task says what is so: of long answers, other attempts, what came to nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from protocol.ids import TaskId
from tests.builders import a_task
from tests.dashboard.browser import Visitor, alone, endpoint, expect_only_text, go, overflow
from tests.dashboard.players import Players
from tests.dashboard.strange import HOSTILE
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
JURORS = ("ann", "ben", "cat")
LONG = f"{HOSTILE} " + "W" * 960 + " and this is its end"
NOTHING = "\u3164 \u2800"  # prints, and cannot be seen


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, Players]]:
    """Lend a node that looks on and has a public screen, and strangers who act."""
    with street(tmp_path_factory.mktemp("pages")) as town:
        node = alone(town, "looker-on", "--dashboard-public", "127.0.0.1:0")
        players = Players(town, node)
        players.call_themselves({name: name.title() for name in (*JURORS, "dan", "sue")})
        yield node, players


def judged(players: Players, text: str, nonce: int, **answers: str) -> TaskId:
    """Lead a task of three seats through its whole life."""
    task = a_task(text, nonce=nonce)
    return players.judge("sue", task, answers, openers=tuple(answers))


def open_task(visitor: Visitor, node: RealNode, task_id: TaskId) -> Page:
    page = visitor.open(node, f"/tasks/{task_id.hex()}")
    expect(page.locator(".stages")).to_be_visible()
    return page


def test_answer__is_read_whole_on_its_task_however_long(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    task_id = judged(players, "a long answer", 1, ann=LONG, ben=LONG, cat="short")

    page = open_task(visitor, node, task_id)

    expect(page.locator(".verdict strong")).to_have_text(LONG)
    expect(page.locator(".seat .answer").filter(has_text="its end")).to_have_text([LONG] * 2)
    expect(page.locator(".counts dt").first).to_have_text(LONG)
    expect(page.get_by_role("row", name="Ann").get_by_role("cell").first).to_have_text(LONG)
    expect_only_text(page)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert overflow(page) <= 0
    go(page, "/tasks")
    listed = page.get_by_role("row", name="a long answer").get_by_role("cell").nth(1)
    expect(listed.locator("bdi")).to_have_text(f"{LONG[:39]}…")
    expect(listed.locator("bdi")).to_have_attribute("title", LONG)


@pytest.mark.parametrize(("answer", "words"), [("", "(empty)"), (NOTHING, "(nothing to be seen)")])
def test_answer__that_cannot_be_seen_is_called_so(
    stage: tuple[RealNode, Players], visitor: Visitor, answer: str, words: str
) -> None:
    node, players = stage
    text = f"answered by {len(answer)} signs"
    task_id = judged(players, text, 2, **dict.fromkeys(JURORS, answer))

    page = open_task(visitor, node, task_id)

    expect(page.locator(".verdict strong")).to_have_text(words)
    expect(page.locator(".seat .answer")).to_have_text([words] * 3)
    go(page, "/tasks")
    expect(page.get_by_role("row", name=text)).to_contain_text(words)


def test_answer__that_is_no_text_copies_itself(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    two_lines = "the first line\nand another"
    task_id = judged(players, "two lines", 3, **dict.fromkeys(JURORS, two_lines))
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_task(visitor, node, task_id)

    page.locator(".verdict").get_by_role("button", name="Copy answer").click()

    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == two_lines.encode().hex()


def test_task__that_a_later_attempt_decided_leads_with_that(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    first = a_task("decided by its second try", nonce=4)
    split = dict(zip(JURORS, ("positive", "negative", "neutral"), strict=True))
    task_id = players.judge("sue", first, split, openers=JURORS)
    page = open_task(visitor, node, task_id)
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("no answer can reach the quorum any more: split")

    retry = replace(first, attempt=1, retry_of=task_id)
    again = players.ask("sue", retry)
    expect(verdict).to_have_text("try 2 is open")
    expect(page.locator("#said")).to_have_text("Try 2 is open")
    happened = page.get_by_label("What happened to it")
    expect(happened).to_contain_text("the next attempt goes on")
    players.judge("sue", retry, dict.fromkeys(JURORS, "the-answer"), openers=JURORS)

    expect(verdict).to_contain_text("try 2 is final:the-answer")
    expect(page.locator("#said")).to_have_text("Try 2 is final: the-answer")
    expect(happened).to_have_count(0)
    expect(page.locator(".task-head")).to_contain_text("This is try 1: split")
    verdict.get_by_role("link", name="try 2").click()
    expect(page.locator(".verdict strong")).to_have_text("the-answer")
    expect(page.locator(".verdict")).to_contain_text("3 of 3 seats agree")
    assert again.hex() in page.evaluate("location.hash")


def test_task__tells_of_a_later_attempt_that_was_given_up(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    """Only its submitter's node knows: that nothing more is expected is made."""
    node, players = stage
    first = a_task("nobody tries it further", nonce=9)
    split = dict(zip(JURORS, ("positive", "negative", "neutral"), strict=True))
    task_id = players.judge("sue", first, split, openers=JURORS)
    players.ask("sue", replace(first, attempt=1, retry_of=task_id))
    page = visitor.open(node)
    change_task(page, task_id, settled=True)

    go(page, f"/tasks/{task_id.hex()}")

    expect(page.locator(".verdict")).to_have_text("try 2 is given up")
    expect(page.get_by_label("What happened to it")).to_have_count(0)
    expect(page.locator(".chain .badge")).to_have_text(["split", "given up"])


def test_task__is_called_unchecked_by_its_own_seats_alone(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    """What the node tells of a chain is made: only its last attempt had one seat."""
    node, players = stage
    task_id = judged(players, "agreed by three", 5, **dict.fromkeys(JURORS, "positive"))
    page = visitor.open(node)
    change_task(page, task_id, unreplicated=True)

    go(page, f"/tasks/{task_id.hex()}")

    expect(page.locator(".verdict")).to_contain_text("3 of 3 seats agree; 2 had to")
    expect(page.locator(".verdict")).not_to_contain_text("nobody checked it")
    lone = a_task("answered by one", nonce=6, seats=1)
    lone_id = players.judge("sue", lone, {"ann": "positive"}, openers=["ann"])
    go(page, f"/tasks/{lone_id.hex()}")
    expect(page.locator(".verdict")).to_contain_text("nobody checked it")


def change_task(page: Page, task_id: TaskId, **changed: Any) -> None:
    """Have the node say something else of a task."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **changed})

    page.route(f"**/tasks/{task_id.hex()}", answer)


def test_task__that_is_void_says_why_and_waits_for_nothing(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    answers = dict.fromkeys((*JURORS, "dan"), "positive")
    task_id = players.ask("sue", a_task("two juries", nonce=7))
    for juror in answers:
        players.commit(juror, task_id, "positive")
    page = open_task(visitor, node, task_id)
    players.jury("sue", task_id, dict.fromkeys(JURORS, "positive"))
    for juror in ("ann", "ben"):
        players.reveal(juror, task_id, "positive")
    expect(page.locator(".verdict strong")).to_have_text("positive")
    players.jury("sue", task_id, dict.fromkeys(("ann", "ben", "dan"), "positive"))

    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("its submitter signed two different juries")
    expect(verdict).not_to_contain_text("quorum")
    expect(page.locator(".stages [aria-current]")).to_have_count(0)
    expect(page.locator(".stages li.done")).to_have_count(5)
    expect(page.locator(".stages")).to_contain_text("Jury signed 3 and 3")
    seats = page.get_by_label("Who sealed an answer")
    expect(seats).to_contain_text("A void task seats nobody")
    expect(seats).not_to_contain_text("Nobody, this node included")
    expect(seats.locator(".seat.opened")).to_have_count(2)
    expect(seats.locator(".seat.sealed .how")).to_have_text(["sealed, and counts for nothing"] * 2)


def test_task__that_was_given_up_waits_for_nothing_and_says_so_in_one_word(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, _ = stage
    task_id = node.submit("given up", seats=3)
    page = visitor.open(node, f"/tasks/{task_id}")
    expect(page.locator(".stages [aria-current]")).to_have_count(1)

    page.get_by_role("button", name="Give it up").click()

    expect(page.locator(".verdict .badge")).to_have_text("given up")
    expect(page.locator("#said")).to_have_text("The task is given up")
    expect(page.locator(".stages [aria-current]")).to_have_count(0)
    expect(page.locator(".stages li.done").last).to_contain_text("Given up")
    expect(page.locator(".seat.free .how")).to_have_text(["stays free"] * 3)
    expect(page.get_by_label("Seats", exact=True)).to_contain_text("nobody opens what was sealed")
    expect(page.get_by_label("Seats", exact=True)).not_to_contain_text("waits for")
    expect(page.get_by_label("Asked, not sealed yet")).to_have_count(0)
    expect(page.locator(".view-task")).not_to_contain_text("cancel")
    go(page, "/tasks")
    expect(page.get_by_role("row", name="given up").locator(".badge")).to_have_text("given up")


@pytest.mark.parametrize(("load", "words"), [(1, "live, 1 run waits there"), (2, "2 runs wait")])
def test_runners__count_what_waits_there(
    stage: tuple[RealNode, Players], visitor: Visitor, load: int, words: str
) -> None:
    """Whom a task waits for is made: a lone node waits for nobody."""
    node, players = stage
    task_id = players.ask("sue", a_task(f"{load} before it", nonce=8))
    page = visitor.open(node)

    def answer(route: Route) -> None:
        response = route.fetch()
        found = response.json()
        worker = found["task"]["submitter"]
        missing = [{"worker": worker, "live": True, "heard_s_ago": 1.0, "load": load}]
        changed = {**found["task"], "missing": missing}
        route.fulfill(response=response, json={**found, "task": changed})

    page.route(f"**/explain/{task_id.hex()}", answer)
    go(page, f"/tasks/{task_id.hex()}")

    expect(page.get_by_label("Asked, not sealed yet")).to_contain_text(words)


def test_tasks__offer_on_a_public_screen_only_what_is_there(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    """No task was asked yet: what the node answers is made."""
    node, _ = stage
    public_url = json.loads((node.directory / "rpc.json").read_text())["public_url"]
    for page, is_own in (
        (visitor.open(node), True),
        (visitor.open_at(public_url), False),
    ):
        expect(page.locator(".view-network")).to_be_visible()
        page.route("**/tasks?*", lambda route: route.fulfill(json={"tasks": [], "next": ""}))
        go(page, "/tasks")
        listed = page.get_by_label("All tasks")
        expect(listed).to_contain_text("aimarket submit")
        assert ("Ask above" in listed.inner_text()) is is_own
        chips = page.get_by_label("Which tasks", exact=True)
        expect(chips.get_by_role("link", name="all")).to_be_visible()
        assert chips.get_by_role("link", name="mine").count() == is_own
    assert endpoint(node)[0] != public_url
