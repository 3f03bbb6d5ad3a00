"""Following the events of a node over connections that may break: what to ask, what was told."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from node.errors import NotReachable, RequestRefused
from node.rpc.calls import Call
from protocol.errors import MarketError

SILENCE_SECONDS = 45.0  # a node says something every 15 s: three times that, and it is gone
PATIENCE_SECONDS = 60.0  # for a node that is started anew
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.25, 4.0
LINE_BYTES_MAX = 1024 * 1024  # a node's longest event has some thousand
_PASSING = (429, 503)  # a node that starts, or has no room: it may be different in a moment


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        event_id: Whoever has seen it goes on after it.
        type: What it is; `gap` where events are missing.
        document: All of it.
    """

    event_id: str
    type: str
    document: dict[str, Any]


class Following:
    """One reader's place; it survives any number of connections.

    Attributes:
        call: What is asked at each of them.
        last_event_id: The last id seen; None before the first.
    """

    def __init__(
        self,
        *,
        types: Sequence[str],
        task: str | None,
        last_event_id: str | None,
        patience_s: float = PATIENCE_SECONDS,
        note: Callable[[str], None] | None = None,
    ) -> None:
        """Begin before the first connection.

        Args:
            types: The types that are wanted; all if there are none.
            task: The one task that is wanted, with its retries.
            last_event_id: The last id seen.
            patience_s: For how long the node may be away.
            note: Told in a line when the node is lost, and when it is back.
        """
        query = [("type", one) for one in types] + ([] if task is None else [("task", task)])
        encoded = urlencode(query, errors="replace")
        self.call = Call("GET", f"/events?{encoded}" if query else "/events", is_text=True)
        self.last_event_id = last_event_id
        self._patience_s = patience_s
        self._note = note
        self._is_first = True
        self._gone_since_s: float | None = None
        self._pause_s = PAUSE_SECONDS
        self._rest = b""
        self._fields: dict[bytes, bytes] = {}

    def headers(self) -> dict[str, str]:
        """Return what a new connection says besides; what an old one left half said is gone."""
        self._rest, self._fields = b"", {}
        return {} if self.last_event_id is None else {"Last-Event-ID": self.last_event_id}

    def take(self, chunk: bytes) -> list[Event]:
        """Take in what the node said; return the events that are whole by now.

        Raises:
            NotReachable: It is no node that says that.
        """
        if self._gone_since_s is not None:
            self._tell("the node is back")
        self._is_first, self._gone_since_s, self._pause_s = False, None, PAUSE_SECONDS
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise NotReachable("what answers is no node: an event without end")
        return [event for line in lines if (event := self._line(line)) is not None]

    def lost(self, problem: MarketError, now_s: float) -> float:
        """Take in that a connection ended; return how long to wait before the next, in seconds.

        Raises:
            MarketError: The problem, if another connection would not help, there was none before
                this one, or the node has been away for too long.
        """
        is_refused = isinstance(problem, RequestRefused) and problem.status not in _PASSING
        if self._is_first or is_refused:
            raise problem
        if self._gone_since_s is None:
            self._gone_since_s = now_s
            self._tell("lost the node; going on when it is back")
        elif now_s - self._gone_since_s >= self._patience_s:
            raise problem
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, PAUSE_SECONDS_MAX)
        return pause_s

    def _tell(self, line: str) -> None:
        if self._note is not None:
            self._note(line)

    def _line(self, line: bytes) -> Event | None:
        line = line.removesuffix(b"\r")
        if line:
            name, _, value = line.partition(b":")
            self._fields[name] = value.removeprefix(b" ")
            return None
        fields, self._fields = self._fields, {}
        if b"id" in fields:
            self.last_event_id = fields[b"id"].decode("ascii", "replace")
        if b"data" not in fields:
            return None
        try:
            document = json.loads(fields[b"data"])
            return Event(self.last_event_id or "", str(document["type"]), document)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotReachable("what answers is no node: an event that is none") from error
