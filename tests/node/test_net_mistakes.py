"""A mistake of ours in what looks after connections, and a host that goes on."""

import pytest
import trio

from node.net.limits import NetLimits
from tests.node.net_hosts import Station, connect, running, until


@pytest.mark.parametrize("door", ["node.net.reach.ask_what_is_seen", "node.net.watchdog.probe"])
async def test_host__goes_on_after_a_mistake_about_one_connection(
    door: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    async def mistaken(*_args: object, **_named: object) -> None:
        nonlocal calls
        calls += 1
        await trio.lowlevel.checkpoint()
        raise TypeError("cannot use a string pattern on a bytes-like object")

    monkeypatch.setattr(door, mistaken)
    ann, bob = Station("ann"), Station("bob")
    for station in (ann, bob):
        station.build(limits=NetLimits(probe_s=0.1))
    async with running(ann, bob):
        await connect(ann, bob)
        await until(lambda: calls > 0)
        await ann.net.publish("/test/log", b"still here")
        await until(lambda: bob.messages() == [b"still here"])

    said = [record for record in caplog.records if "a mistake of this program" in record.message]
    assert "ERROR" in {record.levelname for record in said}
