"""A worker that stalls is waited for, then a stand-by steps in; the page shows both."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import Visitor, go
from tests.loopback.nodes import street, until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
TRIES = 12  # the stalled one is among the first three of four with 3 in 4


@pytest.mark.timeout(180)
def test_stand_by__steps_in_for_a_worker_that_stalls(tmp_path: Path, visitor: Visitor) -> None:
    visitor.allow("net::ERR")  # the nodes go before the page does
    with street(tmp_path) as town:
        alice, *_, erin = town.open("alice", "bob", "carole", "dave", "erin")
        page = visitor.open(alice)
        os.kill(erin.pid, signal.SIGSTOP)
        try:
            for number in range(TRIES):
                task_id = alice.submit(f"who steps in? {number}", seats=3)
                go(page, f"/tasks/{task_id}")
                until(
                    lambda: alice.chain_state(task_id) == "final",  # noqa: B023 - asked at once
                    within_s=40,
                    what="final without the one that stalls",
                )
                expect(page.locator(".verdict")).to_contain_text("final")
                if page.locator(".seat .stood").count():
                    break
            stood = page.locator(".seat", has=page.locator(".stood"))
            expect(stood).to_contain_text("stand-by, stepped in")
            expect(page.locator(".seats")).not_to_contain_text("erin")
        finally:
            os.kill(erin.pid, signal.SIGCONT)
