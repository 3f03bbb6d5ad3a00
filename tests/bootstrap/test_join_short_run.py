"""A node that is stopped right after it met somebody finds him again without being told."""

from trio.testing import MockClock

from bootstrap.book_file import open_book
from bootstrap.join import LOOK_MS_MIN
from tests.bootstrap.join_scene import Scene, run_for
from tests.bootstrap.peer_names import address


async def test_join__remembers_whom_it_met_a_moment_before_its_end(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(named=[address(5)])
    scene.dialer.up.add(address(5))

    await run_for(scene.joiner(), LOOK_MS_MIN / 2_000)

    (_, saved) = scene.saved[-1]
    assert [place.address for place in open_book(saved)[0].tried()] == [address(5)]
