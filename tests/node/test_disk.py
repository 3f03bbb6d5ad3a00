"""Watching how full the disk is."""

import os
from pathlib import Path

import pytest
import trio
import trio.testing

from node import disk
from node.disk import AGAIN_PERCENT, FULL_PERCENT, LOOK_S, DiskWatch, size_bytes_of
from tests.node.net_hosts import until

LIMIT_BYTES = 100_000


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ([FULL_PERCENT * 1_000 - 1], []),
        ([FULL_PERCENT * 1_000], [True]),
        ([FULL_PERCENT * 1_000, AGAIN_PERCENT * 1_000], [True]),
        ([FULL_PERCENT * 1_000, AGAIN_PERCENT * 1_000 - 1], [True, False]),
        ([200_000, 300_000, 0], [True, False]),
    ],
)
async def test_disk_watch__tells_once_when_the_limit_is_near_or_no_longer(
    tmp_path: Path,
    sizes: list[int],
    told: list[bool],
    mock_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mock_clock.rate = 20
    heard: list[bool] = []
    begun: list[Path] = []  # measurements

    def measure(folder: Path) -> int:
        begun.append(folder)
        return size_bytes_of(folder)

    monkeypatch.setattr(disk, "size_bytes_of", measure)

    async def room(is_full: bool) -> None:
        heard.append(is_full)

    async def no_space(reason: str) -> None:
        raise AssertionError(reason)

    watch = DiskWatch(tmp_path, limit_bytes=LIMIT_BYTES, room=room, no_space=no_space)
    big = tmp_path / "log" / "000001.ldb"
    big.parent.mkdir()
    big.write_bytes(bytes(sizes[0]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        for size in sizes:
            os.truncate(big, size)  # at once: nobody measures half of it
            twice = len(begun) + 2  # when the second begins, the first was judged
            await until(lambda: len(begun) >= twice, within_s=600)  # noqa: B023
        nursery.cancel_scope.cancel()

    assert heard == told


async def test_disk_watch__tells_that_no_space_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes_of", lambda folder: 7)
    reasons: list[str] = []

    async def no_space(reason: str) -> None:
        reasons.append(reason)

    async def room(is_full: bool) -> None:
        raise AssertionError(is_full)

    watch = DiskWatch(tmp_path, limit_bytes=None, room=room, no_space=no_space)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await trio.sleep(LOOK_S / 2)
        nursery.cancel_scope.cancel()

    assert len(reasons) == 1
    assert "7 bytes left, need 1048576" in reasons[0]


def test_size_bytes_of__counts_all_that_is_below(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(bytes(32))
    (tmp_path / "b" / "gone").symlink_to(tmp_path / "nowhere")

    assert size_bytes_of(tmp_path) >= 42
