"""What a service manager hears: three words, to where it listens, and nothing if it does not."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from node.readiness import (
    SOCKET_VARIABLE,
    WATCHDOG_PID_VARIABLE,
    WATCHDOG_VARIABLE,
    Readiness,
    take_readiness,
)


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Lend the address of a service manager, and its ear."""
    path = str(tmp_path / "notify")
    abstract = request.param == "an abstract name"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ear:
        ear.bind(f"\0{path}" if abstract else path)
        yield (f"@{path}" if abstract else path), ear


def heard(ear: socket.socket) -> list[str]:
    """Return all that was said since last asked."""
    words = []
    while True:
        try:
            words.append(ear.recv(4096).decode())
        except BlockingIOError:
            return words


def test_readiness__says_when_it_serves_and_when_it_stops(
    manager: tuple[str, socket.socket],
) -> None:
    address, ear = manager
    readiness = take_readiness({SOCKET_VARIABLE: address})

    before = heard(ear)
    readiness.serving("alice serves")
    ready = heard(ear)
    readiness.stopping()

    assert before == []
    assert ready == ["READY=1\nSTATUS=alice serves"]
    assert heard(ear) == ["STOPPING=1\nSTATUS=stopping"]


async def test_stay_alive__speaks_twice_within_what_is_allowed(
    manager: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    address, ear = manager
    readiness = take_readiness({SOCKET_VARIABLE: address, WATCHDOG_VARIABLE: "30000000"})

    with trio.move_on_after(61):
        await readiness.stay_alive()

    assert heard(ear) == ["WATCHDOG=1"] * 5  # at 0, 15, 30, 45 and 60 s


@pytest.mark.parametrize(
    "watchdog",
    [{}, {WATCHDOG_VARIABLE: "30000000", WATCHDOG_PID_VARIABLE: str(os.getpid() + 1)}],
    ids=["not asked for", "of another process"],
)
async def test_stay_alive__ends_at_once_where_nobody_counts(
    manager: tuple[str, socket.socket], watchdog: dict[str, str]
) -> None:
    address, ear = manager

    await take_readiness({SOCKET_VARIABLE: address, **watchdog}).stay_alive()

    assert heard(ear) == []


def test_take_readiness__hides_the_manager_from_children() -> None:
    environment = {
        SOCKET_VARIABLE: "/run/notify",
        WATCHDOG_VARIABLE: "1000000",
        WATCHDOG_PID_VARIABLE: str(os.getpid()),
        "HOME": "/",
    }

    take_readiness(environment)

    assert environment == {"HOME": "/"}


def test_readiness__outlives_a_manager_that_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Readiness(str(tmp_path / "nobody")).serving("alone")

    assert "nobody does not listen: No such file" in caplog.text


@given(
    address=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    within_us=st.text(max_size=30) | st.integers().map(str),
)
def test_take_readiness__takes_whatever_the_environment_holds(address: str, within_us: str) -> None:
    found = take_readiness({SOCKET_VARIABLE: address, WATCHDOG_VARIABLE: within_us})

    found.serving("here")
    found.stopping()
