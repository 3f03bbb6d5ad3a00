"""What every view shows of strangers, how it can be read, and how it fits a screen."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.builders import key
from tests.dashboard.browser import (
    Visitor,
    drop,
    expect_only_text,
    findings,
    go,
    one_visitor,
    overflow,
    settled,
)
from tests.dashboard.strange import HOSTILE, TURNED, TURNING, VIEWS, tasks_of, told, views_of
from tests.loopback.nodes import RealNode, street

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
SCHEMES = ("light", "dark")
SHOWN = HOSTILE + TURNED
ASKED = TURNED + HOSTILE  # the nickname of who asks
# Where a stranger controls something, and what is then read there, as it was written.
READ = {
    "network": [("Now", f"{ASKED}~"), ("Now", f"({SHOWN}, 3 seats)"), ("Now", f"final {HOSTILE}")],
    "tasks": [("Tasks", f"{SHOWN} WWWW"), ("Tasks", f"final {HOSTILE}"), ("Tasks", f"{ASKED}~")],
    "leaderboard": [("Leaderboard", f"{SHOWN}~"), ("Leaderboard", f"{TURNED} WWWW")],
    "worker": [("Itself", SHOWN), ("Tasks it was seated for", f"{SHOWN} WWWW")],
    "record": [("What it says", f"for {HOSTILE}")],
    "task <img src": [("Seats", f"{SHOWN}~"), ("Why", f"{SHOWN}~"), ("Records", f"{ASKED}~")],
    "task answers ": [("Seats", f"agreed {HOSTILE}"), ("Why", f"opened {HOSTILE}")],
    "task just ask": [("", f", {SHOWN}, 3 seats")],
}

UNSEEN_LINKS = """links => links
    .filter((one) => one.getBoundingClientRect().width === 0).map((one) => one.outerHTML)"""
SHOWN_NAMES = """async (names) => {
    const { name } = await import("/ui/parts.js");
    return names.map((one) => name(one).textContent);
}"""
# Nicknames that need signs which have no look of their own, and must stay as they are.
INTACT = [
    "Zo\u0308e",
    "👩\u200d💻",
    "🧔🏻\u200d♂\ufe0f ❤\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "1\ufe0f\u20e3",
    "می\u200cخواهم",
    "മോഹന്\u200d",
    "क्\u200dष",
    "葛\U000e0100城",
]
# Nicknames that look like another's without the marks they are shown with.
MARKED = {
    "ali\u200bce": "ali�ce",
    "ali\u200dce": "ali�ce",
    "ali\u00adce": "ali�ce",
    "alice\u3164": "alice�",
    "ali\ufe0fce": "ali�ce",
    "می\u200c\u200cخواهم": "می\u200c�خواهم",
}
NAMELESS = ["", " ", "\u200b", " \u2800 \u3164", "\ufeff\U000e0067"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("views")) as town:
        yield told(town)


@pytest.mark.parametrize("name", [*VIEWS, "worker", "record", "tasks of every kind"])
def test_view__shows_what_strangers_write_as_text(
    node: RealNode, visitor: Visitor, name: str
) -> None:
    page = visitor.open(node)
    page.on("dialog", lambda dialog: visitor.problems.append(f"a dialog: {dialog.message}"))
    every = views_of(node)
    tasks = [view for view in every if view.startswith("task ")]

    for view in tasks if name == "tasks of every kind" else [name]:
        go(page, every[view])
        settled(page)
        for label, words in READ.get(view, []):
            part = page.get_by_label(label, exact=True).first if label else page.locator("main")
            expect(part).to_contain_text(words, use_inner_text=True)
        expect_only_text(page)
    assert {*READ} <= {*every}


def test_view__has_no_link_that_cannot_be_seen(node: RealNode, visitor: Visitor) -> None:
    thin: dict[str, list[str]] = {}
    page = visitor.open(node)
    for name, path in views_of(node).items():
        go(page, path)
        settled(page)
        if found := page.locator("main a").evaluate_all(UNSEEN_LINKS):
            thin[name] = found

    assert thin == {}
    go(page, "/tasks")
    expect(page.get_by_role("link", name="(white space)")).to_be_visible()
    go(page, f"/workers/{key('cat').hex()}")
    expect(page.get_by_role("heading", level=1)).to_have_text("(no name)")


def test_nickname__has_a_mark_for_what_makes_it_look_like_another(
    node: RealNode, visitor: Visitor
) -> None:
    page = visitor.open(node)

    shown = page.evaluate(SHOWN_NAMES, [*INTACT, *MARKED, *NAMELESS])

    assert shown == [*INTACT, *MARKED.values(), *["(no name)"] * len(NAMELESS)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_verify__shows_what_strangers_wrote_and_is_accessible(
    node: RealNode, browser: Browser, scheme: str
) -> None:
    claimed = node.ask(f"/tasks/{tasks_of(node)['answers ']}/certificate")
    with one_visitor(browser, color_scheme=scheme, reduced_motion="reduce") as visitor:
        page = visitor.open(node, "/verify")

        drop(page, f"{HOSTILE}{TURNING}.json", json.dumps(claimed))

        verdict = page.locator(".proof .verdict")
        expect(verdict).to_contain_text(
            f"final {HOSTILE} {SHOWN}.json is good", use_inner_text=True
        )
        assert findings(page) == []
        expect_only_text(page)

        visitor.allow("status of 400")
        drop(page, "forged.json", json.dumps({**claimed, HOSTILE + TURNING: 1}))

        expect(page.get_by_role("alert")).to_contain_text(SHOWN)
        assert findings(page) == []
        expect_only_text(page)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_views__are_accessible(node: RealNode, browser: Browser, scheme: str) -> None:
    found: dict[str, list[str]] = {}
    with one_visitor(browser, color_scheme=scheme, reduced_motion="reduce") as visitor:
        page = visitor.open(node)
        for name, path in views_of(node).items():
            go(page, path)
            settled(page)
            if serious := findings(page):
                found[name] = serious

    assert found == {}


@pytest.mark.parametrize("width", [360, 1920])
def test_views__fit_a_screen_of_any_width(node: RealNode, browser: Browser, width: int) -> None:
    wide: dict[str, int] = {}
    with one_visitor(browser, viewport={"width": width, "height": 800}) as visitor:
        page = visitor.open(node)
        for name, path in views_of(node).items():
            go(page, path)
            settled(page)
            if (over := overflow(page)) > 0:
                wide[name] = over

    assert wide == {}
