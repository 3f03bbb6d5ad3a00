"""Serves the page of the dashboard: files that are read once, when the node starts.

There is no path to climb out of: what can be asked for is the keys of a dictionary.
"""

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from node.rpc.guard import PAGE_METHODS, PAGE_PATH, PAGE_PREFIX, error_response, is_of_page

INDEX = "index.html"
# What is of no other kind is no part of the page, be it an editor's copy.
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "md": "text/plain; charset=utf-8",
    "LICENSE": "text/plain; charset=utf-8",
}
# Nothing but what this node serves, no script that is made out of text, no page around it.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # kept, and asked for anew with what it was
}
# Keeps a page that knows a secret apart from whoever opened it. Over plain HTTP from another
# machine a browser ignores it with an error on the console: the screen for everybody goes without.
OPENER_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin"}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page.

    Attributes:
        content: Its bytes.
        kind: Its content type.
        etag: What changes with the content alone.
    """

    content: bytes
    kind: str
    etag: str


@functools.cache
def page_files() -> Mapping[str, PageFile]:
    """Read every file of the page, by the path it is served at."""
    found = dict(_below(files("node.rpc") / "static", PAGE_PREFIX))
    if PAGE_PREFIX + INDEX in found:
        found[PAGE_PATH] = found.pop(PAGE_PREFIX + INDEX)
    return found


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, PageFile]]:
    for one in folder.iterdir():
        name = one.name
        if name.startswith("."):
            continue
        if one.is_dir():
            yield from _below(one, f"{path}{name}/")
        elif (kind := KINDS.get(name.rpartition(".")[2])) is not None:
            content = one.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            yield path + name, PageFile(content, kind, etag)


class WithPage:
    """An ASGI application that answers for the page, and leaves all else to another."""

    def __init__(self, app: ASGIApp, *, is_for_strangers: bool = False) -> None:
        """Take the other one, and whether the page is shown to everybody and knows no secret."""
        self._app = app
        self._headers = HEADERS if is_for_strangers else HEADERS | OPENER_HEADERS
        self._files = page_files()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and is_of_page(scope["path"]):
            await self._answer(scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        file = self._files.get(scope["path"])
        if file is None:
            return error_response(404, "not_found", "the page has no such file")
        if scope["method"] not in PAGE_METHODS:
            allowed = {"Allow": ", ".join(PAGE_METHODS)}
            return error_response(405, "method_not_allowed", "the page can only be read", allowed)
        headers = {**self._headers, "ETag": file.etag}
        if any(file.etag in known for known in _known(scope)):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers={**headers, "Content-Type": file.kind})


def _known(scope: Scope) -> Iterator[str]:
    """Return what the browser says it has: ETags, be they weak, with commas between."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            yield value.decode("latin-1")
