"""Records of those who are no members, or did no work: refused at every door, by their bytes."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import pytest
import trio

from consensus.certificate import Certificate
from consensus.certificate_check import NotProven, check
from consensus.certify import certify, found_by, stories_of
from consensus.incremental import fold
from consensus.log import record_count
from node.archive import NodeArchive
from node.certificate_file import pack_certificate
from node.certificate_reading import read_certificate
from node.core.sync import Outcome
from node.errors import PeerFailed
from node.exchange import pack_blobs
from node.log_check import LogWrong, check_log
from node.log_file import frame, log_chunks
from node.ports import Relay
from protocol.gossip import pack_gossip
from protocol.ids import PeerId, TaskId
from protocol.params import Network, NetworkParams, network_of
from protocol.record import Verified
from protocol.sealing import task_id_of
from protocol.statements import Statement
from tests.builders import a_presence, a_record, a_task, key
from tests.fakes import MemoryRows
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import Claimant, Node, a_node, introduce_claimant, items_of, run_session

BITS = 16
PEER = PeerId("a peer")
MEMBERS = tuple(sorted(map(key, ("alice", "bo"))))
CLUB = network_of(NetworkParams(genesis=b"\x05" * 16, name="club", members=MEMBERS))
DEAR = network_of(NetworkParams(genesis=b"\x05" * 16, name="dear", record_work_bits=BITS))


class Case(NamedTuple):
    """A network, who tries to write in it, what is wrong with it, and how it is counted."""

    network: Network
    author: str
    wrong: str
    counted: str


OUTSIDER = Case(CLUB, "cy", "is not a member", "not_a_member")
IDLER = Case(DEAR, "bo", f"need {BITS} zero bits", "too_little_work")
cases = pytest.mark.parametrize("case", [OUTSIDER, IDLER], ids=["outsider", "idler"])


def lax(network: Network) -> Network:
    """Return the network as whoever keeps none of its rules sees it."""
    return Network(replace(network.params, members=(), record_work_bits=0), network.network_id)


def said(case: Case, statement: Statement) -> Verified:
    """Sign a statement as if anybody could write in the network, and for nothing."""
    return a_record(case.author, statement, network=lax(case.network))


def told(case: Case) -> Verified:
    return said(case, a_task())


def rows_of(case: Case, records: Sequence[Verified]) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, list(records), case.network).changes)
    return rows


@asynccontextmanager
async def a_running(case: Case) -> AsyncIterator[Node]:
    node = a_node("alice", network=case.network)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.bench.loop.run)
        yield node
        nursery.cancel_scope.cancel()
    assert record_count(node.bench.log) == 0


Door = Callable[[Case, Node], Awaitable[None]]


async def gossip(case: Case, node: Node) -> None:
    word = await node.bench.gate(TOPICS.records, pack_gossip([told(case).raw]), PEER)

    assert word is Relay.REJECT
    assert node.bench.instruments.rejected.counts()[case.counted] == 1


async def presence(case: Case, node: Node) -> None:
    here = said(case, a_presence())
    word = await node.bench.gate(TOPICS.presence, pack_gossip([here.raw]), PEER)

    assert word is Relay.REJECT
    assert not node.bench.loop.machine.presences.find(key(case.author))


async def push(case: Case, node: Node) -> None:
    take = node.sync.answerers()[TOPICS.push_stream]

    with pytest.raises(PeerFailed, match="push"):
        await take(PeerId("liar"), pack_blobs([told(case).raw]))

    assert node.net.hung_up == [PeerId("liar")]


async def import_(case: Case, node: Node) -> None:
    archive = NodeArchive(node.bench.loop, node.bench.log, case.network, node_id="alice")

    taken = await archive.take(frame(told(case).raw))

    assert (taken.new, taken.refused) == (0, 1)
    assert case.wrong in taken.reasons[0]


@cases
@pytest.mark.parametrize("door", [gossip, presence, push, import_])
async def test_door__refuses_who_may_not_write(case: Case, door: Door) -> None:
    async with a_running(case) as node:
        await door(case, node)


@cases
async def test_session__is_wrong_with_a_peer_that_sends_such_a_record(case: Case) -> None:
    node = a_node("alice", network=case.network)
    liar = Claimant(items_of([told(case)]), sends=lambda names: [told(case).raw])

    outcome, _ = await run_session(node, introduce_claimant(node, liar))

    assert outcome is Outcome.WRONG
    assert record_count(node.bench.log) == 0


@cases
def test_check_log__refuses_a_file_that_holds_such_a_record(case: Case) -> None:
    file = b"".join(log_chunks(rows_of(case, [told(case)]), case.network))

    with pytest.raises(LogWrong, match=f"^record 0: .*{case.wrong}"):
        check_log(io.BytesIO(file))


@cases
def test_check__refuses_a_certificate_that_rests_on_such_a_record(case: Case) -> None:
    written = pack_certificate(a_certificate(case))

    with pytest.raises(NotProven, match=rf"^records\[0\]: .*{case.wrong}"):
        check(read_certificate(written))


def a_certificate(case: Case) -> Certificate:
    task_id: TaskId = task_id_of(case.network.network_id, key(case.author), a_task())
    rows = rows_of(case, [told(case)])
    stories = stories_of(rows, task_id, lax(case.network))
    for story in stories:
        while story.look(rows, count=100):
            pass
    written = certify(rows, task_id, lax(case.network), found_by(stories))
    return replace(written, network=case.network)
