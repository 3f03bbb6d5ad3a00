"""A client that does to an RPC what it should not, for some seconds, and tells what came of it.

Run as a program, so that what it costs is not the test's: `PORT TOKEN SECONDS`; it prints one JSON
object, by name of the attack a list of `[first line of the answer, seconds until the end]`.
"""

import contextlib
import json
import resource
import sys
from collections.abc import Awaitable, Callable

import trio

GIB = 2**30
DIGITS = 10**6
DEPTH = 30_000
PIPELINED = 1_000
CONNECTIONS = 1_000
PAUSE_S = 0.05  # it is to be hostile, not to take the processor away
PATIENCE_S = 30.0
TRICKLE_S = 0.4

Attack = Callable[[trio.SocketStream, bytes], Awaitable[None]]


def _head(token: bytes, path: bytes = b"/tasks", *more: bytes) -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1:PORT", b"Authorization: " + token]
    lines += [b"Content-Type: application/json", *more]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _with_body(body: bytes, path: bytes = b"/tasks") -> Attack:
    async def attack(stream: trio.SocketStream, token: bytes) -> None:
        size = b"Content-Length: %d" % len(body)
        await stream.send_all(_head(token, path, size) + body)

    return attack


async def _slow_header(stream: trio.SocketStream, token: bytes) -> None:
    for byte in _head(token, b"/tasks", b"X: " + b"x" * 8_000):
        await stream.send_all(bytes([byte]))
        await trio.sleep(TRICKLE_S)


async def _slow_body(stream: trio.SocketStream, token: bytes) -> None:
    await stream.send_all(_head(token, b"/tasks", b"Content-Length: 8000"))
    for _ in range(8_000):
        await stream.send_all(b" ")
        await trio.sleep(TRICKLE_S)


async def _gibibyte(stream: trio.SocketStream, token: bytes) -> None:
    await stream.send_all(_head(token, b"/tasks", b"Content-Length: %d" % GIB))
    for _ in range(GIB // 2**16):
        await stream.send_all(b" " * 2**16)


async def _endless_chunks(stream: trio.SocketStream, token: bytes) -> None:
    await stream.send_all(_head(token, b"/tasks/batch", b"Transfer-Encoding: chunked"))
    for _ in range(GIB // 2**16):
        await stream.send_all(b"10000\r\n" + b" " * 2**16 + b"\r\n")


async def _silence(stream: trio.SocketStream, token: bytes) -> None:
    del stream, token


async def _pipeline(stream: trio.SocketStream, token: bytes) -> None:
    one = _head(token, b"/status").replace(b"POST", b"GET", 1)
    await stream.send_all(one * PIPELINED + one.replace(b"GET", b"BAD\x00", 1))


ATTACKS: dict[str, Attack] = {
    "slow header": _slow_header,
    "slow body": _slow_body,
    "a gibibyte": _gibibyte,
    "endless chunks": _endless_chunks,
    "silence": _silence,
    "pipelining": _pipeline,
    "not UTF-8": _with_body(b'{"text":"\xff\xfe"}'),
    "deep lists": _with_body(b"[" * DEPTH),
    "deep objects in a batch": _with_body(b'[{"text":' * DEPTH, b"/tasks/batch"),
    "a million digits": _with_body(b'{"seats":' + b"9" * DIGITS + b"}"),
    "a million digits in a batch": _with_body(
        b'[{"seats":' + b"9" * DIGITS + b"}]", b"/tasks/batch"
    ),
}


async def _once(port: int, token: bytes, attack: Attack) -> tuple[str, float]:
    """Return the first line of the answer, empty if none came, and how many seconds it took."""
    began = trio.current_time()
    answer = b""
    with trio.move_on_after(PATIENCE_S) as patience:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            return "not accepted", trio.current_time() - began
        async with stream, trio.open_nursery() as nursery:

            async def send() -> None:
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await attack(_Renamed(stream, port), token)  # type: ignore[arg-type]

            nursery.start_soon(send)
            try:
                async for chunk in stream:
                    answer = (answer + chunk)[:200]
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()
    if patience.cancelled_caught:
        return "never ended", trio.current_time() - began
    return answer.partition(b"\r\n")[0].decode("latin-1"), trio.current_time() - began


class _Renamed:
    """A stream into which the right port is written."""

    def __init__(self, stream: trio.SocketStream, port: int) -> None:
        self._stream, self._port = stream, str(port).encode()

    async def send_all(self, data: bytes) -> None:
        await self._stream.send_all(data.replace(b"PORT", self._port))


async def _attack(port: int, token: str, seconds: float) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {"a thousand connections": []}

    async def again_and_again(name: str, attack: Attack, bearer: bytes) -> None:
        while trio.current_time() < deadline:
            found.setdefault(name, []).append(await _once(port, bearer, attack))
            await trio.sleep(PAUSE_S)

    async def one_of_many() -> None:
        found["a thousand connections"].append(await _once(port, b"", _silence))

    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(one_of_many)
    deadline = trio.current_time() + seconds
    async with trio.open_nursery() as nursery:
        for name, attack in ATTACKS.items():
            nursery.start_soon(again_and_again, name, attack, f"Bearer {token}".encode())
            nursery.start_soon(again_and_again, f"{name}, no token", attack, b"Bearer x")
    return found


def main() -> None:
    """Attack."""
    port, token, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * CONNECTIONS), most))
    json.dump(trio.run(_attack, port, token, seconds), sys.stdout)


if __name__ == "__main__":
    main()
