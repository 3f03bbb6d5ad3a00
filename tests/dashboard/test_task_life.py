"""A task as it lives: what strangers say of it, one record after the other, is seen on its page."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.builders import a_task
from tests.dashboard.browser import Visitor, alone, drop, go
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
NAMES = {"sue": "Sue", "ann": "Ann", "ben": "Ben", "cat": "Cat"}
JURORS = ("ann", "ben", "cat")
# How many columns of a plot hold something of a line; lines may cover each other.
COLUMNS_DRAWN = """canvas => {
    const style = getComputedStyle(document.documentElement);
    const wanted = [0, 1, 2].map((at) => {
        const probe = document.createElement("canvas").getContext("2d");
        probe.fillStyle = style.getPropertyValue(`--line-${at}`).trim();
        probe.fillRect(0, 0, 1, 1);
        return [...probe.getImageData(0, 0, 1, 1).data];
    });
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const is = (at) => (one) => one.every((value, part) => Math.abs(value - data[at + part]) < 10);
    const found = new Set();
    for (let at = 0; at < data.length; at += 4)
        if (wanted.some(is(at))) found.add((at / 4) % canvas.width);
    return found.size;
}"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, Players]]:
    """Lend a node that looks on, and strangers who act."""
    with street(tmp_path_factory.mktemp("life")) as town:
        node = alone(town, "looker-on")
        players = Players(town, node)
        players.call_themselves(NAMES)
        yield node, players


def test_task__fills_seats_has_its_jury_signed_opens_and_is_judged(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    answers = {"ann": "positive", "ben": "positive", "cat": "negative"}
    task_id = players.ask("sue", a_task("a whole life", nonce=1))
    page = visitor.open(node, f"/tasks/{task_id.hex()}")
    expect(page.locator(".seat.free")).to_have_count(3)

    for sealed, juror in enumerate(JURORS, 1):
        players.commit(juror, task_id, answers[juror])
        expect(page.locator(".seat.sealed")).to_have_count(sealed)
        expect(page.locator(".seat.free")).to_have_count(3 - sealed)
    expect(page.locator(".view-task")).not_to_contain_text("negative")

    players.jury("sue", task_id, answers)
    expect(page.locator(".stages li.done")).to_have_count(3)
    players.reveal("ann", task_id, "positive")
    expect(page.locator(".seat .answer")).to_have_text(["positive"])
    expect(page.locator(".verdict")).to_contain_text("seated")
    expect(page.locator(".verdict")).to_contain_text("waits for answers to be opened")
    players.reveal("cat", task_id, "negative")
    expect(page.locator(".seat .answer")).to_have_count(2)
    players.reveal("ben", task_id, "positive")

    expect(page.locator(".verdict strong")).to_have_text("positive")
    expect(page.locator(".seat.agreed")).to_have_count(2)
    expect(page.locator(".seat.dissented")).to_contain_text("Cat")
    expect(page.get_by_role("row", name="Cat")).to_contain_text("dissented")
    expect(page.get_by_label("Why")).to_contain_text("2 of 3 opened positive")


def test_task__that_is_tried_again_leads_to_its_next_attempt(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    first = a_task("tried twice", nonce=2)
    split = {"ann": "positive", "ben": "negative", "cat": "neutral"}
    task_id = players.judge("sue", first, split, openers=JURORS)
    page = visitor.open(node, f"/tasks/{task_id.hex()}")
    expect(page.locator(".verdict")).to_contain_text("split")

    retry = replace(first, nonce=bytes(16), attempt=1, retry_of=task_id)
    again = players.ask("sue", retry)

    expect(page.locator(".chain li")).to_have_count(2)
    page.locator(".chain").get_by_role("link", name="try 2").click()
    expect(page.locator(".task-head")).to_contain_text("try 2")
    assert again.hex() in page.evaluate("location.hash")


def test_worker__page_names_the_task_it_dissented_in(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    answers = {"ann": "positive", "ben": "positive", "cat": "negative"}
    players.judge("sue", a_task("where Cat stood alone", nonce=4), answers, openers=JURORS)
    page = visitor.open(node, "/leaderboard")

    page.get_by_role("row", name="Cat").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("Cat")
    page.get_by_role("button", name="dissented").click()
    row = page.get_by_role("row", name="where Cat stood alone")
    expect(row).to_contain_text("dissented")
    row.get_by_role("link").first.click()

    expect(page.locator(".view-task .said")).to_have_text("where Cat stood alone")
    page.locator(".records").get_by_role("link", name="Cat").first.click()
    expect(page.locator(".view-worker h1")).to_have_text("Cat")


def test_certificate__is_downloaded_from_a_page_and_checked_on_another(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    answers = dict.fromkeys(JURORS, "positive")
    task_id = players.judge("sue", a_task("prove it", nonce=5), answers, openers=JURORS)
    page = visitor.open(node, f"/tasks/{task_id.hex()}")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download the certificate").click()
    file = coming.value.path()
    go(page, "/verify")

    page.locator("#file").set_input_files(file)
    proof = page.locator(".proof")
    expect(proof.locator(".verdict")).to_contain_text("positive")
    expect(proof.get_by_label("It does not prove")).to_be_visible()

    forged = file.read_text().replace('"answer": "positive"', '"answer": "negative"')
    assert forged != file.read_text()
    visitor.allow("status of 400")
    drop(page, "forged.json", forged)
    expect(page.get_by_role("alert")).to_contain_text("does not prove")
    expect(proof).to_have_count(0)


def named(row: dict[str, Any]) -> str:
    """Return how a plot calls a worker."""
    return f"{row['worker_id']}~{row['peer_id'][-6:]}"


def test_leaderboard__draws_how_points_grew(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, players = stage
    answers = dict.fromkeys(JURORS, "positive")
    players.judge("sue", a_task("a first point", nonce=6), answers, openers=JURORS)
    page = visitor.open(node, "/leaderboard")
    plot = page.get_by_label("Points over the newest tasks")
    names = [named(row) for row in node.ask("/leaderboard")]
    expect(plot.get_by_role("listitem")).to_have_text(names)

    players.judge("sue", a_task("one more", nonce=7), answers, openers=JURORS)

    told = [f"{named(row)} {row['points']}" for row in node.ask("/leaderboard")]
    expect(plot.get_by_text(f"Points: {', '.join(told)}")).to_have_count(1)
    canvas = plot.locator("canvas")
    width = canvas.evaluate("canvas => canvas.width")
    assert width / 2 < canvas.evaluate(COLUMNS_DRAWN) < width


@pytest.mark.parametrize("way", ["new", "old"])
def test_id__copies_itself_when_pressed(
    stage: tuple[RealNode, Players], visitor: Visitor, way: str
) -> None:
    node, players = stage
    task_id = players.ask("sue", a_task(f"copy me the {way} way", nonce=8)).hex()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(node, f"/tasks/{task_id}")
    if way == "old":  # as on a page that is neither local nor HTTPS
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")

    button = page.get_by_role("button", name="Copy task id")
    button.press("Enter")

    expect(page.locator("#said")).to_have_text("Copied")
    expect(button).to_be_focused()
    go(page, "/tasks")
    page.locator("#ask-text").press("Control+V")
    expect(page.locator("#ask-text")).to_have_value(task_id)


def test_ask__is_sent_by_ctrl_enter_and_not_by_enter(
    stage: tuple[RealNode, Players], visitor: Visitor
) -> None:
    node, _ = stage
    page = visitor.open(node, "/tasks")
    box = page.locator("#ask-text")
    expect(page.get_by_label("Type")).to_have_value("echo")

    box.press_sequentially("one line")
    box.press("Enter")
    box.press_sequentially("and another")
    box.press("Control+Enter")

    expect(page.locator(".view-task .said")).to_have_text("one line and another")
    assert [task["text"] for task in node.ask("/tasks?mine=true")["tasks"]] == [
        "one line\nand another"
    ]
