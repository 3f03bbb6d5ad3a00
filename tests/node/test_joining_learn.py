"""Learning where authors can be dialled, beside everything else that a node does."""

from types import SimpleNamespace
from typing import cast

import trio
from trio.testing import MockClock

from bootstrap.join import Joiner
from node.joining import LEARN_FIRST_S, learn_addresses
from node.loop import Loop
from protocol.ids import PeerId

AUTHORS = [bytes([number]) * 32 for number in range(1, 6)]


class Pupil:
    """Notes who else ran before each author."""

    def __init__(self) -> None:
        self.others_ran = 0
        self.seen: list[int] = []

    def learn(self, peer_id: PeerId, addresses: list[str]) -> None:
        self.seen.append(self.others_ran)

    async def be_busy(self) -> None:
        while True:
            self.others_ran += 1
            await trio.lowlevel.checkpoint()


async def test_learn_addresses__lets_others_run_between_two_authors(
    autojump_clock: MockClock,
) -> None:
    heard = SimpleNamespace(presence=SimpleNamespace(addresses=["/ip4/192.0.2.7/tcp/1"]))
    live = SimpleNamespace(live=lambda now_ms: dict.fromkeys(AUTHORS, heard))
    loop = SimpleNamespace(
        machine=SimpleNamespace(presences=live), now=lambda: SimpleNamespace(ms=0)
    )
    pupil = Pupil()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(learn_addresses, cast(Joiner, pupil), cast(Loop, loop))
        await trio.sleep(LEARN_FIRST_S - 0.1)
        autojump_clock.jump(0.1)
        nursery.start_soon(pupil.be_busy)
        while len(pupil.seen) < len(AUTHORS):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

    # Of two tasks that may run, trio lets any be the first: between two it may be twice the same.
    assert all(early < late for early, late in zip(pupil.seen, pupil.seen[2:], strict=False))
