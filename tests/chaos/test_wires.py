"""The wires do what scenarios rely on: they cut, lose, hold back, count, and are taken down."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.wires import NAMESPACES, PREFIX, Plug, Wires, inside, sweep
from tests.loopback.nodes import ROOT

pytestmark = [pytest.mark.chaos, pytest.mark.chaos_ci, pytest.mark.usefixtures("wired")]

PORT = 9_000
ANSWER_S = 0.3


def listening(plug: Plug) -> socket.socket:
    with inside(plug.namespace):
        made = socket.create_server((plug.host, PORT))
    made.settimeout(10)
    return made


def calls(caller: Plug, answerer: Plug, *, within_s: float = ANSWER_S) -> bool:
    """Answer whether a connection comes about in time."""
    with listening(answerer), inside(caller.namespace):
        try:
            socket.create_connection((answerer.host, PORT), timeout=within_s).close()
        except TimeoutError:
            return False
    return True


def sending_s(sender: Plug, receiver: Plug, size: int) -> float:
    """Return how long so many bytes take from end to end."""
    with listening(receiver) as server, inside(sender.namespace):
        out = socket.create_connection((receiver.host, PORT), timeout=10)
        came, _ = server.accept()
        began_s = time.monotonic()
        with out, came:
            out.sendall(bytes(size))
            while size:
                size -= len(came.recv(65_536))
        return time.monotonic() - began_s


def test_sever__cuts_both_ways_between_the_named_and_nothing_else(wires: Wires) -> None:
    a, b, c = (wires.plug(name) for name in "abc")

    wires.sever([(a, b)])
    cut = {(x.number, y.number) for x in (a, b, c) for y in (a, b, c) if x != y and not calls(x, y)}
    wires.mend()

    assert cut == {(a.number, b.number), (b.number, a.number)}
    assert calls(a, b)


def test_lose__drops_about_so_many(wires: Wires) -> None:
    a, b = wires.plug("a"), wires.plug("b")
    wires.lose(20)
    with inside(b.namespace):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(a.namespace):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind((b.host, PORT))
        for _ in range(1_000):
            sender.sendto(b"x", (b.host, PORT))
        receiver.settimeout(ANSWER_S)
        came = 0
        try:
            while receiver.recv(10):
                came += 1
        except TimeoutError:
            pass

    assert 700 < came < 900  # 1 in 10^14 outside


def test_slow__holds_a_line_to_its_rate(wires: Wires) -> None:
    a, b = wires.plug("a"), wires.plug("b")
    fast_s = min(sending_s(a, b, 125_000) for _ in range(3))

    wires.slow(1)
    slow_s = min(sending_s(a, b, 125_000) for _ in range(3))

    assert fast_s < slow_s / 4
    assert 0.8 < slow_s < 4.0


def test_wire_bytes__counts_what_came_and_went(wires: Wires) -> None:
    a, b = wires.plug("a"), wires.plug("b")

    sending_s(a, b, 100_000)

    assert 100_000 < wires.wire_bytes(a) < 112_000  # 52 bytes of headers a packet, and answers
    assert wires.wire_bytes(a) == wires.wire_bytes(b)


def test_close__leaves_no_namespace_and_no_process(wired: None) -> None:
    wires = Wires()
    plug = wires.plug("a")
    sleeper = subprocess.Popen(["ip", "netns", "exec", plug.namespace, "sleep", "60"])
    pids = ["ip", "netns", "pids", plug.namespace]
    deadline = time.monotonic() + 5
    while not subprocess.run(pids, capture_output=True, check=True).stdout:
        assert time.monotonic() < deadline, "it never entered"

    wires.close()

    assert sleeper.wait(5) != 0
    assert [path.name for path in NAMESPACES.iterdir() if str(os.getpid()) in path.name] == []


def test_sweep__takes_down_what_a_killed_run_left_and_not_ours(wires: Wires) -> None:
    script = "import os; from tests.chaos.wires import Wires; Wires().plug('a'); os._exit(1)"
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    killed.wait(20)
    left = [
        path for path in NAMESPACES.iterdir() if path.name.startswith(f"{PREFIX}-{killed.pid}-")
    ]

    sweep()

    assert len(left) == 2
    assert not any(path.exists() for path in left)
    assert (NAMESPACES / wires.switch).exists()
    assert Path(f"/proc/{os.getpid()}").exists()


def test_move__leaves_nobody_at_the_old_address(wires: Wires) -> None:
    stays, goes = wires.plug("stays"), wires.plug("goes")

    moved = wires.move(goes)

    assert moved.host != goes.host
    assert calls(stays, moved)
    assert calls(moved, stays)
    with pytest.raises(OSError, match="Cannot assign requested address"):
        listening(goes)
