"""What can be asked of a node, one method for each route, for clients of every kind."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from node.errors import NotReachable, OperatorError, RequestRefused, UsageError
from node.rpc.endpoint import Endpoint

ANSWER_BYTES_MAX = 64 * 1024 * 1024
CALL_SECONDS = 30.0  # the slowest route asks a peer; connecting on loopback takes no time
PAGE_TASKS_MAX = 100  # as many as the node gives at once
PAGES_MAX = 50  # a node looks through 500 tasks a page: what is older is asked for by cursor
WAIT_SECONDS = 15  # for which a node is asked to wait; it is asked again

Answer_co = TypeVar("Answer_co", covariant=True)


class AuthRefused(OperatorError):
    """The node does not know our token, or refuses where we come from."""

    exit_code = 77


class TooLate(OperatorError):
    """What was waited for did not come in time; it still may."""

    exit_code = 75


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        method: GET or POST.
        path: With the query.
        body: What becomes JSON, or bytes that are sent as they are; None for no body.
        more_s: For how long the node is asked to wait.
        part: The only part of the answer that is wanted; empty for all.
        is_text: Whether the answer is text, and no JSON.
    """

    method: str
    path: str
    body: object = None
    more_s: float = 0.0
    part: str = ""
    is_text: bool = False


EXPORT = Call("GET", "/log", is_text=True)


class Calls(ABC, Generic[Answer_co]):
    """The routes of one node as methods; each gives the decoded JSON document.

    Every method raises NotReachable if no node answers, TooLate if it does not in time, AuthRefused
    if it does not accept us, and RequestRefused with the node's own words for all else it refuses.
    """

    @abstractmethod
    def _call(self, call: Call) -> Answer_co: ...

    def submit(self, **fields: object) -> Answer_co:
        """Submit a task; fields that are None are left to the node.

        Args:
            fields: `text`, and `type`, `seats`, `model`, `request_id` if they matter.
        """
        body = {key: value for key, value in fields.items() if value is not None}
        return self._call(Call("POST", "/tasks", body))

    def submit_batch(self, tasks: Sequence[Mapping[str, object]]) -> Answer_co:
        """Submit at most a thousand tasks; give what became of each, in their order.

        Each is `{"task_id"}`, or `{"error"}` with a code and a message.
        """
        return self._call(Call("POST", "/tasks/batch", tasks, part="results"))

    def task(self, task_id: str, *, wait_s: int = 0) -> Answer_co:
        """Give one task; if the node is to wait until it is settled, at most so many seconds."""
        query = f"?wait={wait_s}" if wait_s else ""
        return self._call(Call("GET", f"/tasks/{quoted(task_id)}{query}", more_s=wait_s))

    def task_page(self, *, limit: int = 50, mine: bool = False, **fields: str | None) -> Answer_co:
        """Give one page of tasks, `{"tasks": [...], "next": cursor or None}`.

        Args:
            limit: The most of it, 1 to 100.
            mine: Whether only tasks of this node are meant.
            fields: `cursor`, `state`, `type` and `submitter`; those that are None are left out.
        """
        query: dict[str, object] = {k: v for k, v in fields.items() if v is not None}
        query |= {"limit": limit, **({"mine": "true"} if mine else {})}
        return self._call(Call("GET", f"/tasks?{urlencode(query, errors='replace')}"))

    def cancel(self, task_id: str) -> Answer_co:
        """Stop caring for an own task."""
        return self._call(Call("POST", f"/tasks/{quoted(task_id)}/cancel", {}))

    def certificate(self, task_id: str) -> Answer_co:
        """Give what proves a task and all its attempts to anybody."""
        return self._call(Call("GET", f"/tasks/{quoted(task_id)}/certificate"))

    def verify_certificate(self, certificate: object) -> Answer_co:
        """Give what a certificate proves; it is refused with 400 if that is nothing."""
        return self._call(Call("POST", "/certificates/verify", certificate))

    def explain(self, what: str) -> Answer_co:
        """Give why a task, a worker's score or a record is as it is."""
        return self._call(Call("GET", f"/explain/{quoted(what)}"))

    def diff(self, peer: str) -> Answer_co:
        """Give how a peer's records and state differ from the node's."""
        return self._call(Call("GET", f"/diff/{quoted(peer)}"))

    def leaderboard(self) -> Answer_co:
        """Give the node's own leaderboard, a list of rows."""
        return self._call(Call("GET", "/leaderboard"))

    def leaderboard_of(self, peer: str) -> Answer_co:
        """Give the leaderboard a peer of the node computes."""
        return self._call(Call("GET", f"/leaderboard/of/{quoted(peer)}"))

    def points_history(self, *, tasks: int = 500, limit: int = 8) -> Answer_co:
        """Give how the points of the best workers grew over the newest tasks of the log.

        Args:
            tasks: How many of these, 1 to 2,000.
            limit: Of how many workers, 1 to 32.
        """
        return self._call(Call("GET", f"/leaderboard/history?tasks={tasks}&limit={limit}"))

    def history(self, *, after_ms: int = 0) -> Answer_co:
        """Give what happened in the last hour, a sample every five seconds.

        Args:
            after_ms: Only samples after this moment, Unix milliseconds.
        """
        return self._call(Call("GET", f"/history?after={after_ms}"))

    def worker(self, name: str) -> Answer_co:
        """Give one worker: its row of the leaderboard, and how it is."""
        return self._call(Call("GET", f"/workers/{quoted(name)}"))

    def peers(self) -> Answer_co:
        """Give who the node is connected to, or hears of, a list."""
        return self._call(Call("GET", "/peers"))

    def status(self) -> Answer_co:
        """Give how the node is."""
        return self._call(Call("GET", "/status"))

    def network(self) -> Answer_co:
        """Give the network the node is of: its id, name, genesis, limits and members."""
        return self._call(Call("GET", "/network"))

    def health(self) -> Answer_co:
        """Give `{"ok": true}` if the node serves; needs no token."""
        return self._call(Call("GET", "/health"))

    def import_log(self, framed: bytes) -> Answer_co:
        """Let the node take records in, each its length in 4 bytes and its bytes."""
        return self._call(Call("POST", "/log", framed))

    def ready(self) -> Answer_co:
        """Give `{"ready": true}` if the node can take part in full, else be refused with 503."""
        return self._call(Call("GET", "/ready"))

    def metrics(self) -> Answer_co:
        """Give the numbers of the node as text, in the format of Prometheus."""
        return self._call(Call("GET", "/metrics", is_text=True))

    def openapi(self) -> Answer_co:
        """Give the OpenAPI document of the node."""
        return self._call(Call("GET", "/openapi.json"))


def host_and_port(url: str) -> tuple[str, int]:
    """Take the URL of an RPC apart.

    Raises:
        UsageError: It is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise UsageError(f"{url}: not a URL with a port ({error})") from error
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(f"{url}: an RPC URL looks like http://127.0.0.1:7461")
    return parts.hostname, port


def headers_of(endpoint: Endpoint, call: Call) -> tuple[dict[str, str], bytes | None]:
    """Return the headers of a request, and its body."""
    headers = {"Accept": "*/*" if call.is_text else "application/json", "Connection": "close"}
    if endpoint.token:
        headers["Authorization"] = f"Bearer {endpoint.token}"
    if call.body is None:
        return headers, None
    if isinstance(call.body, bytes):
        headers["Content-Type"] = "application/octet-stream"
        return headers, call.body
    headers["Content-Type"] = "application/json"
    return headers, json.dumps(call.body).encode()


def read_answer(endpoint: Endpoint, call: Call, status: int, raw: bytes) -> Any:
    """Return what a node answered.

    Raises:
        NotReachable: It is no node that answers.
        AuthRefused: The token is not the node's, or is missing.
        RequestRefused: The node refuses, for a reason of its own.
    """
    try:
        if call.is_text and status < 400:
            return raw.decode()
        document = json.loads(raw)
        if status < 400:
            return document[call.part] if call.part else document
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        strange = f"what answers at {endpoint.url} is not a node (HTTP {status})"
        raise NotReachable(strange) from error
    told = document if isinstance(document, dict) else {}
    code = str(told.get("code", "error"))
    message = str(told.get("message", f"HTTP {status}"))
    if status in (401, 403):
        raise AuthRefused(
            f"the node at {endpoint.url} refused us: {message} "
            f"(was it restarted? its token is new at each start)"
        )
    raise RequestRefused(status, code, message)


def absent(endpoint: Endpoint) -> NotReachable:
    """Return the error of a node that does not answer."""
    name = endpoint.node_id or "NAME"
    running = f"is `aimarket-node --id {name}` running?"
    return NotReachable(f"cannot reach a node at {endpoint.url} - {running}")


def slow(endpoint: Endpoint, seconds: float) -> TooLate:
    """Return the error of a node that takes too long."""
    return TooLate(f"the node at {endpoint.url} did not answer within {seconds:g} s")


def unsettled(task: Mapping[str, Any], seconds: float) -> TooLate:
    """Return the error of a task that takes too long."""
    waiting = task["waiting"] or "a verdict"
    shown = str(task["task_id"])[:8]
    return TooLate(
        f"no verdict within {seconds:g} s (waiting for {waiting}); it may still come: "
        f"aimarket task {shown}"
    )


def quoted(part: str) -> str:
    """Make one path component of what the user typed, even if that is not UTF-8."""
    return quote(part, safe="", errors="replace")
