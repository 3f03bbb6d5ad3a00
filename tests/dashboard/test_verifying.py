"""Certificates that are dropped one after the other: what is shown is of the last one."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, Route, expect

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


def drop_from_disk(page: Page, path: Path) -> None:
    """Drop something as a person does, with the browser reading it from the disk."""
    page.locator(".drop").scroll_into_view_if_needed()
    box = page.locator(".drop").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    at = {"x": box["x"] + 10, "y": box["y"] + 10, "data": data}
    devtools = page.context.new_cdp_session(page)
    for what in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": what, **at})


def test_verify__says_that_a_folder_cannot_be_read(
    certified: tuple[RealNode, str], visitor: Visitor, tmp_path: Path
) -> None:
    node, certificate = certified
    page = visitor.open(node, "/verify")

    drop_from_disk(page, tmp_path)
    expect(page.get_by_role("alert")).to_contain_text("cannot be read; is it a folder?")

    file = tmp_path / "after.json"
    file.write_text(certificate)
    drop_from_disk(page, file)
    expect(page.locator(".proof .verdict")).to_contain_text("after.json is good")


def test_verify__sends_a_file_as_it_is(
    certified: tuple[RealNode, str], visitor: Visitor, tmp_path: Path
) -> None:
    """Read as text, each of these bytes would become three: more than a node takes."""
    visitor.allow("status of 400")
    node, _ = certified
    page = visitor.open(node, "/verify")
    file = tmp_path / "binary.json"
    file.write_bytes(b"\xff" * 12 * 1024 * 1024)

    page.locator("#file").set_input_files(file)

    expect(page.get_by_role("alert")).to_contain_text("could not be checked")
    expect(page.get_by_role("alert")).not_to_contain_text("at most")


def test_verify__refuses_what_is_too_large_by_its_size_before_it_is_sent(
    certified: tuple[RealNode, str], visitor: Visitor, tmp_path: Path
) -> None:
    node, _ = certified
    page = visitor.open(node, "/verify")
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url))
    file = tmp_path / "large.json"
    with file.open("wb") as large:
        large.truncate(32 * 1024 * 1024 + 1)

    page.locator("#file").set_input_files(file)

    expect(page.get_by_role("alert")).to_contain_text(
        "large.json has 33,554,433 bytes; a certificate has at most 33,554,432"
    )
    assert [url for url in sent if url.endswith("/verify")] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, r"^Network\s*private: private.*this node's network$"),
        (
            {"network_id": "0" * 32, "network_name": "public"},
            r"^Network\s*private: public.*another network than this node's$",
        ),
        (
            {"network_id": "0" * 32, "network_name": "public", "is_public_network": True},
            r"^Network\s*the public network.*another network than this node's$",
        ),
    ],
)
def test_verify__tells_a_network_from_what_it_calls_itself(
    changed: dict[str, object], said: str, certified: tuple[RealNode, str], visitor: Visitor
) -> None:
    node, certificate = certified
    page = visitor.open(node, "/verify")

    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), **changed})

    page.route(ADDRESS, change)
    drop(page, "whose.json", certificate)

    network = page.locator(".proof .fact").filter(has_text=re.compile("^Network"))
    expect(network).to_have_text(re.compile(said))


def test_verify__shows_a_good_certificate_though_the_node_does_not_say_its_network(
    certified: tuple[RealNode, str], visitor: Visitor
) -> None:
    visitor.allow("status of 503")
    node, certificate = certified
    page = visitor.open(node, "/verify")
    page.route("**/network", lambda route: route.fulfill(status=503, json=BUSY))

    drop(page, "good.json", certificate)

    expect(page.locator(".proof .verdict")).to_contain_text("good.json is good")
    network = page.locator(".proof .fact").filter(has_text=re.compile("^Network"))
    expect(network).to_contain_text("private: private")
    expect(network).not_to_contain_text("this node's")
