"""F3: 3,000 signed records at once neither stall a node nor have it lose what others say."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.loopback.bomber import CROWD, RECORDS, TAKEN
from tests.loopback.nodes import ROOT, RealNode, street, until, wait_final
from tests.loopback.stalls import STALL_S, least_stall, next_sample_ms, stall_since
from tests.loopback.test_flood import FINAL_S, NOT_LOST_S, work
from tests.loopback.test_live_killers import target_of

# For how long an honest task follows the other; what is not read is over at once.
WAYS = {"at once": 1.0, "crowded": 1.0, "allowed": 2.5, "packed": 2.5}
TOLD_EVERY_S = 0.5
READ_WITHIN_S = 20.0  # what was sent lies in the buffers of two sockets for a while
BYTES_MIN = 100 * RECORDS  # each has 130
BYTES_IN = re.compile(r'^aimarket_gossip_bytes_total\{direction="in"\} (\S+)$', re.MULTILINE)
BAD_FRAMES = re.compile(
    r'^aimarket_refusals_total\{.*reason="gossip_frames_bad"\} (\S+)$', re.MULTILINE
)

Throw = Callable[[str], None]


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_bomb__of_signed_records_neither_stalls_a_node_nor_drops_what_others_say(
    tmp_path: Path,
) -> None:
    with street(tmp_path) as town:
        victim, bob, carol = town.open("victim", "bob", "carol")
        target = target_of(victim, town)
        where = (target.host, str(target.port), target.peer_id, target.topics[0], town.genesis)
        done: dict[str, list[tuple[str, float]]] = {way: [] for way in WAYS}

        def play() -> float:
            told: list[str] = []
            counted, since_ms = [counts(victim)], next_sample_ms(victim)
            with bomber(where) as (throw, wait_thrown):
                for way, work_s in WAYS.items():
                    throw(way)
                    began_s, told_before = time.monotonic(), len(told)
                    while (passed_s := time.monotonic() - began_s) < work_s:
                        if passed_s >= TOLD_EVERY_S * (len(told) - told_before):
                            told.append(carol.submit("from somebody else"))
                        done[way].append(work(bob))
                    wait_thrown()
                    if way in TAKEN:
                        wait_read(victim, counted[-1][0] + BYTES_MIN)
                    counted.append(counts(victim))
                peak_s = stall_since(victim, since_ms)
                wait_final(victim, told, within_s=NOT_LOST_S)
                wait_final(victim, [one for some in done.values() for one, _ in some], within_s=5)
            print(f"\nbytes and bad frames so far: {counted}")
            came, bad = zip(*counted, strict=True)
            assert bad[1] - bad[0] == 1, "a frame of 3,000 messages is too long to be read"
            assert bad[2] - bad[1] == RECORDS // CROWD
            assert came[2] - came[0] < BYTES_MIN, "what is refused was read"
            return peak_s

        peak_s = least_stall(play)

    for way, some in done.items():
        took_s = sorted(task_s for _, task_s in some)
        middle_s, worst_s = took_s[len(took_s) // 2], took_s[-1]
        print(f"{way}: {len(took_s)} tasks, median {middle_s:.2f} s, worst {worst_s:.2f} s")
    assert peak_s <= STALL_S
    took_s = sorted(task_s for some in done.values() for _, task_s in some)
    assert took_s[int(0.99 * (len(took_s) - 1))] <= FINAL_S


def wait_read(victim: RealNode, came: int) -> None:
    """Wait until so many bytes of messages came to a node by gossip."""
    until(lambda: counts(victim)[0] >= came, within_s=READ_WITHIN_S, what=f"{came} bytes by gossip")


def counts(node: RealNode) -> tuple[int, int]:
    """Return how many bytes of messages came by gossip, and how many frames were refused."""
    metrics = node.scrape()
    (came,), (bad,) = BYTES_IN.findall(metrics), BAD_FRAMES.findall(metrics)
    return int(float(came)), int(float(bad))


@contextmanager
def bomber(where: tuple[str, ...]) -> Iterator[tuple[Throw, Callable[[], None]]]:
    """Lend a process of its own that bombs a node on demand, and a way to wait until it did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.loopback.bomber", *where],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def throw(way: str) -> None:
        print(way, file=process.stdin, flush=True)

    def wait_for(word: str) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{word}\n"

    try:
        wait_for("ready")
        yield throw, lambda: wait_for("sent")
    finally:
        process.kill()
        process.wait()
