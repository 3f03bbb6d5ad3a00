"""One-packet killers: each function is one attempt to end, stall or bloat a node.

Every one takes a Target (host, port, peer id, topics, request protocols), comes under a new
identity, and returns; what the target makes of it is for the caller to see. Errors on our side are
the target defending itself, and are swallowed by `attempt`.
"""

import os
import struct
from collections.abc import Awaitable, Callable

import trio

from tests.loopback.frame_killers import FRAME_KILLERS
from tests.loopback.intruder import LINGER_S, Target, framed, intruder, secured, tcp, varint

Killer = Callable[[Target], Awaitable[None]]


async def attempt(killer: Killer, target: Target) -> None:
    """Try a killer once, however the target takes it."""
    with trio.move_on_after(5):
        try:
            await killer(target)
        except Exception as error:  # the target hung up on us, in one of a dozen ways
            del error


# Below the protocols.


async def junk_tcp(target: Target) -> None:
    async with tcp(target) as stream:
        await stream.send_all(os.urandom(2_000))
        await trio.sleep(LINGER_S)


async def http_request(target: Target) -> None:
    async with tcp(target) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.sleep(LINGER_S)


async def silence(target: Target) -> None:
    async with tcp(target):
        await trio.sleep(LINGER_S)


async def plaintext_offer(target: Target) -> None:
    async with tcp(target) as stream:
        for line in (b"/multistream/1.0.0\n", b"/plaintext/2.0.0\n"):
            await stream.send_all(framed(line))
        await stream.send_all(framed(os.urandom(64)))
        await trio.sleep(LINGER_S)


async def junk_handshake(target: Target) -> None:
    async with tcp(target) as stream:
        for line in (b"/multistream/1.0.0\n", b"/noise\n"):
            await stream.send_all(framed(line))
        await stream.send_all(struct.pack(">H", 500) + os.urandom(500))
        await trio.sleep(LINGER_S)


async def junk_after_noise(target: Target) -> None:
    async with secured(target) as conn:
        await conn.write(os.urandom(500))
        await trio.sleep(LINGER_S)


async def junk_yamux(target: Target) -> None:
    async with intruder(target) as stranger:
        await stranger.muxed.secured_conn.write(os.urandom(12) + os.urandom(500))
        await trio.sleep(LINGER_S)


async def huge_yamux_frame(target: Target) -> None:
    async with intruder(target) as stranger:
        header = struct.pack(">BBHII", 0, 0, 1, 1, 2**32 - 1)
        await stranger.muxed.secured_conn.write(header + bytes(1_000))
        await trio.sleep(LINGER_S)


async def stream_flood(target: Target) -> None:
    async with intruder(target) as stranger:
        for number in range(300):
            header = struct.pack(">BBHII", 0, 1, 1, 1_001 + 2 * number, 0)
            await stranger.muxed.secured_conn.write(header)
        await trio.sleep(LINGER_S)


async def junk_negotiation(target: Target) -> None:
    async with intruder(target) as stranger:
        for junk in (os.urandom(50), varint(2**62), b"\xff" * 12, framed(b"no newline")):
            stream = await stranger.muxed.open_stream()
            await stream.write(junk)
        await trio.sleep(LINGER_S)


# Requests.


async def junk_request(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(os.urandom(200))
            await stream.close()
        await trio.sleep(LINGER_S)


async def oversize_frame(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(b"\xff\xff" + bytes(1_000))
        await trio.sleep(LINGER_S)


async def oversize_request(target: Target) -> None:
    async with intruder(target) as stranger:
        stream = await stranger.open(target.protocols[0])
        for _ in range(20):
            await stream.write(struct.pack(">H", 60_000) + bytes(60_000))


async def half_request(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(struct.pack(">H", 100) + b"only this much")
        await trio.sleep(LINGER_S)


async def trailing_request(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(struct.pack(">H", 3) + b"abc\x00\x00" + os.urandom(100))
        await trio.sleep(LINGER_S)


async def reset_in_the_middle(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in target.protocols:
            stream = await stranger.open(protocol)
            await stream.write(struct.pack(">H", 3) + b"abc\x00\x00")
            await trio.sleep(LINGER_S)
            await stream.reset()


async def unread_response(target: Target) -> None:
    """Ask for much on many streams, read nothing, and leave."""
    async with intruder(target) as stranger:
        for protocol in target.protocols * 3:
            stream = await stranger.open(protocol)
            await stream.write(struct.pack(">H", 3) + b"abc\x00\x00")
        await trio.sleep(0.3)


async def junk_on_common_protocols(target: Target) -> None:
    async with intruder(target) as stranger:
        for protocol in ("/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"):
            stream = await stranger.open(protocol)
            await stream.write(os.urandom(50))
            await stream.reset()
        await trio.sleep(LINGER_S)


KILLERS: tuple[Killer, ...] = (
    junk_tcp,
    http_request,
    silence,
    plaintext_offer,
    junk_handshake,
    junk_after_noise,
    junk_yamux,
    huge_yamux_frame,
    stream_flood,
    junk_negotiation,
    *FRAME_KILLERS,
    junk_request,
    oversize_frame,
    oversize_request,
    half_request,
    trailing_request,
    reset_in_the_middle,
    unread_response,
    junk_on_common_protocols,
)
