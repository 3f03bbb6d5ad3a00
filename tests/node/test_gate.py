import time

import trio

from consensus.log import has_record
from node.ports import Relay
from protocol.gossip import pack_gossip
from protocol.ids import PeerId
from tests.builders import a_commit, a_presence, a_profile, a_record, a_task, id_of
from tests.node.shell_bench import TOPICS, a_bench

PEER = PeerId("a peer")
STORED = a_record("bo", a_profile("bo"))
NEW = a_record("bo", a_task())


def forged(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


async def words(*messages: tuple[str, bytes]) -> list[Relay]:
    """Hand messages to a running node one after the other."""
    bench = a_bench()
    said: list[Relay] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.loop.run)
        for topic, data in messages:
            said.append(await bench.gate(topic, data, PEER))
        nursery.cancel_scope.cancel()
    return said


async def test_gate__relays_what_is_new_and_ignores_what_is_stored() -> None:
    message = (TOPICS.records, pack_gossip([STORED.raw]))

    assert await words(message, message) == [Relay.ACCEPT, Relay.IGNORE]


async def test_gate__does_not_let_a_forged_copy_ride_along_with_a_new_record() -> None:
    first = (TOPICS.records, pack_gossip([STORED.raw]))
    second = (TOPICS.records, pack_gossip([forged(STORED.raw), NEW.raw]))

    assert await words(first, second) == [Relay.ACCEPT, Relay.REJECT]


async def test_gate__rejects_a_message_of_two_authors_even_if_one_record_is_stored() -> None:
    other = a_record("cleo", a_task())
    first = (TOPICS.records, pack_gossip([STORED.raw]))
    second = (TOPICS.records, pack_gossip([STORED.raw, other.raw]))

    assert await words(first, second) == [Relay.ACCEPT, Relay.REJECT]


async def test_gate__rejects_what_is_wrong_from_the_bytes_alone() -> None:
    presence = a_record("bo", a_presence())
    wrong = [
        (TOPICS.records, b"junk"),
        (TOPICS.records, pack_gossip([b"junk"])),
        (TOPICS.records, pack_gossip([forged(NEW.raw)])),
        (TOPICS.records, pack_gossip([presence.raw])),
        (TOPICS.presence, pack_gossip([NEW.raw])),
        (TOPICS.presence, pack_gossip([forged(presence.raw)])),
    ]

    assert await words(*wrong) == [Relay.REJECT] * len(wrong)


async def test_gate__relays_a_presence_once() -> None:
    message = (TOPICS.presence, pack_gossip([a_record("bo", a_presence()).raw]))

    assert await words(message, message) == [Relay.ACCEPT, Relay.IGNORE]


async def test_gate__stores_what_is_dated_ahead_but_does_not_relay_it() -> None:
    ahead_ms = int(time.time() * 1_000) + 3_600_000
    record = a_record("bo", a_commit("bo", id_of("al", a_task()), "yes"), created_ms=ahead_ms)
    bench = a_bench()
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.loop.run)

        word = await bench.gate(TOPICS.records, pack_gossip([record.raw]), PEER)

        nursery.cancel_scope.cancel()
    assert word is Relay.IGNORE
    assert has_record(bench.log, record.record_id)
