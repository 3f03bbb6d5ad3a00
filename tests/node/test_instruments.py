"""What is measured while nodes in memory do one task for each other."""

import trio

from node.core.effects import Channel, Infer
from node.core.events import CapabilitiesChanged, SigningAllowed, Started
from node.instruments import REJECTIONS, WRONG_TOPIC, Instruments
from node.metering import Spread
from node.ports import Relay
from node.runs import Runs
from node.task_tally import UNCOUNTED
from protocol.errors import ProtocolError
from protocol.gossip import pack_gossip
from protocol.ids import PeerId, TaskId
from tests.builders import a_presence, a_record, a_task, key
from tests.node.net_hosts import until
from tests.node.shell_bench import ECHO, TOPICS, Bench, EchoInference, a_bench

PEER = PeerId("a peer")


def count(spread: Spread) -> int:
    return spread.buckets[-1][1]


async def gossip(source: Bench, target: Bench) -> None:
    """Bring one node whatever the other publishes."""
    brought: list[bytes] = []
    while True:
        await until(lambda: len(source.published) > len(brought))
        channel, data = source.published[len(brought)]
        topic = TOPICS.records if channel is Channel.RECORDS else TOPICS.presence
        await target.gate(topic, data, PEER)
        brought.append(data)


async def test_one_task__moves_every_number_it_should() -> None:
    alice, bob = a_bench("alice"), a_bench("bob")
    async with trio.open_nursery() as nursery:
        for bench in (alice, bob):
            bench.instruments.tasks.count_some(bench.log)
            await bench.loop.tell(Started())
            await bench.loop.tell(SigningAllowed())
            await nursery.start(bench.loop.run)
        nursery.start_soon(gossip, alice, bob)
        nursery.start_soon(gossip, bob, alice)
        await bob.loop.tell(CapabilitiesChanged((ECHO,)))
        known = alice.loop.machine.presences
        await until(lambda: key("bob") in known.capable(ECHO, alice.loop.now().ms))

        await alice.loop.submit("one", ECHO, b"hello", 1)
        await until(lambda: count(bob.instruments.tasks.waited()[1]) > 0)
        await until(lambda: count(alice.instruments.tasks.waited()[0]) > 0)

        nursery.cancel_scope.cancel()
    ours, theirs = alice.instruments, bob.instruments
    assert [count(one) for one in ours.tasks.waited()] == [1, 0]
    assert [count(one) for one in theirs.tasks.waited()] == [0, 1]
    assert theirs.runs["answered"].counts() == {"echo": 1}
    assert theirs.runs["failed"].counts() == {"echo": 0}
    assert ours.runs["answered"].counts() == {"echo": 0}
    assert count(theirs.answers["echo"].spread()) == 1
    for measured, bench in ((ours, alice), (theirs, bob)):
        assert count(measured.journal.spread()) == bench.done.count("journal") > 0
        assert count(measured.log.spread()) == bench.done.count("flush") > 0
        assert count(measured.steps.spread()) >= len(bench.told)
        told = {tuple(s.labels.values()): s.value for s in measured.tasks.tasks({})}
        assert UNCOUNTED not in {of[1] for of, number in told.items() if number}


async def test_runs__counts_what_fails_and_answers_none() -> None:
    measured = Instruments(key("alice"), ["echo"])
    runs = Runs(EchoInference(), measured)

    ended = await runs.inferred(Infer(TaskId(bytes(32)), ECHO, b"fail"))

    assert ended.result is None
    assert measured.runs["failed"].counts() == {"echo": 1}
    assert count(measured.answers["echo"].spread()) == 0


async def test_gate__counts_why_it_rejects() -> None:
    bench = a_bench()
    presence = pack_gossip([a_record("bob", a_presence()).raw])
    record = pack_gossip([a_record("bob", a_task()).raw])
    forged = pack_gossip([a_record("bob", a_task(nonce=1)).raw[:-1] + b"\0"])

    said = [
        await bench.gate(topic, data, PEER)
        for topic, data in (
            (TOPICS.records, b"?"),
            (TOPICS.records, forged),
            (TOPICS.records, presence),
            (TOPICS.presence, record),
        )
    ]

    assert said == [Relay.REJECT] * 4
    counts = {reason: n for reason, n in bench.instruments.rejected.counts().items() if n}
    assert counts == {"malformed": 1, "bad_signature": 1, WRONG_TOPIC: 2}


def test_rejections__name_everything_that_can_be_wrong_with_bytes() -> None:
    assert set(REJECTIONS) == set(ProtocolError.__subclasses__())
