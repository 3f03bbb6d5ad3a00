"""A dialler that makes a mistake, and a node that goes on joining."""

from collections.abc import Sequence

import pytest
from trio.testing import MockClock

from bootstrap.dialing import Allows, anywhere
from protocol.ids import PeerId
from tests.bootstrap.join_scene import FakeDialer, Scene, run_for
from tests.bootstrap.peer_names import address, peer, public

PLACE = public(2, 1).rpartition("/p2p/")[0]
LIST = "/dnsaddr/boot.example"
BAD = (public(1, 1), public(1, 2), PLACE)


class WrongDialer(FakeDialer):
    """Falls over three addresses and every name, as the library did over `fe80::1%eth0`."""

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        if address in BAD:
            self.dials.append((0, address))
            raise ValueError("'fe80::1%eth0' has a zone")
        return await super().dial(address, allows=allows)

    async def meet(self, address: str) -> PeerId:
        self.dials.append((0, address))
        raise ValueError("'fe80::1%eth0' has a zone")

    async def texts(self, name: str) -> Sequence[str]:
        self.lookups.append(name)
        raise KeyError(name)


async def test_join__goes_on_when_a_dialler_makes_a_mistake_and_says_so_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    dialer = WrongDialer(up={address(9)})
    scene = Scene(named=[PLACE, LIST, address(9), *BAD[:2]], dialer=dialer)

    await run_for(scene.joiner(), 600)

    assert list(dialer.links) == [peer(9)]
    dialled = [text for _, text in dialer.dials]
    for bad in BAD:
        assert 5 <= dialled.count(bad) <= 20  # with a growing pause
    assert dialer.lookups
    said = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.message.partition(":")[0] for record in said] == [
        "a mistake of this program"
    ] * 2
    assert {place.address: place.failures for place in scene.book.places()}[BAD[0]] > 0


class WrongListener(FakeDialer):
    """Falls over whatever a peer answers, and over hanging up on it."""

    async def networks_of(self, peer_id: PeerId) -> Sequence[str]:
        raise TypeError("cannot use a string pattern on a bytes-like object")

    async def hang_up(self, peer_id: PeerId) -> None:
        await super().hang_up(peer_id)
        raise OSError("the socket is gone")


async def test_join__goes_on_when_an_answer_of_a_peer_is_a_mistake_of_ours(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    dialer = WrongListener(up={address(1), address(9)}, idle={peer(1)})
    scene = Scene(named=[address(9)], dialer=dialer)
    scene.book.heard(address(1), 1)

    await run_for(scene.joiner(), 600)

    assert peer(9) in dialer.links
    assert len(dialer.hung_up) > 1  # each time, so it holds no place
    said = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert [line.partition(": it could not ")[2].split()[0] for line in said] == ["ask", "examine"]
    assert {place.address: place.failures for place in scene.book.places()}[address(1)] > 0


async def test_learn__passes_over_what_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(*_args: object, **_named: object) -> bool:
        raise ValueError("no such codec")

    monkeypatch.setattr("bootstrap.join.take_in", fall)
    scene = Scene(named=[])

    scene.joiner().learn(peer(1), [address(1)])

    assert "it could not learn where" in caplog.text
