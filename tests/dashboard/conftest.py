"""A browser for all tests of a process, and a visitor for each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import WAIT_MS, Visitor, open_browser

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Lend a real Chromium."""
    with open_browser() as found:
        yield found


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Lend somebody with a browser of their own; nothing may have gone wrong in it in the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Visitor(context)
    yield found
    context.close()
    assert found.problems == []
