"""Certificates that are dropped one after the other: what is shown is of the last one."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Route, expect

from tests.builders import a_task
from tests.dashboard.browser import WAIT_MS, Visitor, alone, drop
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, street, until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ADDRESS = "**/certificates/verify"
BUSY = {"code": "busy", "message": "1 such request is being served, the most; try again"}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealNode, str]]:
    """Lend a node with a certificate of it."""
    with street(tmp_path_factory.mktemp("verifying")) as town:
        node = alone(town, "alice")
        answers = dict.fromkeys(("ann", "ben", "cat"), "positive")
        players = Players(town, node)
        task_id = players.judge("sue", a_task("prove it"), answers, openers=[*answers])
        yield node, json.dumps(node.ask(f"/tasks/{task_id.hex()}/certificate"))


def test_verify__shows_the_file_that_was_dropped_last(
    certified: tuple[RealNode, str], visitor: Visitor
) -> None:
    node, certificate = certified
    page = visitor.open(node, "/verify")
    ended: list[str] = []
    held: list[Route] = []
    page.on("requestfinished", lambda one: ended.append(one.url))
    page.on("requestfailed", lambda one: ended.append(one.url))

    def both_ended() -> bool:
        page.evaluate("new Promise((done) => setTimeout(done))")  # as long as an answer takes
        return sum(url.endswith("/verify") for url in ended) == 2

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(ADDRESS, hold_first)
    with page.expect_request(ADDRESS):
        drop(page, "first.json", certificate)
    drop(page, "second.json", certificate)
    verdict = page.locator(".proof .verdict")
    expect(verdict).to_contain_text("second.json is good")

    with suppress(Error):  # nobody waits for it any more
        held[0].fulfill(response=held[0].fetch())
    until(both_ended, within_s=WAIT_MS / 1_000, what="an end of both")
    expect(verdict).to_contain_text("second.json is good")


def test_verify__waits_for_a_node_that_is_at_another(
    certified: tuple[RealNode, str], visitor: Visitor
) -> None:
    visitor.allow("status of 429")
    node, certificate = certified
    page = visitor.open(node, "/verify")
    refused: list[Route] = []

    def refuse_first(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route)
            route.fulfill(status=429, json=BUSY)

    page.route(ADDRESS, refuse_first)
    drop(page, "patient.json", certificate)

    expect(page.locator(".proof .verdict")).to_contain_text("patient.json is good")
    assert len(refused) == 1
