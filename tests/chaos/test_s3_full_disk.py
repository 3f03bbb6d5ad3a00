"""S3: a disk that is full, or fills up while something is being written."""

import errno
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import trio

from consensus.log import find_task
from node.clock import Clock
from node.core.effects import Channel
from node.core.events import CapabilitiesChanged, SigningAllowed, Started
from node.core.machine import Machine
from node.core.presences import Presences
from node.errors import RequestRefused
from node.loop import Loop
from node.recovery import Recovery
from node.store.open import open_store
from protocol.ids import TaskId
from tests.builders import NETWORK, signer
from tests.chaos.conftest import Tell
from tests.chaos.oracle import complaints_of
from tests.chaos.sizes import times
from tests.loopback.nodes import Street, street, until, wait_capable, wait_equal, wait_final
from tests.node.net_hosts import until as until_true
from tests.node.shell_bench import ECHO, EchoInference

pytestmark = [pytest.mark.chaos, pytest.mark.chaos_ci]

RUNS = times(small=1, listed=5)
READ_ONLY_WITHIN_S = 3.0  # it looks at the disk twice a second
WRITES_WITHIN_S = 10.0
BLOCK_BYTES = 4_096
INPUT_BYTES = 8_000


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    with street(tmp_path) as found:
        yield found


def fill(folder: Path) -> Path:
    """Leave not one byte on the disk of a folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (BLOCK_BYTES, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


@pytest.mark.timeout(240)
@pytest.mark.parametrize("run", range(RUNS))
def test_a_node__only_reads_while_its_disk_is_full_and_then_goes_on(
    town: Street, small_disk: Path, rng: Random, tell: Tell, run: int
) -> None:
    bob, alice, carol = (
        town.node("bob"),
        town.node("alice", home=small_disk),
        town.node("carol"),
    )
    bob.launch()
    bob.wait_serving()
    for node in (alice, carol):
        node.launch("--bootstrap", bob.address)
    for node in (alice, bob, carol):
        node.wait_ready()
        wait_capable(node, 2)
    kept = [alice.submit(f"before {number}") for number in range(1 + rng.randrange(5))]
    wait_final(alice, kept, within_s=30)
    entries, pid = journal_bytes(small_disk), alice.pid

    filler = fill(small_disk)
    filled_s = time.monotonic()
    until(lambda: alice.status()["read_only"], within_s=5, what="read-only")
    read_only_s = time.monotonic() - filled_s
    during = alice.status()
    status, refusal = alice.call("POST", "/tasks", {"text": "now", "request_id": "one"})
    meanwhile = [bob.submit(f"meanwhile {number}", seats=1) for number in range(3)]
    wait_final(bob, meanwhile, within_s=60)
    readable = [alice.call("GET", path)[0] for path in ("/tasks", "/leaderboard", "/peers")]
    shown = [alice.chain_state(task_id) for task_id in kept]
    grown = journal_bytes(small_disk) - entries

    filler.unlink()
    freed_s = time.monotonic()
    until(lambda: not alice.status()["read_only"], within_s=30, what="writes again")
    writes_s = time.monotonic() - freed_s
    after = alice.submit("now", request_id="one")
    wait_final(alice, [after], within_s=60)
    digest = wait_equal([alice, bob, carol], within_s=60)
    same_process = alice.pid == pid

    tell(f"read-only after {read_only_s:.2f} s, writing {writes_s:.2f} s after space came back")
    assert read_only_s <= READ_ONLY_WITHIN_S
    assert "space" in during["read_only"]
    assert (during["ready"], during["signing"]) == (False, False)
    assert (status, refusal["code"]) == (503, "read_only")
    assert readable == [200, 200, 200]
    assert shown == ["final"] * len(kept)
    assert grown == 0, "something was signed"
    assert writes_s <= WRITES_WITHIN_S
    assert same_process
    assert digest
    assert [node.stop() for node in (alice, bob, carol)] == [0, 0, 0]
    for node in (alice, bob, carol):
        assert complaints_of(node) == []


def journal_bytes(home: Path) -> int:
    return (home / "alice" / "journal").stat().st_size


@pytest.mark.parametrize("run", range(RUNS))
async def test_a_write__that_finds_no_space_is_refused_whole_and_taken_later(
    small_disk: Path, rng: Random, run: int
) -> None:
    """Nothing watches the disk here: journal and log meet the end of it in mid-write."""
    me = signer("alice")
    store = open_store(
        small_disk / "alice",
        network_id=NETWORK.network_id,
        public_key=me.public_key,
        nickname="alice",
    )
    salts = iter(range(1, 1 << 20))

    def make(newest_ms: int, presences: Presences | None) -> Machine:
        return Machine(
            signer=me,
            network=NETWORK,
            rows=store.log,
            dice=lambda size: next(salts).to_bytes(size),
            last_created_ms=newest_ms,
            presences=presences,
        )

    async def publish(channel: Channel, data: bytes) -> None:
        del channel, data

    recovery = Recovery(store=store, network=NETWORK, make=make)
    loop = Loop(
        machine=recovery.begin(),
        log=store.log,
        journal=store.journal,
        publish=publish,
        inference=EchoInference(),
        clock=Clock(),
        recovery=recovery,
    )
    taken: dict[str, TaskId] = {}
    refused = ""
    async with trio.open_nursery() as nursery:
        for event in (Started(), CapabilitiesChanged((ECHO,)), SigningAllowed()):
            await loop.tell(event)
        await nursery.start(loop.run)

        filler = small_disk / "filler"
        filler.write_bytes(bytes((4 << 20) + rng.randrange(1 << 20)))
        for number in range(2_000):
            try:
                taken[str(number)] = await loop.submit(
                    str(number), ECHO, rng.randbytes(INPUT_BYTES), None
                )
            except RequestRefused as refusal:
                refused = str(refusal)
                break
        entries = store.journal.entry_count
        filler.unlink()
        await until_true(lambda: not loop.outage, within_s=WRITES_WITHIN_S)
        again = await loop.submit("after", ECHO, b"after", None)

        assert "space" in refused
        assert taken
        assert all(find_task(store.log, one) is not None for one in taken.values())
        assert find_task(store.log, again) is not None
        assert store.journal.entry_count == entries + 1
        nursery.cancel_scope.cancel()
    store.close()
    reopened = open_store(
        small_disk / "alice",
        network_id=NETWORK.network_id,
        public_key=me.public_key,
        nickname="alice",
    )
    assert not reopened.torn
    assert reopened.journal.entry_count == entries + 1
    assert all(find_task(reopened.log, one) is not None for one in taken.values())
    reopened.close()
