"""What a request must show before any route sees it.

A web page can make its visitor's browser send requests to 127.0.0.1. It cannot forge `Host` or
`Origin`, cannot send JSON without asking first (OPTIONS, which is never granted), and cannot read
the token file: any one of these stops it, so all are asked for.
"""

import hmac
from collections.abc import Iterable

import trio
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 64 * 1024  # a task's input is 16 KiB; JSON may escape it
BODY_DRAINED_BYTES_MAX = 1024 * 1024  # read and dropped so that the refusal is not lost to a reset
BODY_SECONDS = 10.0  # a whole body, from its first byte: loopback needs milliseconds

FREE_PATH = "/health"
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def error_response(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return the one shape every error has."""
    # A lone surrogate of a hostile body may be quoted in the message: it has no UTF-8.
    clean = message.encode("utf-8", "replace").decode()
    return JSONResponse({"code": code, "message": clean}, status, headers={**(headers or {})})


class Guard:
    """An ASGI application that lets through what the local user asked for, and nothing else."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        port: int,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._bearer = f"Bearer {token}".encode()
        self._hosts = frozenset(f"{name}:{port}".encode() for name in OWN_NAMES)
        self._origins = frozenset(b"http://" + host for host in self._hosts)
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request; websockets are always refused."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        guarded_send = _with_fixed_headers(send)
        body = b""
        refusal = self._refusal(scope)
        if refusal is None:
            try:
                with trio.fail_after(self._body_seconds):
                    body = await _read_body(receive)
            except trio.TooSlowError:
                refusal = error_response(408, "too_slow", "the request body took too long")
            except _TooLarge:
                refusal = error_response(
                    413, "body_too_large", f"a request body has at most {BODY_BYTES_MAX} bytes"
                )
            except _Gone:
                return
        if refusal is not None:
            await refusal(scope, receive, guarded_send)
            return
        await self._app(scope, _replay(body, receive), guarded_send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """Judge the headers alone, before routing; cheapest and most telling first."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return error_response(403, "wrong_host", "this Host header is not this node's")
        if any(origin not in self._origins for origin in _values(headers, b"origin")):
            return error_response(403, "wrong_origin", "requests of other origins are refused")
        if scope["path"] == FREE_PATH and scope["method"] == "GET":
            return None
        if not self._is_token(_values(headers, b"authorization")):
            return error_response(
                401,
                "unauthorized",
                "needs the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        if scope["method"] == "POST" and not _is_json(_values(headers, b"content-type")):
            return error_response(
                415, "not_json", "POST needs the header Content-Type: application/json"
            )
        return None

    def _is_token(self, given: list[bytes]) -> bool:
        return len(given) == 1 and hmac.compare_digest(given[0], self._bearer)


class _TooLarge(Exception):
    """The body is longer than we read."""


class _Gone(Exception):
    """The client left before its body was complete."""


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _is_json(content_types: list[bytes]) -> bool:
    if len(content_types) != 1:
        return False
    return content_types[0].split(b";")[0].strip().lower() == b"application/json"


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_DRAINED_BYTES_MAX:
            raise _TooLarge
        if size <= BODY_BYTES_MAX:
            body += chunk
        if not message.get("more_body", False):
            break
    if size > BODY_BYTES_MAX:
        raise _TooLarge
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body over as one message, then whatever else the connection has to say."""
    handed_over = False

    async def replay() -> Message:
        nonlocal handed_over
        if handed_over:
            return await receive()
        handed_over = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_fixed_headers(send: Send) -> Send:
    fixed = [(key.lower().encode(), value.encode()) for key, value in _ALWAYS.items()]

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *fixed]}
        await send(message)

    return guarded
