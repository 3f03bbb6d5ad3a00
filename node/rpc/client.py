"""Talks to a node on this machine: small, synchronous, quick to import."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from node.errors import NotReachable, OperatorError, RequestRefused, UsageError
from node.rpc.endpoint import Endpoint

CONNECT_SECONDS = 30.0  # the slowest route asks a peer; connecting on loopback takes no time
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
PAGE_TASKS_MAX = 100  # as many as the node gives at once
PAGES_MAX = 50  # a node looks through 500 tasks a page: what is older is asked for by cursor


class AuthRefused(OperatorError):
    """The node does not know our token, or refuses where we come from."""

    exit_code = 77


class TooLate(OperatorError):
    """What was waited for did not come in time; it still may."""

    exit_code = 75


class Client:
    """The routes of one node as methods; each returns the decoded JSON document.

    Every method raises NotReachable if no node answers, AuthRefused if it does not accept us, and
    RequestRefused with the node's own words for anything else it refuses.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = CONNECT_SECONDS) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        try:
            parts = urlsplit(endpoint.url)
            port = parts.port or 80
        except ValueError as error:
            raise UsageError(f"{endpoint.url}: not a URL with a port ({error})") from error
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f"{endpoint.url}: an RPC URL looks like http://127.0.0.1:7461")
        self._host, self._port = parts.hostname, port

    def submit(self, **fields: object) -> Any:
        """Submit a task; fields that are None are left to the node."""
        body = {key: value for key, value in fields.items() if value is not None}
        return self._call("POST", "/tasks", body)

    def submit_batch(self, tasks: Sequence[Mapping[str, object]]) -> Any:
        """Submit many tasks; return what became of each, in their order."""
        return self._call("POST", "/tasks/batch", tasks)["results"]

    def task(self, task_id: str, *, wait_s: int = 0) -> Any:
        """Return one task; if the node is to wait until it is settled, at most so many seconds."""
        query = f"?wait={wait_s}" if wait_s else ""
        return self._call("GET", f"/tasks/{_quoted(task_id)}{query}", more_s=wait_s)

    def task_page(self, *, limit: int = 50, mine: bool = False, **fields: str | None) -> Any:
        """Return one page of tasks, `{"tasks": [...], "next": cursor or None}`.

        Args:
            limit: The most of it, 1 to 100.
            mine: Whether only tasks of this node are meant.
            fields: `cursor`, `state`, `type` and `submitter`; those that are None are left out.
        """
        query: dict[str, object] = {k: v for k, v in fields.items() if v is not None}
        query |= {"limit": limit, **({"mine": "true"} if mine else {})}
        return self._call("GET", f"/tasks?{urlencode(query, errors='replace')}")

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

    def cancel(self, task_id: str) -> Any:
        """Stop caring for an own task."""
        return self._call("POST", f"/tasks/{_quoted(task_id)}/cancel", {})

    def leaderboard(self) -> Any:
        """Return the node's own leaderboard, a list of rows."""
        return self._call("GET", "/leaderboard")

    def leaderboard_of(self, peer: str) -> Any:
        """Return the leaderboard a peer of the node computes."""
        return self._call("GET", f"/leaderboard/of/{_quoted(peer)}")

    def explain(self, what: str) -> Any:
        """Return why a task, a worker's score or a record is as it is."""
        return self._call("GET", f"/explain/{_quoted(what)}")

    def certificate(self, task_id: str) -> Any:
        """Return what proves a task and all its attempts to anybody."""
        return self._call("GET", f"/tasks/{_quoted(task_id)}/certificate")

    def diff(self, peer: str) -> Any:
        """Return how a peer's records and state differ from the node's."""
        return self._call("GET", f"/diff/{_quoted(peer)}")

    def worker(self, name: str) -> Any:
        """Return one worker: its row of the leaderboard, and how it is."""
        return self._call("GET", f"/workers/{_quoted(name)}")

    def export_log(self) -> Iterator[bytes]:
        """Iterate over the file of the whole log, piece by piece.

        Raises:
            NotReachable: It ended before its end, among all else that every method raises.
        """
        with self._asked("GET", "/log", None, "") as response:
            if response.status != 200:
                self._read(response.status, response.read(ANSWER_BYTES_MAX))
            while chunk := response.read1(CHUNK_BYTES):
                yield chunk

    def import_log(self, framed: bytes) -> Any:
        """Let the node take records in, each its length in 4 bytes and its bytes."""
        with self._asked("POST", "/log", framed, "application/octet-stream") as response:
            answer = response.read(ANSWER_BYTES_MAX)
        return self._read(response.status, answer)

    def peers(self) -> Any:
        """Return who the node is connected to, or hears of."""
        return self._call("GET", "/peers")

    def status(self) -> Any:
        """Return how the node is."""
        return self._call("GET", "/status")

    def health(self) -> Any:
        """Return `{"ok": true}` if the node serves; needs no token."""
        return self._call("GET", "/health")

    def _call(self, method: str, path: str, body: object = None, *, more_s: float = 0) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        with self._asked(method, path, raw, "application/json", more_s=more_s) as response:
            answer = response.read(ANSWER_BYTES_MAX)
        return self._read(response.status, answer)

    @contextmanager
    def _asked(
        self, method: str, path: str, raw: bytes | None, kind: str, *, more_s: float = 0
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Accept": "*/*", "Connection": "close"}
        if self.endpoint.token:
            headers["Authorization"] = f"Bearer {self.endpoint.token}"
        if raw is not None:
            headers["Content-Type"] = kind
        limit_s = self._timeout_s + more_s
        connection = http.client.HTTPConnection(self._host, self._port, timeout=limit_s)
        try:
            connection.request(method, path, body=raw, headers=headers)
            yield connection.getresponse()
        except TimeoutError as error:
            raise TooLate(
                f"the node at {self.endpoint.url} did not answer within {limit_s:g} s"
            ) from error
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise NotReachable(self._absent()) from error
        finally:
            connection.close()

    def _read(self, status: int, answer: bytes) -> Any:
        try:
            document = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise NotReachable(
                f"what answers at {self.endpoint.url} is not a node (HTTP {status})"
            ) from error
        if status < 400:
            return document
        told = document if isinstance(document, dict) else {}
        code = str(told.get("code", "error"))
        message = str(told.get("message", f"HTTP {status}"))
        if status in (401, 403):
            raise AuthRefused(
                f"the node at {self.endpoint.url} refused us: {message} "
                f"(was it restarted? its token is new at each start)"
            )
        raise RequestRefused(status, code, message)

    def _absent(self) -> str:
        name = self.endpoint.node_id or "NAME"
        return (
            f"cannot reach a node at {self.endpoint.url} - is `aimarket-node --id {name}` running?"
        )


def _quoted(part: str) -> str:
    """Make one path component of what the user typed, even if that is not UTF-8."""
    return quote(part, safe="", errors="replace")
