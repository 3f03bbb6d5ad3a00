"""Listening, dialling, and noticing who is gone."""

import contextlib
import logging
import socket
from functools import partial

import pytest
import trio
from libp2p.abc import INetConn
from libp2p.pubsub.pubsub_notifee import PubsubNotifee
from libp2p.tools.anyio_service.trio_tasks import MAX_CHILDREN_TASKS
from multiaddr import Multiaddr

from node.errors import DialFailed, NotTried, StartError
from node.net import watchdog
from node.net.limits import NetLimits
from node.net.sockets import abort, dialable, widest_first
from protocol.ids import PeerId
from tests.loopback.bare_process import bare_process
from tests.loopback.intruder import Target, intruder
from tests.node.net_hosts import LOG, Station, connect, running, seed_of, until


def a_station(name: str, **limits: float) -> Station:
    station = Station(name)
    station.build(limits=NetLimits(**limits))  # type: ignore[arg-type]
    return station


async def test_run__names_the_address_that_is_taken() -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ann = Station("ann")
        ann.build(listen=f"/ip4/127.0.0.1/tcp/{port}")

        with pytest.raises(ExceptionGroup) as caught:
            async with running(ann):
                pass

    assert caught.group_contains(StartError, match=f"P2P port taken .*tcp/{port}")


async def test_run__can_take_the_same_port_again_at_once() -> None:
    bob = a_station("bob")
    async with running(bob):
        ann = a_station("ann")
        async with running(ann):
            await connect(bob, ann)
            address = ann.net.addresses()[0]
        again = Station("ann")
        again.build(listen=address.rpartition("/p2p/")[0])

        async with running(again):
            await until(lambda: not bob.net.peers())
            await connect(bob, again)


def test_listen__refuses_what_is_no_multiaddr() -> None:
    with pytest.raises(StartError, match="not a multiaddr: 'localhost:1'"):
        Station("ann").build(listen="localhost:1")


async def test_addresses__never_name_the_wildcard() -> None:
    ann = Station("ann")
    ann.build(listen="/ip4/0.0.0.0/tcp/0")
    async with running(ann):
        addresses = ann.net.addresses()

    assert addresses
    assert all("/0.0.0.0/" not in address for address in addresses)
    assert all(address.endswith(f"/p2p/{ann.net.peer_id}") for address in addresses)


def test_dialable__keeps_what_is_no_wildcard() -> None:
    address = Multiaddr("/ip4/192.0.2.7/tcp/4001")

    assert dialable([address, address]) == [address]


def test_widest_first__has_bridges_last_and_else_keeps_the_order() -> None:
    bridges = [Multiaddr(f"/ip4/172.{n}.0.1/tcp/1") for n in (17, 18, 19, 20)]
    lan, public = Multiaddr("/ip4/192.168.1.5/tcp/1"), Multiaddr("/ip6/2606:4700::7/tcp/1")

    assert widest_first([*bridges, lan, public], {"192.168.1.5"}) == [public, lan, *bridges]
    assert widest_first([*bridges, lan, public], set()) == [public, *bridges, lan]


async def test_dial__refuses_ourselves_strangers_and_nonsense() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        own = ann.net.addresses()[0]
        bare = bob.net.addresses()[0].rpartition("/p2p/")[0]
        with pytest.raises(DialFailed, match="our own address"):
            await ann.net.dial(own)
        with pytest.raises(DialFailed, match="/p2p/PEER_ID"):
            await ann.net.dial(bare)
        with pytest.raises(DialFailed, match="/p2p/PEER_ID"):
            await ann.net.dial("localhost:4001")
        with pytest.raises(DialFailed, match="cannot reach"):
            await ann.net.dial(f"{bare}/p2p/{Station('cat').build().peer_id}")
        with pytest.raises(DialFailed, match="cannot reach"):
            await ann.net.dial(f"/ip4/127.0.0.1/tcp/1/p2p/{bob.net.peer_id}")

        await connect(ann, bob)


async def test_dial__resolves_names() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        port = bob.net.addresses()[0].split("/")[4]
        for first in ("dns4", "dns"):
            peer = await ann.net.dial(f"/{first}/localhost/tcp/{port}/p2p/{bob.net.peer_id}")
            assert peer == bob.net.peer_id
            await ann.net.hang_up(peer)
        with pytest.raises(DialFailed, match=r"cannot resolve 'nowhere\.invalid'"):
            await ann.net.dial(f"/dns4/nowhere.invalid/tcp/{port}/p2p/{bob.net.peer_id}")


async def test_dial__makes_one_connection_however_often_it_is_asked() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        found: list[PeerId | None] = []

        async def dial() -> None:
            try:
                found.append(await ann.net.dial(bob.net.addresses()[0]))
            except NotTried:
                found.append(None)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(dial)

        assert found == [bob.net.peer_id, *[None] * 4]
        assert len(ann.net.peers()) == 1
        assert ann.net.stats()["dials_done"] == 1


async def test_dial__gives_up_in_time_on_a_silent_listener() -> None:
    ann = a_station("ann", dial_s=0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        async with running(ann):
            target = f"/ip4/127.0.0.1/tcp/{port}/p2p/{Station('bob').build().peer_id}"
            with trio.fail_after(3), pytest.raises(DialFailed, match=r"no answer in 0.3 s"):
                await ann.net.dial(target)


async def test_dial__both_at_once_leaves_a_working_mesh() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.net.dial, bob.net.addresses()[0])
            nursery.start_soon(bob.net.dial, ann.net.addresses()[0])
        await until(lambda: bool(ann.watched and bob.watched))

        await ann.net.publish(LOG, b"from ann")
        await bob.net.publish(LOG, b"from bob")

        await until(lambda: bob.messages() == [b"from ann"] and ann.messages() == [b"from bob"])


async def test_watcher__hears_of_each_arrival_and_departure_once() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        for times in (1, 2):
            await connect(ann, bob)
            await ann.net.hang_up(bob.net.peer_id)
            await until(lambda: not ann.net.peers() and not bob.net.peers())
            await until(partial(told, ann, bob, count=2 * times))
            assert bob.watched == [(ann.net.peer_id, True), (ann.net.peer_id, False)] * times
            assert ann.watched == [(bob.net.peer_id, True), (bob.net.peer_id, False)] * times


def told(*stations: Station, count: int) -> bool:
    return all(len(station.watched) == count for station in stations)


async def test_watchdog__cuts_a_peer_that_froze_and_takes_it_back_when_it_wakes() -> None:
    ann = a_station("ann", probe_s=0.3, probe_timeout_s=0.5)
    async with bare_process(seed_of("frozen")) as frozen, running(ann):
        await ann.net.dial(frozen.address)
        await until(lambda: len(ann.watched) == 1)

        frozen.pause()
        for _ in range(50):
            await ann.net.publish(LOG, trio.lowlevel.current_task().name.encode() + bytes(50_000))
        await until(lambda: not ann.net.peers(), within_s=6)
        await until(lambda: len(ann.watched) == 2)
        frozen.resume()

        await ann.net.dial(frozen.address)
        await until(lambda: len(ann.watched) == 3)


async def test_restart__of_a_killed_process_is_noticed_and_it_relays_again() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    seed = seed_of("killed")
    async with running(ann, bob):
        listen: list[str] = []
        for life in range(3):
            async with bare_process(seed, *listen) as process:
                for station in (ann, bob):
                    await station.net.dial(process.address)
                await until(partial(told, ann, count=2 * life + 1))
                await until(partial(told, bob, count=2 * life + 1))
                data = f"life {life}".encode()
                await ann.net.publish(LOG, data)
                await until(partial(hears, bob, data))
                listen = [process.address.rpartition("/p2p/")[0]]
            await until(lambda: not ann.net.peers() and not bob.net.peers())


def hears(station: Station, data: bytes) -> bool:
    return data in station.messages()


async def test_connections__are_not_used_up_by_those_that_came_and_went() -> None:
    ann = a_station("ann", connections_max=8, connections_inbound_max=4)
    bob = a_station("bob")
    async with running(ann, bob):
        for _ in range(20):
            await bob.net.dial(ann.net.addresses()[0])
            await bob.net.hang_up(ann.net.peer_id)
            await until(lambda: not ann.net.peers())

        await connect(bob, ann)


async def test_connections__keep_to_their_bounds_though_many_come_at_one_moment() -> None:
    ann = a_station("ann", connections_max=16, connections_inbound_max=4)

    async def come(target: Target) -> None:
        with contextlib.suppress(Exception):  # refused, in one of a dozen ways
            async with intruder(target):
                await trio.sleep_forever()

    async with running(ann), trio.open_nursery() as nursery:
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        for _ in range(12):
            nursery.start_soon(come, target)
        await until(lambda: ann.net.stats().get("connections_refused", 0) == 8)
        await until(lambda: len(ann.net.peers()) == 4)
        nursery.cancel_scope.cancel()


async def test_watchdog__frees_the_place_of_one_who_never_follows_our_topics() -> None:
    ann = a_station("ann", probe_s=0.1, stranger_s=2.0)
    bob = a_station("bob")
    async with running(ann, bob):
        await connect(bob, ann)
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)

        async with intruder(target) as stranger:
            await until(lambda: len(ann.net.peers()) == 2)
            await until(lambda: len(ann.net.peers()) == 1)
            await until(lambda: stranger.muxed.is_closed)

        assert ann.net.stats()["connections_of_no_use"] == 1
        assert ann.watched == [(bob.net.peer_id, True)]


async def test_watchdog__cuts_others_while_a_slow_line_holds_up_one_who_must_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut: list[INetConn] = []

    async def abort_slowly(conn: INetConn) -> None:
        cut.append(conn)
        if len(cut) == 1:
            await trio.sleep_forever()
        await abort(conn)

    monkeypatch.setattr(watchdog, "abort", abort_slowly)
    ann = a_station("ann", probe_s=0.1, stranger_s=2.0)
    async with running(ann):
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        async with intruder(target), intruder(target):
            await until(lambda: len(ann.net.peers()) == 2)
            await until(lambda: len(ann.net.peers()) == 1)

        assert cut[0] != cut[1]


async def test_watchdog__frees_the_place_of_one_whom_we_dialled_in_vain() -> None:
    ann = a_station("ann", probe_s=0.1, stranger_s=2.0)
    bob = a_station("bob")
    foreign = Station("foreign")
    foreign.build(topics=("/other/log",))
    async with running(ann, bob, foreign):
        await connect(ann, bob)

        await ann.net.dial(foreign.net.addresses()[0])
        assert len(ann.net.peers()) == 2
        await until(lambda: len(ann.net.peers()) == 1)

        assert ann.net.stats()["connections_of_no_use"] == 1


async def test_handshakes__that_stall_leave_room_for_others() -> None:
    ann = a_station("ann", handshake_s=3.0, half_open_per_ip_max=4)
    bob = a_station("bob")
    async with running(ann, bob):
        port = int(ann.net.addresses()[0].split("/")[4])
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(20)]
        await until(lambda: ann.net.stats().get("connections_refused", 0) == 16)

        await until(lambda: ann.net.stats().get("handshakes_failed", 0) == 4)
        await connect(bob, ann)

        for stream in idle:
            await stream.aclose()


def test_logging__reaches_the_root_and_has_no_handlers_of_its_own() -> None:
    Station("ann").build()

    logger = logging.getLogger("libp2p")
    assert logger.propagate
    assert logger.handlers == []
    assert logger.level == logging.WARNING


async def test_one_who_connects_again_and_again__and_never_answers_ends_nothing() -> None:
    ann, bob = a_station("ann"), a_station("bob")
    async with running(ann, bob):
        target = Target("127.0.0.1", int(ann.net.addresses()[0].split("/")[4]), ann.net.peer_id)
        async with intruder(target):  # leaves our stream to it unanswered
            swarm = ann.net._swarm
            await until(lambda: bool(swarm.get_connections()))
            (stranger,) = swarm.get_connections()
            (told,) = [one for one in swarm.notifees if isinstance(one, PubsubNotifee)]
            for _ in range(MAX_CHILDREN_TASKS + 100):  # as that many connections would
                await told.connected(swarm, stranger)

            await connect(bob, ann)
            await ann.net.publish(LOG, b"still here")
            await until(lambda: b"still here" in bob.messages())
