"""What becomes of a peer that is asked what it is, and does not say."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Scene, most_in_a_window, run_for
from tests.bootstrap.peer_names import address, peer

ANSWER_S = 4.0


class MuteDialer(FakeDialer):
    """Nobody answers what he is asked."""

    async def networks_of(self, peer_id: PeerId) -> Sequence[str]:
        await trio.sleep(ANSWER_S)
        raise MarketError(f"{peer_id} gives no answer")


async def test_examine__does_not_judge_a_peer_by_what_was_asked_before_it_came_anew(
    autojump_clock: MockClock,
) -> None:
    dialer = MuteDialer(up={address(1)}, idle={peer(1)})
    scene = Scene(named=[address(1)], dialer=dialer)
    joiner = scene.joiner()

    async with trio.open_nursery() as nursery:
        await nursery.start(joiner.run)
        await trio.sleep(6.5)  # while it is asked
        dialer.idle.clear()
        dialer.links.clear()
        joiner.look()
        await trio.sleep(60)
        nursery.cancel_scope.cancel()

    assert dialer.hung_up == []
    assert scene.notices == []
    assert scene.reports[-1] == "connected to 1 peer"
    assert [place.failures for place in scene.book.tried()] == [0]


async def test_examine__takes_a_peer_that_does_not_answer_for_no_stranger(
    autojump_clock: MockClock,
) -> None:
    for named in ([address(1)], [address(1).rpartition("/p2p/")[0]], []):
        scene = Scene(named=named, dialer=MuteDialer(up={address(1)}, idle={peer(1)}))
        scene.book.heard(address(1), 1)

        await run_for(scene.joiner(), 600)

        assert scene.notices == []
        line = f"{address(1)} is connected, but does not answer"
        assert any(line in report for report in scene.reports) == bool(named)
        assert len(scene.dialer.hung_up) >= 8
        assert most_in_a_window([moment for moment, _ in scene.dialer.dials], 60) <= 8
