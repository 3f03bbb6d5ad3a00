"""Talks to a node from a trio program: the methods of `Client`, to be awaited."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Self

import httpx
import trio

from node.errors import NotReachable, RequestRefused
from node.rpc.calls import (
    ANSWER_BYTES_MAX,
    CALL_SECONDS,
    EXPORT,
    PAGE_TASKS_MAX,
    PAGES_MAX,
    WAIT_SECONDS,
    AuthRefused,
    Call,
    Calls,
    TooLate,
    absent,
    headers_of,
    host_and_port,
    read_answer,
    slow,
    unsettled,
)
from node.rpc.client import finder
from node.rpc.endpoint import Endpoint
from node.rpc.following import PATIENCE_SECONDS, SILENCE_SECONDS, Event, Following
from protocol.errors import MarketError


class TrioClient(Calls[Awaitable[Any]]):
    """A node, and all that can be asked of it; see `Calls`. Use it as a context."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float = CALL_SECONDS,
        find: Callable[[], Endpoint] | None = None,
    ) -> None:
        """Take a node.

        Args:
            endpoint: Where it is.
            timeout_s: How long it may take to answer.
            find: Finds it anew, for one that was started anew has another token.
        """
        host_and_port(endpoint.url)
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._find = find
        # Neither a proxy nor certificates: it is plain HTTP to this machine. A connection for each
        # request, for a node closes idle ones and a request could meet that.
        self._http = httpx.AsyncClient(
            trust_env=False,
            verify=False,  # noqa: S501
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    @classmethod
    def of(
        cls, node_id: str | None = None, *, environment: Mapping[str, str] | None = None
    ) -> "TrioClient":
        """Return a client of the node of that name, else of the one that `aimarket` would take.

        Raises:
            UsageError: There are several to choose from, or what is configured cannot be.
            NotReachable: No such node has left its address.
        """
        find = finder(node_id, os.environ if environment is None else environment)
        return cls(find(), find=find)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def tasks(
        self, *, limit: int = 50, mine: bool = False, **fields: str | None
    ) -> list[Any]:
        """Return the newest tasks that fit, from as many pages as that takes and `PAGES_MAX`."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            size = min(limit - len(found), PAGE_TASKS_MAX)
            page = await self.task_page(limit=size, mine=mine, cursor=cursor, **fields)
            found += page["tasks"]
            cursor = page["next"]
            if cursor is None or len(found) >= limit:
                break
        return found

    async def settled(self, task_id: str, *, timeout_s: float = 120.0) -> Any:
        """Return a task once nothing more is to be expected of it.

        Raises:
            TooLate: It is not settled in time; it may be later.
        """
        deadline = trio.current_time() + timeout_s
        while True:
            left = max(0.0, deadline - trio.current_time())
            found = await self.task(task_id, wait_s=min(int(left), WAIT_SECONDS))
            if found["settled"]:
                return found
            if left == 0:
                raise unsettled(found, timeout_s)
            if left < 1:
                await trio.sleep(left)

    async def events(
        self,
        *,
        types: Sequence[str] = (),
        task: str | None = None,
        last_event_id: str | None = None,
        patience_s: float = PATIENCE_SECONDS,
        note: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[Event]:
        """Iterate over what happens at the node, as `Client.events` does; use it in `aclosing`."""
        following = Following(
            types=types, task=task, last_event_id=last_event_id, patience_s=patience_s, note=note
        )
        while True:
            problem: MarketError = absent(self.endpoint)
            try:
                told = self._chunks(following.call, following.headers(), SILENCE_SECONDS)
                async with aclosing(told) as chunks:
                    async for chunk in chunks:
                        for event in following.take(chunk):
                            yield event
            except (NotReachable, AuthRefused, TooLate, RequestRefused) as error:
                problem = error
            await trio.sleep(following.lost(problem, trio.current_time()))
            if self._find is not None:
                with suppress(NotReachable):  # it has not left its address yet
                    self.endpoint = self._find()

    def export_log(self) -> AsyncGenerator[bytes]:
        """Iterate over the file of the whole log, as `Client.export_log` does."""
        return self._chunks(EXPORT, {}, self._timeout_s)

    async def _chunks(
        self, call: Call, headers: Mapping[str, str], seconds: float
    ) -> AsyncGenerator[bytes]:
        async with self._asked(call, headers, seconds=seconds) as response:
            if response.status_code != 200:
                read_answer(self.endpoint, call, response.status_code, await _whole(response))
            async for chunk in response.aiter_bytes():
                yield chunk

    async def _call(self, call: Call) -> Any:
        seconds = self._timeout_s + call.more_s
        async with self._asked(call, {}, seconds=seconds) as response:
            raw = await _whole(response)
        return read_answer(self.endpoint, call, response.status_code, raw)

    @asynccontextmanager
    async def _asked(
        self, call: Call, more: Mapping[str, str], *, seconds: float
    ) -> AsyncGenerator[httpx.Response]:
        headers, body = headers_of(self.endpoint, call)
        url = f"{self.endpoint.url}{call.path}"
        try:
            async with self._http.stream(
                call.method, url, content=body, headers={**headers, **more}, timeout=seconds
            ) as response:
                yield response
        except httpx.TimeoutException as error:
            raise slow(self.endpoint, seconds) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise absent(self.endpoint) from error


async def _whole(response: httpx.Response) -> bytes:
    raw = b""
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > ANSWER_BYTES_MAX:
            break
    return raw
