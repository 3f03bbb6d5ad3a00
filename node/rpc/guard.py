"""What a request must show before any route sees it.

A web page can make its visitor's browser send requests to 127.0.0.1. It cannot forge `Host` or
`Origin`, cannot send JSON without asking first (OPTIONS, which is never granted), and cannot read
the token file: any one of these stops it, so all are asked for.
"""

import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import trio
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.certificate_file import FILE_BYTES_MAX as CERTIFICATE_BYTES_MAX

BODY_BYTES_MAX = 64 * 1024  # a task's input is 16 KiB; JSON may escape it
BATCH_BYTES_MAX = 4 * 1024 * 1024  # a thousand tasks of 4 KiB; a thousand of a line take a tenth
DRAINED_BYTES_MAX = 1024 * 1024  # beyond: read and dropped, so that no reset swallows the refusal
LOG_BYTES_MAX = 1024 * 1024  # of records; the client sends a quarter of it
LARGE_BODIES_MAX = 2  # of one address at a time, so that connections together fill no memory
BODY_SECONDS = 10.0  # a whole body, from its first byte: loopback needs milliseconds

FREE_PATH = "/health"
RENEW_PATH = "/session/renew"  # answers what is of use only to a page that has a secret of its own
# The page of the dashboard is the same for everybody and knows nothing: it needs no token, for a
# browser that opens it has none to send. What it then asks for does.
PAGE_PATH = "/"
PAGE_PREFIX = "/ui/"
PAGE_METHODS = ("GET", "HEAD")
REFUSED = "aimarket.refused"  # where in the scope errors find who counts them
# What needs the token even where reads are open: the whole log at once, and what makes this node
# ask a peer. A web page can have its visitor's browser GET these, though it never sees the answer.
CLOSED_PATHS = ("/log", "/leaderboard/of/", "/diff/")
OWN_PAGES = (b"none", b"same-origin")  # of Sec-Fetch-Site, which no page can set or leave out
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What bodies an address takes.

    Attributes:
        bytes_max: How large they may be.
        kinds: The content types, in lower case and without parameters.
        at_once: How many may be read and served at a time, where they are large.
    """

    bytes_max: int
    kinds: tuple[bytes, ...]
    at_once: int = LARGE_BODIES_MAX


JSON = b"application/json"
NDJSON = b"application/x-ndjson"
OCTETS = b"application/octet-stream"
BODIES = {
    "/tasks/batch": BodyRule(BATCH_BYTES_MAX, (JSON, NDJSON)),
    "/log": BodyRule(LOG_BYTES_MAX, (OCTETS,)),
    "/certificates/verify": BodyRule(CERTIFICATE_BYTES_MAX, (JSON,), at_once=1),
}
RETRY_AFTER_S = "1"
ANY_BODY = BodyRule(BODY_BYTES_MAX, (JSON,))

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def error_response(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return the one shape every error has; what may go well soon says when to try again."""
    told = {"Retry-After": RETRY_AFTER_S} if status in (429, 503) else {}
    # A lone surrogate of a hostile body may be quoted in the message: it has no UTF-8.
    clean = message.encode("utf-8", "replace").decode()
    return ErrorResponse(
        {"code": code, "message": clean}, status, headers={**told, **(headers or {})}
    )


class ErrorResponse(JSONResponse):
    """An error that tells the guard its code as it leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope[REFUSED](json.loads(bytes(self.body))["code"])
        await super().__call__(scope, receive, send)


class Guard:
    """An ASGI application that lets through what the local user asked for, and nothing else."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        port: int,
        body_seconds: float = BODY_SECONDS,
        open_reads: bool = False,
        takes_posts: Callable[[Scope], bool] = lambda scope: True,
        refused: Callable[[str], None] = lambda code: None,
    ) -> None:
        self._app = app
        self._refused = refused
        self._bearer = f"Bearer {token}".encode()
        self._hosts = frozenset(f"{name}:{port}".encode() for name in OWN_NAMES)
        self._origins = frozenset(b"http://" + host for host in self._hosts)
        self._body_seconds = body_seconds
        self._open_reads = open_reads
        self._takes_posts = takes_posts
        self._places = {path: trio.CapacityLimiter(rule.at_once) for path, rule in BODIES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request; websockets are always refused."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope[REFUSED] = self._refused
        guarded_send = with_fixed_headers(send)
        rule = BODIES.get(scope["path"], ANY_BODY)
        refusal = self._refusal(scope, rule)
        if refusal is not None:
            await refusal(scope, receive, guarded_send)
        elif rule is ANY_BODY or scope["method"] != "POST":
            await self._serve(ANY_BODY, scope, receive, guarded_send)
        else:
            await self._serve_large(rule, scope, receive, guarded_send)

    async def _serve_large(
        self, rule: BodyRule, scope: Scope, receive: Receive, send: Send
    ) -> None:
        places = self._places[scope["path"]]
        try:
            places.acquire_nowait()
        except trio.WouldBlock:
            served = "such requests are" if places.total_tokens > 1 else "such request is"
            message = f"{places.total_tokens} {served} being served, the most; try again"
            await error_response(429, "busy", message)(scope, receive, send)
            return
        try:
            await self._serve(rule, scope, receive, send)
        finally:
            places.release()

    async def _serve(self, rule: BodyRule, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with trio.fail_after(self._body_seconds):
                body = await _read_body(receive, rule.bytes_max)
        except trio.TooSlowError:
            refusal = error_response(408, "too_slow", "the request body took too long")
        except _TooLarge:
            message = f"the body of this request has at most {rule.bytes_max} bytes"
            refusal = error_response(413, "body_too_large", message)
        except _Gone:
            return
        else:
            await self._app(scope, _replay(body, receive), send)
            return
        await refusal(scope, receive, send)

    def _refusal(self, scope: Scope, rule: BodyRule) -> JSONResponse | None:
        """Judge the headers alone, before routing; cheapest and most telling first."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = values_of(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return error_response(403, "wrong_host", "this Host header is not this node's")
        if any(origin not in self._origins for origin in values_of(headers, b"origin")):
            return error_response(403, "wrong_origin", "requests of other origins are refused")
        if any(site not in OWN_PAGES for site in values_of(headers, b"sec-fetch-site")):
            return error_response(403, "wrong_origin", "requests of other web pages are refused")
        if not self._may_ask(scope, values_of(headers, b"authorization")):
            return error_response(
                401,
                "unauthorized",
                "needs the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        is_wrong = not _is_of(values_of(headers, b"content-type"), rule.kinds)
        if is_wrong and scope["method"] == "POST" and self._takes_posts(scope):
            kinds = b" or ".join(rule.kinds).decode()
            return error_response(415, "not_json", f"POST needs the header Content-Type: {kinds}")
        return None

    def _may_ask(self, scope: Scope, given: list[bytes]) -> bool:
        """Answer whether a request shows the token, or needs none."""
        if _is_free(scope["method"], scope["path"]) or (not given and self._is_open(scope)):
            return True
        return self._is_token(given)

    def _is_open(self, scope: Scope) -> bool:
        """Answer whether anybody on this machine may ask this."""
        is_read = self._open_reads and scope["method"] == "GET"
        return is_read and not scope["path"].startswith(CLOSED_PATHS)

    def _is_token(self, given: list[bytes]) -> bool:
        return len(given) == 1 and hmac.compare_digest(given[0], self._bearer)


def is_of_page(path: str) -> bool:
    """Answer whether an address is one of the page, be there a file or not."""
    return path == PAGE_PATH or path.startswith(PAGE_PREFIX)


def _is_free(method: str, path: str) -> bool:
    """Answer whether everybody on this machine may ask this, whatever is set."""
    if is_of_page(path):
        return method in PAGE_METHODS
    return (method, path) in (("GET", FREE_PATH), ("POST", RENEW_PATH))


class _TooLarge(Exception):
    """The body is longer than we read."""


class _Gone(Exception):
    """The client left before its body was complete."""


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return every value of a header; `name` is in lower case."""
    return [value for key, value in headers if key == name]


def _is_of(content_types: list[bytes], kinds: tuple[bytes, ...]) -> bool:
    return len(content_types) == 1 and kind_of(content_types[0]) in kinds


def kind_of(content_type: bytes) -> bytes:
    """Return a content type without its parameters."""
    return content_type.split(b";")[0].strip().lower()


async def _read_body(receive: Receive, bytes_max: int) -> bytes:
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max + DRAINED_BYTES_MAX:
            raise _TooLarge
        if size <= bytes_max:
            body += chunk
        if not message.get("more_body", False):
            break
    if size > bytes_max:
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


def with_fixed_headers(send: Send) -> Send:
    """Add to an answer the headers that each one has, but for what it says itself."""
    fixed = [(key.lower().encode(), value.encode()) for key, value in _ALWAYS.items()]

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            said = {name for name, _ in own}  # the page may be kept, for one
            lacking = [(name, value) for name, value in fixed if name not in said]
            message = {**message, "headers": own + lacking}
        await send(message)

    return guarded
