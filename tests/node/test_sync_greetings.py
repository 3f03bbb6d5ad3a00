"""Greetings: each new peer is told who is here, however often another comes back."""

import trio

from node.sync import GREETINGS_MAX
from protocol.ids import PeerId
from tests.node.shell_bench import TOPICS
from tests.node.sync_bench import a_node, introduce, running, until

MUTE = PeerId("mute")


async def test_greet__holds_one_place_for_a_peer_that_comes_again_and_again() -> None:
    alice, bob = a_node("alice"), a_node("bob")
    introduce(alice, bob)
    greeted = []

    async def answer_never(peer_id: PeerId, request: bytes) -> bytes:
        greeted.append(peer_id)
        await trio.sleep_forever()
        return b""

    alice.net.others[MUTE] = {TOPICS.presence_stream: answer_never}
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)

        for _ in range(2 * GREETINGS_MAX):
            alice.sync.watch(MUTE, True)
        alice.sync.watch(bob.peer_id, True)

        with trio.fail_after(5):
            await until(lambda: alice.net.asks(TOPICS.presence_stream) == 1)
        assert len(greeted) == 1
        nursery.cancel_scope.cancel()


async def test_greet__greets_again_whoever_was_answered() -> None:
    alice, bob = a_node("alice"), a_node("bob")
    introduce(alice, bob)
    async with trio.open_nursery() as nursery:
        await running(nursery, alice, bob)

        for times in (1, 2):
            alice.sync.watch(bob.peer_id, True)
            await until(lambda: alice.net.asks(TOPICS.presence_stream) == times)  # noqa: B023
            await until(lambda: not alice.sync._greetings.statistics().borrowers)
        nursery.cancel_scope.cancel()
