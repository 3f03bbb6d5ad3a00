"""Talks to a node on this machine: small, synchronous, quick to import."""

import http.client
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

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
from node.rpc.endpoint import Configured, Endpoint, find_endpoint
from node.rpc.following import PATIENCE_SECONDS, SILENCE_SECONDS, Event, Following
from protocol.errors import MarketError

CHUNK_BYTES = 64 * 1024

__all__ = ["PAGE_TASKS_MAX", "AuthRefused", "Client", "Event", "TooLate"]


class Client(Calls[Any]):
    """A node, and all that can be asked of it; see `Calls`."""

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

    @classmethod
    def of(
        cls, node_id: str | None = None, *, environment: Mapping[str, str] | None = None
    ) -> "Client":
        """Return a client of the node of that name, else of the one that `aimarket` would take.

        Raises:
            UsageError: There are several to choose from, or what is configured cannot be.
            NotReachable: No such node has left its address.
        """
        find = finder(node_id, os.environ if environment is None else environment)
        return cls(find(), find=find)

    def tasks(self, *, limit: int = 50, mine: bool = False, **fields: str | None) -> list[Any]:
        """Return the newest tasks that fit, from as many pages as that takes and `PAGES_MAX`."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            size = min(limit - len(found), PAGE_TASKS_MAX)
            page = self.task_page(limit=size, mine=mine, cursor=cursor, **fields)
            found += page["tasks"]
            cursor = page["next"]
            if cursor is None or len(found) >= limit:
                break
        return found

    def settled(self, task_id: str, *, timeout_s: float = 120.0) -> Any:
        """Return a task once nothing more is to be expected of it.

        Raises:
            TooLate: It is not settled in time; it may be later.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left = max(0.0, deadline - time.monotonic())
            found = self.task(task_id, wait_s=min(int(left), WAIT_SECONDS))
            if found["settled"]:
                return found
            if left == 0:
                raise unsettled(found, timeout_s)
            if left < 1:
                time.sleep(left)

    def events(
        self,
        *,
        types: Sequence[str] = (),
        task: str | None = None,
        last_event_id: str | None = None,
        patience_s: float = PATIENCE_SECONDS,
        note: Callable[[str], None] | None = None,
    ) -> Iterator[Event]:
        """Iterate over what happens at the node, for ever; close it to leave.

        A connection that breaks is made anew, and goes on after the last event; where some are
        missing then, a `gap` is told.

        Args:
            types: Only these; all if there are none.
            task: Only this one and its retries: an id, or its first 8 digits.
            last_event_id: Go on after this one; else from now on.
            patience_s: For how long the node may be away before its error is raised.
            note: Told in a line when the node is lost, and when it is back.
        """
        following = Following(
            types=types, task=task, last_event_id=last_event_id, patience_s=patience_s, note=note
        )
        while True:
            problem: MarketError = absent(self.endpoint)
            try:
                told = self._chunks(following.call, following.headers(), SILENCE_SECONDS)
                for chunk in told:
                    yield from following.take(chunk)
            except (NotReachable, AuthRefused, TooLate, RequestRefused) as error:
                problem = error
            time.sleep(following.lost(problem, time.monotonic()))
            self._look_again()

    def export_log(self) -> Iterator[bytes]:
        """Iterate over the file of the whole log, piece by piece.

        Raises:
            NotReachable: It ended before its end, among all else that every method raises.
        """
        return self._chunks(EXPORT, {}, self._timeout_s)

    def _look_again(self) -> None:
        if self._find is not None:
            with suppress(NotReachable):  # it has not left its address yet
                self.endpoint = self._find()

    def _chunks(self, call: Call, headers: Mapping[str, str], seconds: float) -> Iterator[bytes]:
        with self._asked(call, headers, seconds=seconds) as response:
            if response.status != 200:
                answer = response.read(ANSWER_BYTES_MAX)
                read_answer(self.endpoint, call, response.status, answer)
            while chunk := response.read1(CHUNK_BYTES):
                yield chunk

    def _call(self, call: Call) -> Any:
        with self._asked(call, {}, seconds=self._timeout_s + call.more_s) as response:
            answer = response.read(ANSWER_BYTES_MAX)
            if response.length:  # it promised more
                raise absent(self.endpoint)
        return read_answer(self.endpoint, call, response.status, answer)

    @contextmanager
    def _asked(
        self, call: Call, more: Mapping[str, str], *, seconds: float
    ) -> Iterator[http.client.HTTPResponse]:
        headers, body = headers_of(self.endpoint, call)
        host, port = host_and_port(self.endpoint.url)
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            connection.request(call.method, call.path, body=body, headers={**headers, **more})
            yield connection.getresponse()
        except TimeoutError as error:
            raise slow(self.endpoint, seconds) from error
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise absent(self.endpoint) from error
        finally:
            connection.close()


def finder(node_id: str | None, environment: Mapping[str, str]) -> Callable[[], Endpoint]:
    """Return what finds a node as `aimarket --id` does, each time anew."""

    def find() -> Endpoint:
        from node.config_file import client_values_of, find_config

        file = find_config(environment.get("AIMARKET_CONFIG"))
        return find_endpoint(
            node_id=node_id,
            url=None,
            token_file=None,
            environment=environment,
            warn=lambda line: None,
            configured=Configured() if file is None else Configured(**client_values_of(file)),
        )

    return find
